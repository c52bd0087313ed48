"""Tell names of secrets from other names, and values that are no secrets whatever their name."""

import functools
import re

REDACTED = "[redacted]"

# fmt: off
# Secret anywhere in a name, in any spelling: DB_PASSWORD, PGPASSWORD, keyStorePassword, client.secret.
_SECRET_PARTS = (
    "password", "passwd", "passphrase", "passcode", "secret", "credential", "apikey", "accesskey",
    "privatekey", "accountkey", "authkey", "masterkey", "signingkey", "encryptionkey", "sharedkey",
    "authorization", "bearer", "cookie", "signature", "mnemonic",
)
# Secret only as a whole word: they are parts of harmless words (compass, author, design, tokenizer).
_SECRET_WORDS = frozenset((
    "pass", "pwd", "pw", "passwort", "auth", "token", "tokens", "jwt", "psk", "sas", "sig", "otp",
    "pat", "apitoken", "creds", "cred", "wpapsk", "phpsessid", "jsessionid", "sessid", "sessionid",
))
# Secret at the end of a word: storepass, dbpwd, rootpw, wpapsk; but not of these words.
_SECRET_ENDS = ("token", "pass", "pwd", "pw", "psk")
_NO_SECRET = frozenset((
    "compass", "bypass", "encompass", "trespass", "overpass", "underpass", "surpass", "lowpass", "highpass",
    "bandpass", "allpass", "onepass", "twopass", "multipass", "singlepass", "firstpass", "fastpass",
    "askpass",
    "getpass", "passthrough", "renderpass", "subpass",
))
# As the last word: the value is about the secret and not the secret: --token-file, SECRET_NAME, --auth-mode.
_ABOUT = frozenset((
    "file", "files", "path", "dir", "directory", "folder", "url", "uri", "endpoint", "host", "port",
    "server", "socket", "sock", "name", "names", "id", "ids", "type", "mode", "kind", "method", "scheme",
    "provider", "backend", "plugin", "module", "length", "len", "size", "count", "limit", "max", "min",
    "ttl", "timeout", "expiry", "expires", "expiration", "age", "interval", "policy", "header",
    "headers", "field", "env", "var", "from", "ref", "source", "store", "format", "algorithm", "alg",
    "command", "cmd", "helper", "domain", "realm", "audience", "issuer", "required", "enabled",
    "disabled", "through", "version", "fd", "stdin", "prompt", "jar", "hash-type", "keyring", "service",
    "user", "username", "db", "database", "level", "protocol", "agent", "program", "iter", "iterations",
))
# As the first word: the value is a switch or an amount: --no-password, max_tokens.
_NOT_VALUES = frozenset((
    "no", "not", "disable", "disabled", "enable", "enabled", "skip", "without", "max", "min", "num",
    "n",
))
# As the first word of an option: it is a switch without a value: --ask-pass, --with-token.
_SWITCHES = frozenset((
    "ask", "with", "use", "require", "allow", "force", "prompt", "show", "print", "hide", "save", "remember",
    "generate", "random", "has", "is", "insecure", "interactive", "read", "warn", "list", "get", "export",
    "delete", "import",
))
# Values that are no secrets, as of AUTH=none.
_PLAIN_VALUES = frozenset((
    "true", "false", "yes", "no", "on", "off", "none", "null", "nil", "0", "1", "basic", "digest",
    "ntlm", "negotiate", "required", "optional", "-", "y", "n", "for", "to",
))
_ROOTS = (
    "home", "root", "run", "etc", "var", "usr", "opt", "srv", "tmp", "mnt", "media", "dev", "proc", "sys",
    "boot",
    "bin", "sbin", "lib", "lib64", "data", "app", "apps", "workspace", "nix", "snap", "Users", "Library",
    "private",
    "Applications", "System", "Volumes", "secrets", "config", "builds", "github",
)
# fmt: on

_WORD = r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+"
# A path with a folder that systems have, or from the home or this folder; or one in small letters. A secret
# may begin with a slash too, but hardly look like that.
_PATH = (
    rf"(?:~[\w\-]*|\.\.?|\$\w+|\$\{{\w+\}}|/(?:{'|'.join(_ROOTS)}))(?:/.*)?|[A-Za-z]:[\\/].*|\\\\.*"
    r"|(?:/[a-z][a-z_.\-]*)+[0-9]?/?|file:.*|(?:/[a-z][a-z0-9_.\-]*){2,}/?"
)
# Of openssl's -pass and others: the secret is in a variable or a file.
_ELSEWHERE = r"(?:env|fd):\w*|stdin"
_RANDOM = r"(?=[^0-9]*[0-9])(?=[^A-Za-z]*[A-Za-z])[A-Za-z0-9+/_=\-]{16,}"


@functools.lru_cache(maxsize=4096)
def is_secret_name(name: str) -> bool:
    """Return whether a value of this name is a secret.

    The name is an option's, without leading dashes, or a variable's, key's or header's.
    """
    words = [word.lower() for word in re.findall(_WORD, name)]
    if words[-2:] == ["secret", "id"]:  # in Vault's AppRole the secret_id is the secret
        return True
    if not words or words[0] in _NOT_VALUES or words[-1] in _ABOUT:
        return False
    last = words[-1] if not words[-1].isdigit() or len(words) == 1 else words[-2]  # password1
    if not _SECRET_WORDS.isdisjoint(words) or (last.endswith(_SECRET_ENDS) and last not in _NO_SECRET):
        return True
    joined = "".join(words)
    return any(part in joined for part in _SECRET_PARTS)


def is_key_name(name: str) -> bool:
    """Return whether a value of this name is a secret if it looks random: a key, or a name of something."""
    return name[-4:].lower().endswith(("key", "keys")) and "pub" not in name.lower()


def is_switch(name: str) -> bool:
    """Return whether an option of this name has no value, though it names a secret: `ask-pass`."""
    word = re.match(r"[A-Za-z]+", name)
    return word is not None and word[0].lower() in _SWITCHES


def is_path(value: str) -> bool:
    """Return whether a value is a path rather than a secret."""
    return (value[:1] in "/~.$\\f" or value[1:2] == ":") and re.fullmatch(_PATH, value, re.DOTALL) is not None


def is_random(value: str) -> bool:
    """Return whether a value looks like a key: long, of letters and digits."""
    return re.fullmatch(_RANDOM, value) is not None and not is_path(value)


def is_secret(name: str, value: str) -> bool:
    """Return whether a value is a secret by its name; paths and switches are none."""
    if name in ("PWD", "OLDPWD") and value[:1] in ("/", "~"):
        return False
    if is_secret_name(name):
        return re.fullmatch(_ELSEWHERE, value) is None and (
            value.lower() not in _PLAIN_VALUES and not is_path(value)
        )
    return is_key_name(name) and is_random(value)
