"""Runs other programs for a table, within the deadline of its query."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kolide_kit import errors, programs
from kolide_kit.programs import ProgramOutput, program_environment

from ..errors import DeadlineExceeded, LimitExceeded, QueryCancelled, TableError

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Collection, Mapping

    from .query import Query

__all__ = ["ProgramOutput", "program_environment", "run_program"]


def run_program(
    path: str | os.PathLike[str],
    *arguments: str | os.PathLike[str],
    timeout: float = 10.0,
    query: Query | None = None,
    codes: Collection[int] | None = (0,),
    max_bytes: int = 16 << 20,
    input: bytes = b"",  # noqa: A002  as subprocess calls it
    environment: Mapping[str, str] | None = None,
    take: Callable[[bytes], object] | None = None,
) -> ProgramOutput:
    """Run a program to its end and return its output.

    No shell is used. The program runs in `/`, with LC_ALL=C, and in a process group of its own, which is
    killed when the time is over. In a frozen extension it gets the library path with which the extension was
    started.

    Args:
        path: an absolute path, so that PATH, which somebody else may have set, does not matter.
        arguments: the program's arguments.
        timeout: seconds after which the program is killed; fewer if the query has fewer left.
        query: a query whose deadline and cancellation end the program too.
        codes: the exit codes that mean success; None for any code.
        max_bytes: the most bytes that it may write to standard output, and to standard error.
        input: bytes for its standard input.
        environment: variables that are added to, or replace, the inherited ones.
        take: a function that gets standard output piece by piece, in another thread; then none is returned.

    Raises:
        TableError: the program cannot be started, or ended with another code; the text has the first line of
            its standard error.
        DeadlineExceeded: the time was over.
        LimitExceeded: the program wrote more than `max_bytes`.
        QueryCancelled: the statement was given up.
        ValueError: the path is not absolute.
    """
    seconds = timeout if query is None else min(timeout, query.remaining())
    try:
        return programs.run_program(
            path,
            *arguments,
            timeout=seconds,
            is_cancelled=None if query is None else lambda: query.cancelled,
            codes=codes,
            max_bytes=max_bytes,
            input=input,
            environment=environment,
            take=take,
        )
    except errors.ProgramFailed as error:
        raise TableError(str(error)) from error
    except errors.LimitExceeded as error:
        raise LimitExceeded(str(error)) from error
    except errors.DeadlineExceeded as error:
        raise DeadlineExceeded(str(error)) from error
    except errors.Cancelled as error:
        raise QueryCancelled(str(error)) from error
