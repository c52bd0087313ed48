"""List the lock files of Node.js projects that can be read, with the manager that writes each.

They are package-lock.json and npm-shrinkwrap.json in their three versions, yarn.lock as Yarn 1 and its
successors write it, pnpm-lock.yaml from version 5 on, and bun.lock. A lock file that does not mark what
development needs leaves it to the dependencies of the project: packages that those for production do not lead
to.
"""

from collections.abc import Callable, Iterator, Mapping

from kolide_kit.limits import Budget

from .bunlock import bun_packages
from .locked import Beside, LockedPackage
from .npmlock import npm_packages
from .pnpmlock import pnpm_packages
from .yarnlock import yarn_packages

__all__ = ["LOCK_FILES", "LockedPackage"]

Parser = Callable[[bytes, Beside, Budget], Iterator[LockedPackage]]
LOCK_FILES: Mapping[str, tuple[str, Parser]] = {
    "package-lock.json": ("npm", npm_packages),
    "npm-shrinkwrap.json": ("npm", npm_packages),
    "yarn.lock": ("yarn", yarn_packages),
    "pnpm-lock.yaml": ("pnpm", pnpm_packages),
    "bun.lock": ("bun", bun_packages),
}
