"""The errors of the kit, and the root of every member's tree.

::

    KolideError
    ├── LimitExceeded        a configured limit was reached
    ├── DeadlineExceeded     out of time
    ├── Cancelled            nobody waits for the result any more
    ├── ProgramFailed        a program cannot be started, or ended with an error
    ├── HttpsError           a request over HTTPS failed
    └── SettingsError        the settings of a program cannot be used
"""

from __future__ import annotations


class KolideError(Exception):
    """Base of every error that a member of the house raises on purpose; its text is one line."""


class LimitExceeded(KolideError):
    """A configured limit was reached; the text names it and says how to raise it."""


class DeadlineExceeded(KolideError):
    """The time for a result is over."""


class Cancelled(KolideError):
    """The result is no longer wanted."""


class ProgramFailed(KolideError):
    """A program cannot be started, or ended with an error; the text has the first line of its stderr."""


class HttpsError(KolideError):
    """A request failed.

    Attributes:
        status: the status of the answer; 0 without an answer.
        retry_after: seconds that the server asks to wait before the next try.
    """

    def __init__(self, message: str, *, status: int = 0, retry_after: float = 0.0) -> None:
        """Keep the server's status and delay beside the text."""
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after


class SettingsError(KolideError):
    """The settings cannot be used; the text names the file, variable or flag, the setting, and the error."""
