"""Apply the table of programs to arguments, and to texts that hold command lines."""

import functools
import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from .names import REDACTED, is_path, is_secret, is_secret_name, is_switch
from .patterns import NAME, Span, secrets_in
from .programs import SECRETS
from .rules import ALWAYS, Rule, is_harmless, known, program_name, rule_for
from .shell import Word, shell_words
from .values import secret_part

# sh -c "su -c 'sh -c ...'": nobody quotes deeper, and each level reads its text again.
_DEEPEST = 8
# A longer text is not divided into words: that takes memory for each of them.
_LONGEST = 1 << 16
# Of so many characters at most are arguments whose result is kept.
_MOST_REMEMBERED = 4096
# Commands that may begin within another one, by the names of programs there.
_MOST_GUESSES = 8
_MOST_DOCUMENTS = 4

# A whole argument NAME=VALUE, --name=value, -Dname=value, /name:value: the value is everything after the
# name.
_WHOLE = re.compile(rf"(?:--?|/|\+)?({NAME})([=:]\s?)")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*\+?=")
_OPTION = re.compile(rf"(?:--?|\+{{1,2}})({NAME})\Z")
_SPECIAL = re.compile(r"[=:@\s'\"`$\\;|&]|[\w\-.+/]{16}")
_AUDIT = re.compile(r"a\d{1,4}=")
# To a program that is not in the table, a user's name with -u makes -p a password.
_USER = frozenset(("-u", "-U", "--user", "--username", "-user", "-username", "--login", "/u", "/user"))
_PASSWORD = frozenset(("-p", "-P", "-w", "-W", "/p", "-pw"))
# What writes its arguments to a pipe.
_WRITERS = frozenset(("echo", "printf", "print", "yes", "cat"))
_STDIN = re.compile(r"--?(?:pass\w*-stdin|stdin|passphrase-fd|with-token)\b")


def redacted_text(text: str) -> str:
    """Return a text without its secrets, see `redact_text`."""
    return _hidden(text, _text_secrets(text, 0))


def redacted_arguments(arguments: Sequence[str]) -> list[str]:
    """Return arguments without their secrets, see `redact_arguments`."""
    if sum(map(len, arguments)) > _MOST_REMEMBERED:
        return _redacted(arguments)
    return list(_remembered(_Request(arguments)))


class _Request:
    """Arguments to redact, that equal others by their hash: a cache of them keeps no secret."""

    __slots__ = ("arguments", "digest")

    def __init__(self, arguments: Sequence[str]) -> None:
        self.arguments = arguments
        data = "\0".join(arguments).encode("utf-8", "surrogatepass")
        self.digest = (len(arguments), hashlib.blake2b(data, digest_size=16).digest())

    def __hash__(self) -> int:
        return hash(self.digest)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Request) and self.digest == other.digest


# The same processes are asked about again and again.
@functools.lru_cache(maxsize=1024)
def _remembered(request: _Request) -> tuple[str, ...]:
    arguments, request.arguments = request.arguments, ()
    return tuple(_redacted(arguments))


def _redacted(arguments: Sequence[str]) -> list[str]:
    result = list(arguments)
    found: dict[int, list[Span]] = {}
    for index, start, end in _Command(arguments, 0).secrets():
        found.setdefault(index, []).append((start, end))
    for index, spans in found.items():
        result[index] = _hidden(result[index], spans)
    return result


def _hidden(text: str, spans: Iterable[Span]) -> str:
    """Return a text with REDACTED in the place of each span; of those that overlap or touch, once."""
    shown: list[str] = []
    done = 0
    last = -1
    for start, end in sorted(spans):
        if start > last:
            shown += (text[done:start], REDACTED)
        last = max(last, end)
        done = max(done, end)
    return "".join((*shown, text[done:])) if shown else text


