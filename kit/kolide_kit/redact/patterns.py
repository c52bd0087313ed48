"""Find secrets in a text of any kind by what stands around them, or by their shape.

A value is a secret by its name (`API_KEY=x`, `{"token": "x"}`, `Authorization: x`, `--password x`), by its
place (a URL's credentials, SQL's IDENTIFIED BY) or by its shape (a JSON web token, a provider's key).

Any process may put megabytes of anything into its command line. So each quantifier is bounded, or what it
repeats cannot begin what follows it; and none repeats a group, because `re` takes memory for each round of
one.
"""

import re
from collections.abc import Iterator

from ..quoted import past_quoted
from .names import is_path, is_secret, is_switch

Span = tuple[int, int]

NAME = r"[A-Za-z_][\w.\-]{0,127}"
# All blanks, up to eight: none of them is given back for the next part to match.
_BLANKS = r"(?:\s{8}|\s{0,7}(?!\s))"

# NAME=VALUE within a longer text (a shell's -c, a connection string, JSON, a process title): the value ends
# at a blank, or where a separator begins the next name.
_PAIR = rf"(?<![\w.\-])[.\-]{{0,2}}({NAME})\\?[\"']?\]?\s{{0,8}}(?:=>|:=|[=:]){_BLANKS}(?!//)"
_PAIR_END = rf"\s|(?<!\\)[\"'](?=[\s,;)\]}}]|\Z)|[&;,]\s?{NAME}[\"']?[=:]|[?]{NAME}="
_OPTION = rf"(?<![^\s\"'])(?:--?|\+)({NAME})(?=\s){_BLANKS}(?!--|-\w(?:\s|\Z))"
_OPTION_END = r"\s|(?<!\\)[\"'](?=[\s,;)\]}]|\Z)"
_HEADER = (
    r"(?:(?<![\w\-])(?:proxy-)?authorization|(?<![\w\-])(?:set-)?cookie"
    r"|(?<![\w\-])x-[\w\-]{0,64}(?:key|token|auth|secret|signature))"
    rf"\s{{0,8}}:{_BLANKS}([^\r\n\"']+)"
)
_TITLED_HEADER = (
    r"(?<![\w\-])(?:[A-Z][A-Za-z0-9]{0,32}-){1,4}(?:Key|Token|Secret|Auth)"
    rf"\s{{0,8}}:{_BLANKS}([^\r\n\"']+)"
)
_BEARER = (
    r"(?<![\w\-])bearer\s{1,8}([\w\-.~+/]{8,}=*)"
    r"|(?<![\w\-])basic\s{1,8}((?=[a-z]{0,64}[A-Z0-9=])[\w+/]{8,}={0,2})"
)
# SQL: IDENTIFIED BY 'x', PASSWORD 'x', PASSWORD('x').
_SQL = (
    r"(?:identified\s{1,8}(?:with\s{1,8}\w{1,64}\s{1,8})?(?:by|as))\s{0,8}(?=[\"'])"
    r"|(?:password|passphrase)(?:\s{1,8}|\s?\(\s?)(?=[\"'])"
    r"|password\s{1,8}for\s{1,8}[^\s=]{1,256}\s{0,8}=\s{0,8}(?=[\"'])"
    r"|pragma\s{1,8}(?:re|hex)?key\s{0,8}=\s{0,8}(?=[\"'])"
)
# A call that logs in, in any language: login("bob", "x"), auth=("bob", "x"), new PDO(dsn, "bob", "x").
_CALL = (
    r"\b\w{0,32}(?:connect|login|logon|auth|authenticate|password|passwd|credential|secret|token|pdo)"
    r"(?:\s?=\s?)?\s?\("
)
# {"name": "DB_PASSWORD", "value": "x"}; ParameterKey=DBPassword,ParameterValue=x
_NAMED_VALUE = (
    rf"(?:key|name)\\?[\"']?\s{{0,4}}[=:]\s{{0,4}}\\?[\"']?({NAME})\\?[\"']?\s{{0,4}}[,;]"
    r"\s{0,4}\\?[\"']?(?:\w{0,32}value)\\?[\"']?\s{0,4}[=:]\s{0,4}\\?[\"']?([^\"',;\s}\\]+)"
)
_SUBSCRIPT = rf"[\"']({NAME})\\?[\"']\]\s\\?[\"']([^\"'\\]+)"
# Of expect's scripts.
_SEND = r"\bsend\s(?:--\s|-s\s)?\\?[\"{]([^\"}\\]{1,256})"
# Keys in the path of a URL: of conda's channels, a stream's, a bot's.
_PATH_KEY = (
    r"rtmps?://[^/\s]+/(?:[^/\s]+/)?(?=[^/\s?]{8})([^/\s?\"']+)|://[^/\s]+/t/([^/\s\"']+)/"
    r"|/bot[0-9]{6,12}:([\w\-]{20,})"
)
_URL_WORD = r"[^\s\"'<>]+"
_LOGIN_SCHEMES = ("ssh", "sftp", "scp", "rsync")
# user:password@host without a scheme: of Go's data sources, of impacket, in a list behind a first URL.
_LOGIN = r"(?<![\w:/.@\-\\%])([\w.\-\\/+]{1,64}):([^\s\"'<>]{1,256})@(?=[\w\[(])(?!sha\d)"
_NO_LOGIN = frozenset((
    "mailto", "npm", "pkg", "jsr", "to", "from", "cc", "bcc", "user", "sip", "sips", "xmpp", "acct",
    "workspace",
    "patch", "github", "sshd", "email", "mail", "by", "author", "unix", "file", "http", "https",
))  # fmt: skip
_ORACLE = r":(?:thin|oci8?):[^\s/@]{1,64}/([^\s@]{1,128})@"
_SHAPES = (
    r"(?<![A-Za-z0-9])(?:"
    r"eyJ[\w\-]{8,}\.[\w\-]{8,}\.[\w\-]*"  # JSON web token
    r"|(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}(?:[\s,:;/|]{1,3}[A-Za-z0-9/+]{40}(?![\w/+]))?"
    r"|gh[pousr]_\w{20,}|github_pat_\w{20,}|gl(?:pat|dt|rt|cbt|ptt|ft|imt|agent|soat)-[\w\-.]{16,}"
    r"|npm_\w{30,}"
    r"|pypi-[\w\-]{30,}|rubygems_[a-f0-9]{32,}|dckr_(?:pat|oat)_[\w\-]{20,}|hf_[A-Za-z0-9]{30,}"
    r"|xox[abeoprs]-[\w\-]{10,}|xapp-[\w\-]{20,}|sk-[\w\-]{20,}|[rsp]k_(?:live|test|prod)_\w{16,}"
    r"|whsec_[\w+/=]{20,}"
    r"|AIza[\w\-]{30,}|GOCSPX-[\w\-]{20,}|ya29\.[\w\-.]{20,}|hv[sbr]\.[\w\-]{20,}|s\.[A-Za-z0-9]{24}(?!\w)"
    r"|do[opr]_v1_[a-f0-9]{32,}|dapi[a-f0-9]{32}|SG\.[\w\-]{16,}\.[\w\-]{16,}|shp(?:at|ca|pa"
    r"|ss)_[a-fA-F0-9]{32}"
    r"|dp\.(?:pt|st|ct|sa|scim|audit)\.[\w\-.]{30,}|lin_(?:api|oauth)_[A-Za-z0-9]{30,}|gl(?:sa"
    r"|c)_[\w=+/]{20,}"
    r"|tskey-[\w\-]{16,}|ATATT3[\w\-=]{20,}|AGE-SECRET-KEY-1[A-Z0-9]{50,}|NRAK-[A-Z0-9]{20,}"
    r"|xkeysib-[\w\-]{30,}"
    r"|sntry[su]_[\w\-=+/]{20,}|gsk_\w{30,}|nvapi-[\w\-]{30,}|r8_\w{30,}|pul-[a-f0-9]{30,}|figd_[\w\-]{20,}"
    r"|[0-9]{8,10}:AA[\w\-]{33}|\$(?:2[abxy]|5|6|7|y|apr1|1|argon2\w{1,2})\$[\w./=,+$\-]{20,}"
    r")"
)
_QUERY_KEY = r"[?&](?:key|code|auth|access)=([^&#\s\"']+)"
_HOOKS = r"hooks\.slack\.com/(?:services|workflows|triggers)/([\w/]+)|/api/webhooks/\d+/([\w\-]+)"
_KEY_BLOCK = r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
_KEY_END = r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"


