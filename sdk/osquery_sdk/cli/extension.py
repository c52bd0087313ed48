"""The public `Extension`: one that serves, and the command line of its program."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ..serving.extension import ServingExtension

if TYPE_CHECKING:
    from collections.abc import Sequence


class Extension(ServingExtension):
    """An extension with its plugins, and the command line of its program.

    The arguments and errors are those of `ServingExtension`.
    """

    def run(self, arguments: Sequence[str] | None = None) -> int:
        """Run the program's command line.

        Args:
            arguments: what follows the program's name; those of `sys.argv` unless given, without the flags
                of the settings.

        Returns:
            The exit code: 0 for done, 1 for failed, 2 for misuse.
        """
        # osqueryd waits for the program to start: importing an extension must not import its command line.
        from .program import run, show_settings

        words = sys.argv[1:] if arguments is None else list(arguments)
        if self.settings is not None and arguments is None:
            words = self.settings.arguments
            if self.settings.is_to_show or self.settings.problem:
                return show_settings(self.name, self.settings)
        self.log.is_verbose = "--verbose" in words
        return run(self, words)