class _Command:
    """The secrets of one command's words, and of those that it runs."""

    def __init__(self, words: Sequence[str], depth: int, quoted: Sequence[bool] | None = None) -> None:
        self._words = words
        self._depth = depth
        # A word of a text that has no quotes has been searched as a part of the text.
        self._quoted = quoted
        self._found: list[tuple[int, int, int]] = []
        self._later: list[int] = []
        self._guesses = 0
        self.reads_secret = False
        self.writes = False

    def secrets(self) -> list[tuple[int, int, int]]:
        """Return (index of the word, start, end) of each secret."""
        start: int | None = 0
        guessed = False
        while start is not None and start < len(self._words):
            start, guessed = self._command(start, guessed)
            if start is None and self._later:
                start, guessed = self._later.pop(0), True
        return self._found

    def _command(self, start: int, guessed: bool) -> tuple[int | None, bool]:
        """Read a command; return where the command that it runs begins, and whether that is a guess."""
        words = self._words
        while start < len(words) and _ASSIGNMENT.match(words[start]) and not self._is_program(words[start]):
            self._plain(start)
            start += 1
        if start == len(words):
            return None, False
        self._plain(start)
        name = known(words[start].removeprefix("-"))  # a login shell is -bash
        rule = None if name is None else rule_for(name, words[start + 1 : start + 13])
        if program_name(words[start]) in _WRITERS:
            self.writes = True
        reader = _Arguments(
            self,
            words,
            start,
            rule,
            is_known=rule is not None or (name is not None and is_harmless(name)),
            is_guessed=guessed,
        )
        return reader.read()

    @staticmethod
    def _is_program(word: str) -> bool:
        # COMMAND=/usr/bin/mysql, as sudo logs it.
        return "=/" in word and known(word) is not None

    def later(self, start: int) -> None:
        """Note a word that may begin a command, too."""
        if self._guesses < _MOST_GUESSES:
            self._guesses += 1
            self._later.append(start)

    def hide(self, index: int, spans: Iterable[Span], offset: int = 0) -> None:
        """Note the secrets in a word; `offset` is where the spans count from."""
        self._found += [(index, start + offset, end + offset) for start, end in spans]

    def plain(self, index: int) -> None:
        """Search a word of which nothing is known."""
        self._plain(index)

    def _plain(self, index: int) -> None:
        word = self._words[index]
        if _SPECIAL.search(word) is None:
            return
        whole = _WHOLE.match(word)
        if whole is not None and not word.startswith("://", whole.end() - 1):
            value = word[whole.end() :]
            if is_secret(whole[1], value) and (value or whole[2] == "="):
                self._found.append((index, whole.end(), len(word)))
                return
            if is_secret(whole[1], "x1" * 8):  # its value is a path, or no secret
                return
        if self._quoted is None or self._quoted[index]:
            self.hide(index, _text_secrets(word, self._depth + 1))

    def script(self, index: int, offset: int = 0) -> None:
        """Search a word, or what follows `offset` in it, as a command of the shell."""
        self.hide(index, _text_secrets(self._words[index][offset:], self._depth + 1, is_script=True), offset)


