"""Statements from a terminal: several lines, history, completion, colours."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from osquery_sdk.sqltext import is_complete

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prompt_toolkit.history import History

    from osquery_sdk.engine import Host

_PROMPT, _CONTINUED = "osquery> ", "    ...> "


def history_path() -> Path:
    """Where the history is: $XDG_STATE_HOME/osquery-sdk/history, by default below ~/.local/state.

    Raises:
        RuntimeError: there is no home.
    """
    state = os.environ.get("XDG_STATE_HOME", "")
    # The specification has relative paths ignored.
    base = Path(state) if state.startswith("/") else Path.home() / ".local" / "state"
    return base / "osquery-sdk" / "history"


def prompts(host: Host, commands: tuple[str, ...]) -> Iterator[str]:
    """What is entered, a complete statement or a dot command each, until Ctrl-D. Ctrl-C drops what is being typed."""
    from prompt_toolkit import PromptSession
    from prompt_toolkit.application import get_app
    from prompt_toolkit.filters import Condition
    from prompt_toolkit.lexers import PygmentsLexer
    from prompt_toolkit.patch_stdout import patch_stdout
    from pygments.lexers.sql import SqlLexer

    from .completer import SqlCompleter

    @Condition
    def unfinished() -> bool:
        text = get_app().current_buffer.text
        return bool(text.strip()) and not text.lstrip().startswith(".") and not is_complete(text)

    session: PromptSession[str] = PromptSession(
        _PROMPT,
        multiline=unfinished,
        prompt_continuation=_CONTINUED,
        history=_history(),
        completer=SqlCompleter(host, commands),
        complete_while_typing=False,
        lexer=PygmentsLexer(SqlLexer),
        enable_history_search=True,
    )
    while True:
        try:
            # Lines that an extension logs meanwhile go above the prompt.
            with patch_stdout():
                text = session.prompt()
        except KeyboardInterrupt:
            continue
        except EOFError:
            return
        if text.strip():
            yield text


def _history() -> History:
    """The history in its file, or in memory alone where that cannot be written."""
    from prompt_toolkit.history import FileHistory, InMemoryHistory

    try:
        path = history_path()
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Statements may hold what is nobody else's business.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600))
        path.chmod(0o600)
    except (OSError, RuntimeError):
        return InMemoryHistory()

    class Forgiving(FileHistory):
        """A full disk does not end the session."""

        def store_string(self, string: str) -> None:
            try:
                super().store_string(string)
            except OSError:
                return

    return Forgiving(str(path))
