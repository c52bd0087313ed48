"""Freezing: a program made of an extension, Python and all that it imports.

::

    from osquery_sdk.freeze import Options, build

    built = build("./hello.py", Options(output=Path("build")))
    print(built.program, built.report.size)

`target` says what to freeze, `probe` looks into it, `pyinstaller` freezes, `smoke` runs what came out, `report` and `sbom`
say what is in it.
"""

from ..errors import FreezeError
from .build import Built, Options, build

__all__ = ["Built", "FreezeError", "Options", "build"]