class _Arguments:
    """A pass over the arguments of one program."""

    def __init__(
        self,
        command: _Command,
        words: Sequence[str],
        start: int,
        rule: Rule | None,
        *,
        is_known: bool,
        is_guessed: bool,
    ) -> None:
        self._command = command
        self._words = words
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
            command.reads_secret = True
        self._has_user = not is_known and _names_user(words[start + 1 : start + 65])

    def read(self) -> tuple[int | None, bool]:
        """Search the words; return where the command that the program runs begins, and if that is a guess."""
        words = self._words
        for index in range(self._start + 1, len(words)):
            word = words[index]
            if self._is_script and not re.search(r"\s", word):
                return index, False  # of `sh -c 'mysql -pX'`, whose quotes a text may have lost
            if self._is_awaited(index, word):
                continue
            if word == "--":
                if "--" in self._rule.inner_words or self._begins_command(index + 1):
                    return index + 1, False
                continue
            if self._rule.inner_words and word.lower() in self._rule.inner_words:
                return index + 1, False
            self._note_words(index, word)
            if word[:1] in ("-", "/", "+") and len(word) > 1:
                if self._option(index, word):
                    continue
                if word[0] == "-":
                    self._command.plain(index)
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
            self._command.plain(index)
            return True
        if self._is_script:
            self._is_script = False
            self._command.script(index)
            return True
        kind, self._kind = self._kind, None
        if kind is not None and not _is_option(word):
            if not self._by_name:
                self._hide(index, word, kind)
            elif is_secret("password", word):
                self._command.hide(index, [(0, len(word))])
            return True
        kind = self._after.pop(index, None)
        if kind is None and self._all_after is not None and index >= self._all_after[0]:
            kind = self._all_after[1]
        if kind is None or _is_option(word):
            return False
        self._count += 1
        self._hide(index, word, kind)
        return True

    def _hide(self, index: int, word: str, kind: str, offset: int = 0) -> None:
        spans = [] if word == "-" else secret_part(word[offset:], kind)
        self._command.hide(index, spans, offset)
        if not spans or kind:
            self._command.plain(index)

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
                self._command.later(index)
        if self._by_place(index, word):
            return None
        if not (rule.attached and self._by_beginning(index, word)):
            self._command.plain(index)
        return None

    def _note_words(self, index: int, word: str) -> None:
        """Note which words a secret follows."""
        after = self._rule.words.get(word.lower())
        if after is not None:
            distance, goes_on, kind = after
            self._after[index + distance] = kind
            if goes_on:
                self._all_after = (index + distance, kind)
        elif self._rule.names and word[:1] != "-" and is_secret_name(re.split("[/:]", word)[-1]):
            self._after[index + 1] = ""

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
        if word in rule.options or word in rule.attached:
            self._kind, self._by_name = rule.options.get(word), False
            return True
        if word in rule.scripts:
            self._is_script = True
            return True
        name, equals, _ = word.partition("=")
        if equals and (kind := rule.options.get(name, rule.attached.get(name))) is not None:
            self._hide(index, word, kind, len(name) + 1)
            return True
        if equals and name in rule.scripts:
            self._command.script(index, len(name) + 1)
            return True
        if self._by_beginning(index, word):
            return True
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
            if is_secret_name(match[1]) and not is_switch(match[1]):
                self._kind, self._by_name = "", True
                return True
        if self._has_user and word in _USER:
            self._skips = True
            return True
        if self._has_user and word in _PASSWORD:
            self._kind, self._by_name = "port", False
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
                    self._command.script(index, at + 1)
                return True
            if rule.has_value(option):
                self._skips = is_last
                if not is_last:
                    self._command.plain(index)
                return True
            if not word[at].isalnum():
                return False
        return not is_secret_name(word[1:])

    def _note_stdin(self, word: str) -> None:
        if _STDIN.match(word) or word in self._rule.stdin:
            self._command.reads_secret = True


_NOTHING = Rule()


def _names_user(arguments: Sequence[str]) -> bool:
    """Return whether an option with a user's name is among some arguments."""
    return not _USER.isdisjoint(arguments) and any(
        word in _USER and not value.startswith("-") and ":" not in value
        for word, value in pairwise(arguments)
    )


def _is_option(argument: str) -> bool:
    # A secret may begin with a dash, too: only a clear option leaves the option before it without a value.
    return argument.startswith("--") or re.fullmatch(r"-[A-Za-z]", argument) is not None


def _text_secrets(text: str, depth: int, *, is_script: bool = False) -> Iterator[Span]:
    """Yield where secrets are in a text; the spans may overlap."""
    yield from secrets_in(text)
    if depth < _DEEPEST and len(text) <= _LONGEST and (is_script or _may_be_command(text)):
        yield from _Text(text, depth).secrets()


@functools.cache
def _secretive() -> frozenset[str]:
    """Return the names of the programs that have secrets among their arguments."""
    names = {name.partition("/")[0] for line in SECRETS for name in line[0].split()}
    names.add("sudo")
    return frozenset(f"{name}{ending}" for name in names for ending in ("", ".exe", ".py"))


_CLUE = re.compile(r"\s-[pPwW]\s|\\|\$\(|`|[\"'][^\"']*[\"'][^\"']*[\"']|\ba0=")
_SEPARATORS = re.compile(r"[\s/\\'\"=(|;&`<>,\[\]{}$]+")


def _may_be_command(text: str) -> bool:
    """Return whether dividing a text into words may find more than searching it: most texts are none."""
    return _CLUE.search(text) is not None or not _secretive().isdisjoint(_SEPARATORS.split(text.lower()))


