"""Freeze an extension: make a program of it, with Python and every module that it imports.

::

    from osquery_sdk.freeze import Options, build

    built = build("./hello.py", Options(output=Path("build")))
    print(built.program, built.report.size)

The steps: `target` finds the extension, `probe` runs it up to the point where it would serve, `pyinstaller`
freezes it, `smoke` runs the result, `report` and `sbom` describe it.
"""

from ..errors import FreezeError
from .build import Built, Options, build

__all__ = ["Built", "FreezeError", "Options", "build"]
