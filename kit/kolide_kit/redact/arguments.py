"""Read the arguments of one program, as far as the table tells how it reads them."""

import re
from collections.abc import Sequence
from itertools import pairwise

from .findings import Findings
from .names import is_secret, is_secret_name, is_switch
from .patterns import NAME
from .rules import ALWAYS, Rule, known, program_name
from .values import secret_part

_OPTION = re.compile(rf"(?:--?|\+{{1,2}})({NAME})\Z")
# To a program that is not in the table, a user's name with -u makes -p a password.
_USER = frozenset(("-u", "-U", "--user", "--username", "-user", "-username", "--login", "/u", "/user"))
_PASSWORD = frozenset(("-p", "-P", "-w", "-W", "/p", "-pw"))
# Behind one of these words the name of a secret is followed by the secret.
_SETTER = re.compile(r"(?:\w+:|/)?set(?:-?env)?|-[gu]?x|--arg\Z")
_JOINED_USER = re.compile(r"[-/](?:u|ru|user|username|identity)[:=].", re.IGNORECASE)
_JOINED_PASSWORD = re.compile(r"[-/](?:p|pw|pd|rp)[:=](?=.)", re.IGNORECASE)
# An option whose value may be user:password.
_LOGIN = frozenset(("-u", "--user", "--basic", "--basic-auth", "--creds", "--login", "--proxy-user"))
_GIVES_SECRET = re.compile(r"(?:pass|secret|token|cred).*(?:command|cmd|eval|program)|extpass|passcommand")
_STDIN = re.compile(r"--?(?:pass\w*-stdin|stdin|passphrase-fd|with-token)\b")
# What writes its arguments to a pipe.
WRITERS = frozenset(("echo", "printf", "print", "yes", "cat"))
_NOTHING = Rule()