class _Text:
    """The secrets of the command lines in a text."""

    def __init__(self, text: str, depth: int) -> None:
        self._text = text
        self._depth = depth
        self._words = shell_words(text)
        self._documents = 0

    def secrets(self) -> Iterator[Span]:
        """Yield the spans."""
        words: list[Word] = []
        pipeline: list[tuple[_Command, list[Word], list[Word]]] = []
        here: list[Word] = []
        at = 0
        while at < len(self._words):
            word = self._words[at]
            at += 1
            if not word.is_operator:
                words.append(word)
                yield from self._inner(word)
                continue
            operator = word.value
            if operator[0] in "<>" or operator in ("&>", "&>>"):
                if at < len(self._words) and not self._words[at].is_operator and operator not in "()":
                    if operator == "<<<":
                        here.append(self._words[at])
                        yield from self._inner(self._words[at])
                    elif operator[:2] == "<<":
                        here.append(self._document(at, operator))
                    at += 1
                continue
            if words:
                command, spans = self._run(words, here)
                yield from spans
                pipeline.append((command, words, here))
                words, here = [], []
            if operator not in ("|", "|&"):
                yield from self._piped(pipeline)
                pipeline = []
        if words:
            command, spans = self._run(words, here)
            yield from spans
            pipeline.append((command, words, here))
        yield from self._piped(pipeline)

    def _run(self, words: list[Word], here: list[Word]) -> tuple[_Command, list[Span]]:
        """Search a command of which the words are known."""
        values = [word.value for word in words]
        offsets = _audited(values)
        command = _Command(
            values,
            self._depth,
            [word.is_quoted or offset > 0 for word, offset in zip(words, offsets, strict=True)],
        )
        spans: list[Span] = []
        for index, start, end in command.secrets():
            if start < end:
                spans += self._shown(words[index], start + offsets[index], end + offsets[index])
        for word in here:
            if word.value and command.reads_secret:
                spans.append(word.span(0, len(word.value)))
            elif word.value:
                inner = _text_secrets(word.value, self._depth + 1, is_script=True)
                spans += [word.span(*span) for span in inner if span[0] < span[1]]
        return command, spans

    def _shown(self, word: Word, start: int, end: int) -> list[Span]:
        """Return the spans to hide for a secret: of the value `$(cat FILE)` not the program and the file."""
        first, last = word.span(start, end)
        for inner_start, inner_end in word.inner:
            if inner_start <= first + 2 and inner_end >= last - 1:
                inner = [each for each in shell_words(self._text[inner_start:inner_end]) if each.value]
                return [
                    (
                        each.span(0, len(each.value))[0] + inner_start,
                        each.span(0, len(each.value))[1] + inner_start,
                    )
                    for position, each in enumerate(inner)
                    if position and not each.is_operator and not is_path(each.value)
                ]
        return [(first, last)]

    def _inner(self, word: Word) -> Iterator[Span]:
        """Yield the secrets in the commands within a word."""
        if self._depth >= _DEEPEST:
            return
        for start, end in word.inner:
            inner = self._text[start:end]
            yield from (
                (start + a, start + b) for a, b in _text_secrets(inner, self._depth + 1, is_script=True)
            )

    def _document(self, at: int, operator: str) -> Word:
        """Return the here-document whose delimiter is the word at `at`, as a word."""
        text = self._text
        delimiter = self._words[at]
        self._documents += 1
        # Each may have the rest of the text, and documents of its own.
        if self._documents > (1 if self._depth else _MOST_DOCUMENTS):
            return Word("", False, [0], [0])
        begin = text.find("\n", delimiter.source(0)) + 1
        end = -1 if begin == 0 else text.find(f"\n{delimiter.value}", begin - 1)
        if operator == "<<-" and begin:
            match = re.compile(rf"\n\t*{re.escape(delimiter.value)}").search(text, begin - 1)
            end = -1 if match is None else match.start()
        value = "" if begin == 0 else text[begin : len(text) if end < 0 else end]
        return Word(value, False, [0], [begin])

    @staticmethod
    def _piped(pipeline: list[tuple[_Command, list[Word], list[Word]]]) -> Iterator[Span]:
        """Yield what is written to a program that reads a secret: `echo X | chpasswd`."""
        reads = False
        for command, words, here in reversed(pipeline):
            if reads and command.writes:
                yield from (word.span(0, len(word.value)) for word in here if word.value)
                is_written = False
                for word in words:
                    if is_written and word.value and not is_path(word.value) and not _is_option(word.value):
                        yield word.span(0, len(word.value))
                    is_written = is_written or program_name(word.value) in _WRITERS
            reads = reads or command.reads_secret


def _audited(values: list[str]) -> list[int]:
    """Strip the names of arguments in audit's records, a0="mysql" a1="-pX"; return how much was stripped."""
    offsets = [0] * len(values)
    if any(value.startswith("a0=") for value in values):
        for index, value in enumerate(values):
            match = _AUDIT.match(value)
            if match is not None:
                offsets[index] = match.end()
                values[index] = value[match.end() :]
    return offsets