def secrets_in(text: str) -> Iterator[Span]:
    """Yield where secrets are in a text; the spans may overlap."""
    if "@" in text:
        if "://" in text:
            for word in re.finditer(_URL_WORD, text):
                yield from _credentials(word[0], word.start())
        if ":" in text:
            yield from _logins(text)
    has_pair = "=" in text or ":" in text
    if "] " in text:
        for match in re.finditer(_SUBSCRIPT, text):
            if is_secret(match[1], match[2]):
                yield match.span(2)
    if "://" in text and ("rtmp" in text or "/t/" in text or "/bot" in text):
        yield from (match.span(match.lastindex or 0) for match in re.finditer(_PATH_KEY, text))
    if "://" in text and "?" in text:
        yield from (match.span(1) for match in re.finditer(_QUERY_KEY, text))
    if ":" in text and re.search(r"[Aa][Uu][Tt][Hh]|[Cc][Oo][Oo][Kk]|[Xx]-", text):
        yield from (match.span(1) for match in re.finditer(_HEADER, text, re.IGNORECASE))
    if ":" in text and "-" in text:
        yield from (match.span(1) for match in re.finditer(_TITLED_HEADER, text))
    if "('" in text or '("' in text or "(\\" in text:
        yield from _calls(text)
    if has_pair:
        yield from _values(text, _PAIR, _PAIR_END)
        if "alue" in text:
            for match in re.finditer(_NAMED_VALUE, text, re.IGNORECASE):
                if is_secret(match[1], match[2]):
                    yield match.span(2)
    if "-" in text:
        yield from _values(text, _OPTION, _OPTION_END)
    if len(text) > 12:
        yield from _by_words(text)


