"""Says why osqueryd would not load an extension, and what to do about it. Nothing here changes the system.

The rules are those of osquery 5.23 (`loadExtensions`, `safePermissions` and the watcher), each tried on a running one.

- `finding.py`   what a check answers
- `context.py`   what checks look at: osqueryd, its flags, its load list, its socket
- `target.py`    one extension, and what it does when it is started
- `checks_*.py`  the checks, each a function of these two
- `examine.py`   all of them in order
"""

from __future__ import annotations

from .checks_system import SYSTEM_CHECKS
from .context import Context, Settings
from .examine import (
    EXTENSION_CHECKS,
    Check,
    examine,
    examine_system,
    failed,
    listed_extensions,
)
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
