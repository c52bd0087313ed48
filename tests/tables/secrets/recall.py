"""Measure the recall of each rule of kolide_secret_scan: of secrets made at random, how many are found.

``python -m tests.tables.secrets.recall`` prints a line for each rule, the worst first: the share of secrets
that are found, by this rule and by any, in the forms in which people write them. A rule that looks for more
than the secret is tried in the texts that it looks for.
"""

import random
import re
import string
import sys
from base64 import b64encode
from collections.abc import Iterator
from typing import NamedTuple

from kolide_tables.secrets.secret_rules import Rule, load
from kolide_tables.secrets.secret_search import secrets_in
from kolide_tables.secrets.secret_values import entropy

from .samples import fitting

# Shell, settings, data and code; the name is one of the rule's service, or of none.
FORMS = (
    '{0}_TOKEN={1}\n',
    "export {0}_API_KEY='{1}'\r\n",
    '{0}.api.key = {1}\n',
    '{0}_secret: {1}\n',
    '{0}_secret: "{1}"  # of the old server\n',
    '{{"{0}Token": "{1}"}}',
    '{{"name": "{0}_TOKEN", "value": "{1}"}}',
    '<{0}ApiKey>{1}</{0}ApiKey>',
    '<add key="{0}ApiKey" value="{1}" />',
    'const {0}Key = "{1}";',
    '{0}Token := `{1}`',
    'connect({0}_token="{1}")',
    'System.setProperty("{0}_TOKEN", "{1}")',
    '"{{\\"{0}_token\\": \\"{1}\\"}}"',
)  # fmt: skip
# What is before and behind the secret of a rule that looks for more than the secret itself.
AROUND = {
    "azure-sas-signature": "https://x.blob.core.windows.net/c?sv=2022-11-02{}",
    "facebook-access-token": "facebook {}",
    "telegram-bot-token": "telegram {}",
    "sidekiq-url": "https{}",
}
# Texts for the rules that have a check as well: not every text that their pattern matches is a secret. A rule
# is tried in those that its pattern fits.
PASSWORDS = {
    "authorization-header": (
        "Authorization: Bearer {0}{0}",
        'headers = {{"Authorization": "Bearer {0}{0}"}}',
        "Authorization: Token {0}{0}",
        "Authorization: SSWS 00{0}{0}",
        "Authorization: ApiKey {0}{0}",
    ),
    "command-password": (
        "mysqladmin --password {0} status",
        "mysql -u root -p{0} db",
        "sshpass -p {0} ssh db",
        "ENV DB_PASSWORD {0}\n",
        "setenv DB_PASSWORD {0}\n",
        "requirepass {0}\n",
        "sentinel auth-pass mymaster {0}\n",
        "docker login -u bob -p {0} registry.corp",
        "ldapsearch -x -D cn=admin -w {0} -b dc=corp",
        "redis-cli -h cache -a {0} ping",
        "keytool -list -storepass {0}",
        "smbclient //db/share -U bob%{0}",
        "echo 'bob:{0}' | sudo chpasswd",
        "Connect-VIServer -User bob -Password {0}!",
    ),
    "curl-auth-header": ("curl -H 'X-Api-Key: {0}' https://db",),
    "curl-auth-user": ("curl -u 'bob:{0}' https://db", "curl --user bob:{0} https://db"),
    "nuget-config-password": ('<add key="ClearTextPassword" value="{0}" />',),
    "powershell-secure-string": ("ConvertTo-SecureString '{0}' -AsPlainText -Force",),
    "settings-password": (
        "hostname smtp.corp:587\npassword '{0}'\nstarttls required\n",
        "remote_password {0}\n",
        "bindpw {0}\n",
        "username bob password 0 {0}\n",
        "rootpw --plaintext {0}\n",
        "signingConfigs {{ release {{ storePassword '{0}' }} }}",
        "CREATE ROLE bob WITH LOGIN PASSWORD '{0}';",
        "CREATE USER 'bob'@'%' IDENTIFIED BY '{0}';",
        '10.0.0.1 10.0.0.2 : PSK "{0}"\n',
        '#define WIFI_PASSWORD "{0}"\n',
        'setx DB_PASSWORD "{0}"\r\n',
    ),
    "url-password": (
        "amqp://bob:{0}%21@queue",
        "https://bob:{0}@git.corp/x.git",
        "redis://:{0}@cache:6379/0",
        "jdbc:oracle:thin:scott/{0}@//db:1521/x",
    ),
    "wordpress-key": ("define('AUTH_KEY', 'MW1pxMctoyA(>M%0Vl 2({0}#o0|2$cB+K|.G$hB~4`Juw@');",),
}
_LETTERS = string.ascii_letters + string.digits


class Figure(NamedTuple):
    """How many secrets of a rule were tried, found by that rule, and found by any."""

    rule: Rule
    tried: int
    by_rule: int
    by_any: int


def figures(count: int, seed: int = 7) -> Iterator[Figure]:
    """Yield the figure of each rule, of `count` secrets in each form."""
    for rule in load().every:
        source = random.Random(seed)
        texts = [text for _ in range(count) for text in _texts(rule, source)]
        same = {other.rule_id for service in rule.services for other in load().by_service[service]}
        ids = [{found.rule_id for found in secrets_in(text)} for text in texts]
        by_rule = sum(bool(found & (same or {rule.rule_id})) for found in ids)
        yield Figure(rule, len(texts), by_rule, sum(map(bool, ids)))


def _texts(rule: Rule, source: random.Random) -> Iterator[str]:
    if rule.check and rule.rule_id in PASSWORDS:
        password = "".join(source.choices(_LETTERS, k=10)) + "7aZ"
        texts = [text.format(password) for text in PASSWORDS[rule.rule_id]]
        yield from (text for text in texts if rule.pattern.search(text))
        return
    secret = _encoded_token(source) if rule.check == "encoded-jwt" else _secret_of(rule, source)
    if rule.contains:
        yield AROUND.get(rule.rule_id, "x = {} # y").format(secret)
        return
    name = rule.services[0] if rule.services else "corp"
    for form in FORMS:
        yield form.format(name, secret)


def _encoded_token(source: random.Random) -> str:
    """Return a JSON Web Token in base64, as Kubernetes has it in a secret."""
    claims = "".join(source.choices(_LETTERS, k=60))
    return b64encode(f"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI{claims}.{claims[:43]}".encode()).decode()


def _secret_of(rule: Rule, source: random.Random) -> str:
    """Return a text that a rule's pattern matches, as random as the rule wants it."""
    for _ in range(200):
        secret = fitting(rule.text, source)
        if entropy(secret) >= rule.least_entropy + 0.2 and (rule.starts or re.search("[0-9]", secret)):
            break
    return secret


def main() -> None:
    """Print the figures, the worst first."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    rows = sorted(figures(count), key=lambda figure: figure.by_rule / figure.tried)
    for figure in rows:
        share, any_share = figure.by_rule / figure.tried, figure.by_any / figure.tried
        kind = f"{figure.rule.rule_id}  {figure.rule.text[:40]}"
        print(f"{share:7.1%} {any_share:7.1%} of {figure.tried:5,}  {kind}")
    tried = sum(figure.tried for figure in rows)
    print(f"{sum(figure.by_rule for figure in rows) / tried:7.1%} of {tried:,} secrets of {len(rows)} rules")


if __name__ == "__main__":
    main()