# A call's arguments are near.
_CALL_LENGTH = 512
_LITERAL = re.compile(r"\\?[\"']([^\"'\\]{1,256})\\?[\"']")


def _calls(text: str) -> Iterator[Span]:
    """Yield the literals of calls that log in; of several all but the first, which is a user or a host."""
    calls = re.compile(_CALL, re.IGNORECASE)
    end = 0
    while (call := calls.search(text, end)) is not None:
        closing = text.find(")", call.end(), call.end() + _CALL_LENGTH)
        end = call.end() + _CALL_LENGTH if closing < 0 else closing
        literals = list(_LITERAL.finditer(text, call.end(), end))
        for literal in literals[1:] or (literals if _NAMES_SECRET.search(call[0]) else []):
            if not is_path(literal[1]) and not literal[1].isdigit():
                yield literal.span(1)


_NAMES_SECRET = re.compile(r"password|passwd|secret|token", re.IGNORECASE)


def _by_words(text: str) -> Iterator[Span]:
    """Yield what stands behind certain words, and what has the shape of a key."""
    lower = text.lower()
    if "bearer" in lower or "basic" in lower:
        for match in re.finditer(_BEARER, text, re.IGNORECASE):
            if match[1] or re.search(r"[A-Z0-9=]", match[2]):
                yield match.span(match.lastindex or 0)
    if "identified" in lower or "pass" in lower or "pragma" in lower:
        for match in re.finditer(_SQL, text, re.IGNORECASE):
            end, closed = past_quoted(text, match.end())
            yield match.end() + 1, end - closed
    if "spawn" in text or "expect" in text:
        yield from (match.span(1) for match in re.finditer(_SEND, text))
    if "PRIVATE KEY" in text:
        yield from _key_blocks(text)
    if re.search(r"[A-Za-z0-9_\-+/]{16}|SG\.|\$\w", text) is None:
        return
    yield from (match.span() for match in re.finditer(_SHAPES, text))
    if "hook" in text:
        yield from (match.span(match.lastindex or 0) for match in re.finditer(_HOOKS, text))


