"""Make packages of a bundle that freezing made: deb, rpm, apk, pacman's, msi, pkg and tar.gz.

::

    from pathlib import Path
    from osquery_sdk.packaging import Options, package

    done = package([Path("build/hello.bundle")], Options(forms=("deb", "rpm")))
    for made in done.packages:
        print(made.file, made.sha256)

`bundle` reads what was frozen. `layout` decides where its files go, and makes a `Package` of it. A module for
each form renders that: `nfpm` deb, rpm, apk and pacman's, `msi`, `pkg` and `tarball`. `maintainer` composes
their scripts.
"""

from ..errors import PackagingError
from .build import FORMS, Options, Packaged, count_steps, forms_for, package
from .manifest import Made
from .signing import Keys, read_keys

__all__ = [
    "FORMS",
    "Keys",
    "Made",
    "Options",
    "Packaged",
    "PackagingError",
    "count_steps",
    "forms_for",
    "package",
    "read_keys",
]