class Arguments:
    """A pass over the arguments of one program."""

    def __init__(
        self,
        findings: Findings,
        start: int,
        rule: Rule | None,
        *,
        is_known: bool,
        is_guessed: bool,
    ) -> None:
        self._findings = findings
        self._words = findings.words
        self._start = start
        self._rule = rule if rule is not None else _NOTHING
        self._is_known = is_known
        self._is_guessed = is_guessed
        # What the next word is: a value's kind, a script, or the value of something harmless.
        self._kind: str | None = None
        self._by_name = False
        self._is_script = False
        self._skips = False
        self._count = 0
        self._after: dict[int, str] = {}
        self._all_after: tuple[int, str] | None = None
        self._single = self._rule.has_letters
        if ALWAYS in self._rule.stdin:
            findings.reads_secret = True
        self._sets = _SETTER.fullmatch(program_name(findings.words[start])) is not None
        self._entry: str | None = None
        self._has_user = not (
            (is_known and rule is None and not is_guessed) or self._rule.is_wrapper
        ) and _names_user(findings.words[start + 1 : start + 65])

    def read(self) -> tuple[int | None, bool]:
        """Search the words; return where the command that the program runs begins, and if that is a guess."""
        words = self._words
        for index in range(self._start + 1, len(words)):
            word = words[index]
            if self._is_script and not re.search(r"\s", word):
                return index, False  # of `sh -c 'mysql -pX'`, whose quotes a text may have lost
            if self._entry is not None and self._count == self._rule.inner:
                self._findings.programs[index - 1] = self._entry
                return index - 1, False
            if word in self._rule.stdin:
                self._findings.reads_secret = True
            if self._is_awaited(index, word):
                continue
            if word == "--":
                if "--" in self._rule.inner_words or self._begins_command(index + 1):
                    return index + 1, False
                if self._rule is not _NOTHING or not self._is_known:
                    self._findings.later(index + 1)
                continue
            if self._rule.inner_words and word.lower() in self._rule.inner_words:
                return index + 1, False
            self._note_words(index, word)
            if word[:1] in ("-", "/", "+") and len(word) > 1:
                if self._option(index, word):
                    continue
                if word[0] == "-":
                    self._findings.plain(index)
                    continue
            if (begun := self._bare(index, word)) is not None:
                return begun
        return None, False

    def _begins_command(self, index: int) -> bool:
        return index < len(self._words) and known(self._words[index]) is not None

    def _is_awaited(self, index: int, word: str) -> bool:
        """Take a word that an earlier one announced."""
        if self._skips:
            self._skips = False
            self._findings.plain(index)
            return True
        if self._is_script:
            self._is_script = False
            self._findings.script(index)
            return True
        kind, self._kind = self._kind, None
        if kind is not None and not is_option(word):
            if kind:
                self._note_words(index, word)
            if kind == "echo" and program_name(word) in WRITERS:
                self._kind, self._by_name = "", False  # of a text that has lost its quotes
            elif not self._by_name:
                self._hide(index, word, kind)
            elif is_secret("password", word):
                self._findings.hide(index, [(0, len(word))])
            return True
        kind = self._after.pop(index, None)
        if kind is None and self._all_after is not None and index >= self._all_after[0]:
            kind = self._all_after[1]
        if kind is None:
            return False
        if is_option(word):
            if self._words[index - 1].lower() in self._rule.words:
                self._after[index + 1] = kind
            return False
        self._count += 1
        self._hide(index, word, kind)
        return True

    def _hide(self, index: int, word: str, kind: str, offset: int = 0) -> None:
        if kind == "named" and not any(map(_is_named, self._words[self._start + 1 : index])):
            self._findings.plain(index)
            return
        spans = [] if word == "-" else secret_part(word[offset:], kind)
        self._findings.hide(index, spans, offset)
        if not spans or kind:
            self._findings.plain(index)

    def _bare(self, index: int, word: str) -> tuple[int, bool] | None:
        """Take a word that is no option; return where a command begins, if it does so here."""
        rule = self._rule
        self._count += 1
        if rule.inner is not None and self._count > rule.inner:
            return index, False
        if known(word) is not None:
            if not self._is_known:
                return index, True
            if self._is_guessed:
                self._findings.later(index)
        if self._by_place(index, word):
            return None
        if not (rule.attached and self._by_beginning(index, word)):
            self._findings.plain(index)
        return None

    def _note_words(self, index: int, word: str) -> None:
        """Note which words a secret follows."""
        rule = self._rule
        for distance, goes_on, kind in rule.words.get(word.lower(), ()):
            self._after[index + distance] = kind
            if goes_on:
                self._all_after = (index + distance, kind)
        is_name = (rule.names or self._sets) and word[:1] != "-" and word not in rule.switches
        if is_name and _is_named(word):
            self._after.setdefault(index + 1, "name")
        if rule is not _NOTHING or not self._is_known:
            self._sets = self._sets or _SETTER.fullmatch(word) is not None

    def _by_place(self, index: int, word: str) -> bool:
        for place, goes_on, kind in self._rule.places:
            if place == self._count or (goes_on and place < self._count):
                self._hide(index, word, kind)
                return True
        return False

    def _by_beginning(self, index: int, word: str) -> bool:
        """Hide what follows a beginning such as `/p:` or `key=`."""
        for beginning, kind in self._rule.attached.items():
            if len(word) > len(beginning) and word[: len(beginning)].lower() == beginning.lower():
                if beginning[0] == "-" and (beginning[1] == "-" or word[: len(beginning)] != beginning):
                    continue
                self._hide(index, word, kind, len(beginning))
                return True
        return False

    def _option(self, index: int, word: str) -> bool:
        """Take an option, and tell what the next word is; return False if nothing is known of it."""
        rule = self._rule
        self._note_stdin(word)
        if word in rule.switches:
            return True
        option = word.lower() if word[0] == "/" else word
        if option in rule.options or option in rule.attached:
            self._kind, self._by_name = rule.options.get(option), False
            return True
        if word in rule.scripts:
            self._is_script = True
            return True
        name, equals, _ = word.partition("=")
        if equals and (kind := rule.options.get(name, rule.attached.get(name))) is not None:
            self._hide(index, word, kind, len(name) + 1)
            return True
        if equals and name in rule.scripts:
            self._findings.script(index, len(name) + 1)
            return True
        if self._by_beginning(index, word):
            return True
        if self._has_user and (joined := _JOINED_PASSWORD.match(word)) is not None:
            self._hide(index, word, "port", joined.end())
            return True
        if self._has_user and word in _PASSWORD and not rule.has_value(word):
            self._kind, self._by_name = "port", False
            return True
        if name == "--entrypoint" and rule.inner is not None:
            following = self._words[index + 1] if index + 1 < len(self._words) else ""
            self._entry = word.partition("=")[2] if equals else following
        if word[0] == "-" and word[1] != "-" and self._single and self._letters(index, word):
            return True
        if rule.is_wrapper and rule.has_value(name):
            self._skips = not equals and (len(word) == 2 or word.startswith("--") or not self._single)
            return self._skips
        return self._by_name_of(index, word)

    def _by_name_of(self, index: int, word: str) -> bool:
        match = _OPTION.match(word)
        if match is not None:
            if word in self._rule.valued:
                self._skips = True
                return True
            if _GIVES_SECRET.search(match[1].lower()):
                self._kind, self._by_name = "echo", False
                return True
            if is_secret_name(match[1]) and not is_switch(match[1]):
                self._kind, self._by_name = "", True
                return True
        if self._has_user and word in _USER:
            self._skips = True
            return True
        if not self._is_known and word in _LOGIN:
            self._kind, self._by_name = "account", False
            return True
        if match is None or word[0] == "/":
            return False
        if is_secret_name(match[1]):
            return True
        if match[1].lower().endswith("key"):
            self._after[index + 1] = "key"
        return True

    def _letters(self, index: int, word: str) -> bool:
        """Take letters of getopt, several in a word: `-vpSECRET`."""
        rule = self._rule
        for at in range(1, len(word)):
            option = f"-{word[at]}"
            is_last = at == len(word) - 1
            kind = rule.options.get(option, rule.attached.get(option))
            if kind is not None:
                if not is_last:
                    self._hide(index, word, kind, at + 1)
                    if is_secret_name(word[1:]):  # -password of a program that has -p as well
                        self._kind, self._by_name = "", True
                elif option in rule.options:
                    self._kind, self._by_name = kind, False
                return True
            if option in rule.scripts:
                if is_last:
                    self._is_script = True
                else:
                    self._findings.script(index, at + 1)
                return True
            if rule.has_value(option):
                self._skips = is_last
                if not is_last:
                    self._findings.plain(index)
                return True
            if not word[at].isalnum():
                return False
        return not is_secret_name(word[1:])

    def _note_stdin(self, word: str) -> None:
        """Note that standard input is a secret."""
        if _STDIN.match(word):
            self._findings.reads_secret = True


def _names_user(arguments: Sequence[str]) -> bool:
    """Return whether an option with a user's name is among some arguments."""
    if not _USER.isdisjoint(arguments) and any(
        word in _USER and not value.startswith("-") and ":" not in value
        for word, value in pairwise(arguments)
    ):
        return True
    return any(_JOINED_USER.match(word) for word in arguments if word[:1] in ("-", "/"))


def _is_named(word: str) -> bool:
    """Return whether a word names a secret: DB_PASSWORD, mysql-server/root_password, Db:Password."""
    name = re.split("[/:]", word)[-1].lstrip("+$")
    return any(
        re.fullmatch(NAME, part) is not None and is_secret_name(part)
        for part in (name, re.split(r"[.\]]", name)[-1])
    )


def is_option(argument: str) -> bool:
    # A secret may begin with a dash, too: only a clear option leaves the option before it without a value.
    return argument.startswith("--") or re.fullmatch(r"-[A-Za-z]", argument) is not None
