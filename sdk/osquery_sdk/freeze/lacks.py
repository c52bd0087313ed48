"""Find in a program's errors the module or metadata that its bundle lacks, and the option that adds it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from kolide_kit.frozen_children import UNGUARDED

from .distributions import Installed
from .modules import find_module

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_MODULE = re.compile(r"No module named '([\w.]+)'")
_NAME = re.compile(r"cannot import name '(\w+)' from '([\w.]+)'")
_METADATA = re.compile(r"No package metadata was found for ([\w.-]+)")
# The text with which an extension's command line reports options that it does not know.
_PYTHON_S = re.compile(r"ignored arguments that it does not know: (?:-[cmIESBu]+|--multiprocessing-fork)\b")


def lacking(text: str, folders: Sequence[Path]) -> str:
    """Return one line: a thing that the bundle lacks and the build machine has, and the option to add it.

    The line is empty if the errors show nothing of the kind.

    Args:
        text: the errors of the program.
        folders: the folders that the extension imports from, besides those of this process.
    """
    modules = _MODULE.findall(text) + [f"{package}.{name}" for name, package in _NAME.findall(text)]
    for module in modules:
        if find_module(module, folders) is not None:
            return f"{module} is not in the bundle; build with --include {module}"
    for name in _METADATA.findall(text):
        if Installed().has(name):
            return f"the metadata of {name} is not in the bundle; build with --metadata {name}"
    if UNGUARDED in text:
        return UNGUARDED
    if _PYTHON_S.search(text):
        return "it starts sys.executable as a Python, and in a bundle that is the extension itself"
    return ""
