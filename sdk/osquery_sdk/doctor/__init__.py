"""Find out why osqueryd does not load an extension, and give the command that mends it. Nothing is changed.

The rules are those of osquery 5.23 (`loadExtensions`, `safePermissions` and the watcher). Each was tried on a
running osqueryd.

- `finding.py`   the result of a check
- `cures.py`     the commands that mend what a check found
- `context.py`   the surroundings: osqueryd, its flags, its load list, its socket
- `target.py`    one extension, and what it does when it is started
- `checks_*.py`  the checks: functions of a context, or of a context and a target
- `examine.py`   runs the checks in order
"""

from __future__ import annotations

from .checks_system import SYSTEM_CHECKS
from .context import Context, Settings
from .examine import EXTENSION_CHECKS, Check, examine, examine_system, failed, listed_extensions
from .finding import Finding
from .target import Target

__all__ = [
    "EXTENSION_CHECKS",
    "SYSTEM_CHECKS",
    "Check",
    "Context",
    "Finding",
    "Settings",
    "Target",
    "examine",
    "examine_system",
    "failed",
    "listed_extensions",
]
