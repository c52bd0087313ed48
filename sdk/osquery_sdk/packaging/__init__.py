"""Packaging: a bundle that freezing made, as what each platform installs.

::

    from pathlib import Path
    from osquery_sdk.packaging import Options, package

    done = package([Path("build/hello.bundle")], Options(forms=("deb", "rpm")))
    for one in done.packages:
        print(one.file, one.sha256)

`bundle` looks at what was frozen, `layout` says where its files go and makes a `Package` of it, and a module for each form
renders that: `nfpm` deb, rpm, apk and pacman's, `msi`, `pkg` and `tarball`. `maintainer` composes their scripts.
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
