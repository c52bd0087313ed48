"""Remove the values of secrets from command lines, so that a table can show the rest.

A value is a secret by its name (`--password X`, `API_KEY=x`, `{"token": "x"}`, `Authorization: x`), by its
place (a URL's credentials, `sshpass -p X`) or by its shape (a JSON web token, a provider's key). When in
doubt a value is removed: a word too few in a table is a small loss. A secret that looks like any other word
is not found.
"""

import re
from collections.abc import Mapping, Sequence

from .quoted import past_quoted

REDACTED = "[redacted]"

# fmt: off
# Secret anywhere in a name, in any spelling: DB_PASSWORD, PGPASSWORD, keyStorePassword, client.secret.
_SECRET_PARTS = (
    "password", "passwd", "passphrase", "passcode", "secret", "credential", "apikey", "accesskey",
    "privatekey", "accountkey", "authkey", "masterkey", "signingkey", "encryptionkey", "sharedkey",
    "authorization", "bearer", "cookie", "signature",
)
# Secret only as a whole word: they are parts of harmless words (compass, author, design, tokenizer).
_SECRET_WORDS = frozenset((
    "pass", "pwd", "pw", "passwort", "auth", "token", "tokens", "jwt", "psk", "sas", "sig", "otp",
    "pat", "apitoken",
))
# As the last word: the value is about the secret and not the secret: --token-file, SECRET_NAME, --auth-mode.
_ABOUT = frozenset((
    "file", "files", "path", "dir", "directory", "folder", "url", "uri", "endpoint", "host", "port",
    "server", "socket", "name", "names", "id", "ids", "type", "mode", "kind", "method", "scheme",
    "provider", "backend", "plugin", "module", "length", "len", "size", "count", "limit", "max", "min",
    "ttl", "timeout", "expiry", "expires", "expiration", "age", "interval", "policy", "header",
    "headers", "field", "env", "var", "from", "ref", "source", "store", "format", "algorithm", "alg",
    "command", "cmd", "helper", "domain", "realm", "audience", "issuer", "required", "enabled",
    "disabled", "through", "version",
))
# As the first word: the value is a switch or an amount: --no-password, max_tokens.
_NOT_VALUES = frozenset((
    "no", "not", "disable", "disabled", "enable", "enabled", "skip", "without", "max", "min", "num",
    "n",
))
# fmt: on

_WORD = r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+"

# Any process may put megabytes of anything into its command line. So each quantifier is bounded, or what it
# repeats cannot begin what follows it; and none repeats a group, because `re` takes memory for each round of
# one.
_NAME = r"[A-Za-z_][\w.\-]{0,127}"
# All blanks, up to eight: none of them is given back for the next part to match.
_BLANKS = r"(?:\s{8}|\s{0,7}(?!\s))"

# A whole argument NAME=VALUE, --name=value, -Dname=value, /name:value: the value is everything after the
# name.
_WHOLE = rf"(--?|/)?({_NAME})([=:]\s?)"
# NAME=VALUE within a longer text (a shell's -c, a connection string, JSON, a process title): the value ends
# at a blank, or where a separator begins the next name.
_PAIR = rf"(?<![\w.\-])-{{0,2}}({_NAME})\\?[\"']?\s{{0,8}}(?:=>|[=:]){_BLANKS}(?!//)"
_PAIR_END = rf"\s|[&;,]\s?{_NAME}[\"']?[=:]"
_OPTION = rf"(?<!\S)--?({_NAME})(?=\s){_BLANKS}(?!--|-\w(?:\s|\Z))"
_OPTION_END = r"\s"
_HEADER = (
    r"((?<![\w\-])(?:proxy-)?authorization|(?<![\w\-])(?:set-)?cookie"
    r"|(?<![\w\-])x-[\w\-]{0,64}(?:key|token|auth|secret))"
    rf"(\s{{0,8}}:{_BLANKS})[^\r\n\"']+"
)
_BEARER = r"(?<![\w\-])(bearer\s{1,8})[\w\-.~+/]{8,}=*"
_URL_WORD = r"[^\s\"'<>]+"
_LOGIN_SCHEMES = ("ssh", "sftp", "scp", "rsync")
_SHAPES = (
    r"(?<![\w\-])(?:"
    r"eyJ[\w\-]{8,}\.[\w\-]{8,}\.[\w\-]*"  # JSON web token
    r"|gh[pousr]_\w{20,}|github_pat_\w{20,}|glpat-[\w\-]{16,}|npm_\w{30,}|pypi-[\w\-]{30,}"
    r"|xox[abeoprs]-[\w\-]{10,}|sk-[\w\-]{20,}|[rs]k_(?:live|test)_\w{16,}|AIza[\w\-]{30,}|hvs\.[\w\-]{20,}"
    r")|-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----(?s:.)*"
)

# Programs with one-letter options that carry a secret. "u": only the part behind the user's name and a colon
# or percent sign is secret. "attached": the secret follows without a blank. "login": only for the subcommand
# login.
_PROGRAMS: tuple[tuple[Mapping[str, str], tuple[str, ...]], ...] = (
    ({"-u": "u", "--user": "u", "-U": "u", "--proxy-user": "u"}, ("curl",)),
    ({"-U": "u"}, ("smbclient",)),
    ({"-a": ""}, ("redis-cli",)),
    ({"-p": ""}, ("sshpass", "mongosh", "mongo", "mongodump")),
    ({"-P": ""}, ("sqlcmd", "bcp", "unzip", "zip")),
    ({"-w": ""}, ("ldapsearch", "ldapmodify", "ldapadd")),
    (
        {"-p": "attached"},
        ("mysql", "mysqldump", "mysqladmin", "mariadb", "mariadb-dump", "mariadb-admin", "7z"),
    ),
    ({"-p": "login"}, ("docker", "podman")),
)
_LETTERS = {program: letters for letters, programs in _PROGRAMS for program in programs}