def _key_blocks(text: str) -> Iterator[Span]:
    done = 0
    while (begin := re.compile(_KEY_BLOCK).search(text, done)) is not None:
        end = re.compile(_KEY_END).search(text, begin.end())
        done = len(text) if end is None else end.end()
        yield begin.start(), done


def _logins(text: str) -> Iterator[Span]:
    for match in re.finditer(_LOGIN, text):
        value = match[2]
        if match[1].lower() in _NO_LOGIN or value.startswith(("/", "\\")) or "://" in value:
            continue
        yield match.span(2)
    if "thin:" in text or ":oci" in text:
        yield from (match.span(1) for match in re.finditer(_ORACLE, text))


def _values(text: str, name: str, ends: str) -> Iterator[Span]:
    """Yield what follows each `name` that names a secret: a quoted string, or everything up to a match of
    `ends`.

    The text behind other names is searched too.
    """
    names, value_ends = re.compile(name), re.compile(ends)
    start = 0
    while (match := names.search(text, start)) is not None:
        start = match.end()
        # A name is looked at before the value is: most are those of other things.
        if not is_secret(match[1], "x1" * 8) or (ends == _OPTION_END and is_switch(match[1])):
            continue
        if text.startswith(("$(", "`", "<", ">", "|", "&"), start):
            continue  # the command's output is the secret, and not the command
        if text.startswith(('"', "'"), start):
            end, closed = past_quoted(text, start)
            value = (start + 1, end - closed)
        else:
            ending = value_ends.search(text, start)
            end = len(text) if ending is None else ending.start()
            if text[match.start() - 1 : match.start()] in ("'", '"') and text[end : end + 1].isspace():
                end = _quoted_end(text, match.start() - 1, end)
            value = (start, end)
        if end == start:
            continue
        if is_secret(match[1], text[slice(*value)]):
            yield value
        start = end


def _quoted_end(text: str, quote: int, blank: int) -> int:
    """Return where a value ends that has blanks, in a string such as '--password=a b' or "a=b c=d"."""
    past, closed = past_quoted(text, quote)
    if not closed or past - 1 <= blank:
        return blank
    following = re.compile(rf"\s{NAME}[\"']?[=:]").search(text, blank, past)
    return past - 1 if following is None else following.start()


def _credentials(word: str, offset: int) -> Iterator[Span]:
    """Yield the credentials of the URLs in a word."""
    if "://" not in word or "@" not in word:
        return
    # A word may hold several URLs: each part but the first begins with an authority.
    parts = word.split("://")
    start = offset
    for index in range(1, len(parts)):
        part = parts[index]
        start += len(parts[index - 1]) + 3
        authority = re.split(r"[/?#]", part, maxsplit=1)[0]
        at = authority.rfind("@")
        if at < 0 and ":" in authority and not re.search(r":[0-9]*\Z", authority):
            at = part.rfind("@")  # an unencoded / ? or # in the password; host:80/@scope is not meant
        if at < 0:
            continue
        if parts[index - 1].endswith(_LOGIN_SCHEMES) and ":" not in part[:at] and at <= 32:
            continue  # ssh://git@host has a user's name alone
        yield start, start + at
