"""Read statements from a terminal, with several lines, history, completion and colours."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from kolide_kit.signals import stop_handler
from kolide_kit.streams import stdout

from ..sql.tokens import is_complete

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prompt_toolkit import PromptSession
    from prompt_toolkit.completion import Completer
    from prompt_toolkit.history import History
    from prompt_toolkit.output import Output

    from ..engine import Host

_PROMPT, _CONTINUED = "osquery> ", "    ...> "
# Turns bracketed paste off, shows the cursor, turns colours off, and begins a new line.
_PLAIN = b"\x1b[?2004l\x1b[?25h\x1b[0m\r\n"


def history_path() -> Path:
    """Return the path of the history: $XDG_STATE_HOME/osquery-sdk/history, by default below ~/.local/state.

    Raises:
        RuntimeError: the user has no home folder.
    """
    state = os.environ.get("XDG_STATE_HOME", "")
    # The XDG specification says to ignore relative paths.
    base = Path(state) if state.startswith("/") else Path.home() / ".local" / "state"
    return base / "osquery-sdk" / "history"


def prompts(host: Host, commands: tuple[str, ...], is_command: Callable[[str], bool]) -> Iterator[str]:
    """Yield each complete statement or shell command that a person enters, until Ctrl-D.

    Ctrl-C drops the text that is being typed.

    Args:
        host: completion offers its tables.
        commands: names of the dot commands, for completion.
        is_command: tells a shell command, which one line completes, from a statement.
    """
    from prompt_toolkit.application import create_app_session
    from prompt_toolkit.output import create_output
    from prompt_toolkit.patch_stdout import patch_stdout

    from .completer import SqlCompleter

    # An author's code may print to sys.stdout, which `streams` has led elsewhere.
    terminal = create_output(stdout=stdout())
    stop_handler().undo.append(_terminal_as_now())
    session = _session(terminal, SqlCompleter(host, commands), is_command)
    while True:
        try:
            # Lines that an extension logs or prints meanwhile appear above the prompt.
            with create_app_session(output=terminal), patch_stdout():
                text = session.prompt()
        except KeyboardInterrupt:
            continue
        except EOFError:
            return
        if text.strip():
            yield text


def _session(terminal: Output, completer: Completer, is_command: Callable[[str], bool]) -> PromptSession[str]:
    from prompt_toolkit import PromptSession
    from prompt_toolkit.application import get_app
    from prompt_toolkit.filters import Condition
    from prompt_toolkit.lexers import PygmentsLexer
    from pygments.lexers.sql import SqlLexer

    @Condition
    def unfinished() -> bool:
        text = get_app().current_buffer.text
        return bool(text.strip()) and not is_command(text) and not is_complete(text)

    return PromptSession(
        _PROMPT,
        output=terminal,
        multiline=unfinished,
        prompt_continuation=_CONTINUED,
        history=_history(),
        completer=completer,
        complete_while_typing=False,
        lexer=PygmentsLexer(SqlLexer),
        enable_history_search=True,
    )


def _terminal_as_now() -> Callable[[], None]:
    """Return a function that restores the terminal's present state when a signal ends the program."""
    if sys.platform == "win32":
        return lambda: None
    import signal
    import termios

    descriptor, output = sys.stdin.fileno(), stdout().fileno()
    state = termios.tcgetattr(descriptor)

    def restore() -> None:
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)  # else it stops a program that runs in the background
        os.write(output, _PLAIN)
        termios.tcsetattr(descriptor, termios.TCSANOW, state)

    return restore


def _history() -> History:
    """Return the history in its file, or one in memory if the file cannot be written."""
    from prompt_toolkit.history import FileHistory, InMemoryHistory

    try:
        path = history_path()
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Statements may contain secrets: only this user may read them.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600))
        path.chmod(0o600)
    except (OSError, RuntimeError):
        return InMemoryHistory()

    class Forgiving(FileHistory):
        """A history file whose errors, such as a full disk, do not end the session."""

        def store_string(self, string: str) -> None:
            try:
                super().store_string(string)
            except OSError:
                return

    return Forgiving(str(path))