def is_secret_name(name: str) -> bool:
    """Return whether a value of this name is a secret.

    The name is an option's, without leading dashes, or a variable's, key's or header's.
    """
    words = [word.lower() for word in re.findall(_WORD, name)]
    if words[-2:] == ["secret", "id"]:  # in Vault's AppRole the secret_id is the secret
        return True
    if not words or words[0] in _NOT_VALUES or words[-1] in _ABOUT:
        return False
    if not _SECRET_WORDS.isdisjoint(words) or words[-1].endswith("token"):
        return True
    joined = "".join(words)
    return any(part in joined for part in _SECRET_PARTS)


def redact_text(text: str) -> str:
    """Redact secrets within one piece of text: NAME=VALUE, `--name value`, headers, URLs, keys known by their
    shape.
    """
    text = re.sub(_URL_WORD, _without_credentials, text)
    text = re.sub(_HEADER, rf"\1\2{REDACTED}", text, flags=re.IGNORECASE)
    text = re.sub(_BEARER, rf"\1{REDACTED}", text, flags=re.IGNORECASE)
    text = _without_values(text, _OPTION, _OPTION_END)
    text = _without_values(text, _PAIR, _PAIR_END)
    return re.sub(_SHAPES, REDACTED, text)


def redact_url(url: str) -> str:
    """Return a URL without its credentials and without the values of secret parameters."""
    return redact_text(url)


def redact_arguments(arguments: Sequence[str]) -> list[str]:
    """Return the arguments of a program, the program first, with the values of secrets replaced by REDACTED.

    Their number and order stay as they are.
    """
    if not arguments:
        return []
    letters = _letters(arguments)
    result = [redact_text(arguments[0])]
    # The kind of secret that the last option announced, None if the next argument is not a secret.
    secret: str | None = None
    for argument in arguments[1:]:
        if secret is not None and not _is_option(argument):
            shown, secret = _hidden(argument, secret), None
        else:
            shown, secret = _argument(argument, letters)
        result.append(shown)
    return result


def _argument(argument: str, letters: Mapping[str, str]) -> tuple[str, str | None]:
    """Return an argument as it may be shown, and the kind of secret that the next argument is."""
    if argument in letters and letters[argument] != "attached":
        return argument, letters[argument]
    letter = argument[:2]
    if letter in letters and len(argument) > 2 and argument[1] != "-":
        return letter + _hidden(argument[2:], letters[letter]), None
    name, equals, value = argument.partition("=")
    if equals and letters.get(name) == "u":
        return name + equals + _hidden(value, "u"), None
    whole = re.match(_WHOLE, argument)
    if whole is not None and is_secret_name(whole[2]) and not argument.startswith("://", whole.end() - 1):
        return argument[: whole.end()] + REDACTED, None
    if re.fullmatch(rf"--?{_NAME}", argument):
        return argument, "" if is_secret_name(argument.lstrip("-")) else None
    return redact_text(argument), None


def _letters(arguments: Sequence[str]) -> Mapping[str, str]:
    program = re.split(r"[/\\]", arguments[0])[-1].lower().removesuffix(".exe")
    letters = _LETTERS.get(program, {})
    if "login" in letters.values() and "login" not in arguments[:4]:
        return {}  # docker run -p publishes a port
    return letters


def _hidden(value: str, how: str) -> str:
    if how == "u":
        user = re.match(r"[^:%]*[:%]", value)
        return user[0] + REDACTED if user is not None else value
    return REDACTED


def _is_option(argument: str) -> bool:
    # A secret may begin with a dash, too: only a clear option leaves the option before it without a value.
    return argument.startswith("--") or re.fullmatch(r"-[A-Za-z]", argument) is not None


def _without_values(text: str, name: str, ends: str) -> str:
    """Redact what follows each `name` that names a secret: a quoted string, or everything up to a match of
    `ends`.

    The text behind other names is searched too.
    """
    names, value_ends = re.compile(name), re.compile(ends)
    shown: list[str] = []
    done = start = 0
    while (match := names.search(text, start)) is not None:
        start = match.end()
        if not is_secret_name(match[1]):
            continue
        quote = text[start] if text.startswith(('"', "'"), start) else ""
        if quote:
            end, _ = past_quoted(text, start)
        else:
            ending = value_ends.search(text, start)
            end = len(text) if ending is None else ending.start()
        if end == start:
            continue
        shown += (text[done:start], quote, REDACTED, quote)
        start = done = end
    return "".join((*shown, text[done:]))


def _without_credentials(match: re.Match[str]) -> str:
    if "://" not in match[0] or "@" not in match[0]:
        return match[0]
    # A word may hold several URLs: each part but the first begins with an authority.
    parts = match[0].split("://")
    for index in range(1, len(parts)):
        part = parts[index]
        authority = re.split(r"[/?#]", part, maxsplit=1)[0]
        at = authority.rfind("@")
        if at < 0 and ":" in authority and not re.search(r":[0-9]*\Z", authority):
            at = part.rfind("@")  # an unencoded / ? or # in the password; host:80/@scope is not meant
        if at < 0:
            continue
        if parts[index - 1].endswith(_LOGIN_SCHEMES) and ":" not in part[:at] and at <= 32:
            continue  # ssh://git@host has a user's name alone
        parts[index] = REDACTED + part[at:]
    return "://".join(parts)
