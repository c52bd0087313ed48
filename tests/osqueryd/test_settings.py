"""Under osqueryd an extension gets its token from a file or from a credential, and shows it nowhere."""

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Self

import pytest

from ..support.osqueryd import until

pytestmark = [
    pytest.mark.osqueryd,
    pytest.mark.skipif(shutil.which("osqueryd") is None, reason="no osqueryd on PATH"),
]

TOKEN = "t0p-s3cret-t0ken"
PROGRAM = '''\
#!{python}
import sys
from collections.abc import Iterator
from hashlib import sha256
from typing import Annotated, NamedTuple

from osquery_sdk import Column, Extension, Query, Row, Secret, Setting, extension_settings, table


class Settings(NamedTuple):
    token: Annotated[Secret, Setting("Token")]
    site: Annotated[str, Setting("Site")] = "usual"


class Proof(Row):
    digest: str = Column("SHA-256 of the token")
    site: str = Column("Site")


settings = extension_settings(Settings, "acme_ext", sys.argv[1:], file="{file}")


@table("acme_proof")
def acme_proof(query: Query) -> Iterator[Proof]:
    """What shows that the token is there."""
    now = settings.read()
    query.warn(f"read {{now}}")
    yield Proof(digest=sha256(now.token.reveal().encode()).hexdigest(), site=now.site)


if __name__ == "__main__":
    raise SystemExit(Extension("acme_ext", version="1", plugins=[acme_proof], settings=settings).run())
'''


class Daemon:
    """An osqueryd that loads the extension and logs its answers by its schedule."""

    def __init__(self, folder: Path, settings: str, mode: int, **variables: str) -> None:
        """Start it."""
        self.folder = folder
        program = folder / "acme.ext"
        program.write_text(PROGRAM.format(python=sys.executable, file=folder / "acme_ext.toml"))
        program.chmod(0o755)
        self.file = folder / "acme_ext.toml"
        self.file.write_text(settings)
        self.file.chmod(mode)
        (folder / "load").write_text(f"{program}\n")
        (folder / "osquery.conf").write_text(
            '{"schedule": {"proof": {"query": "select * from acme_proof", "interval": 1, "snapshot": true}}}'
        )
        command = [
            *("osqueryd", "--ephemeral", "--disable_database", "--verbose", "--extensions_timeout=20"),
            *(f"--extensions_autoload={folder}/load", f"--extensions_socket={folder}/em"),
            *(
                f"--pidfile={folder}/pid",
                f"--config_path={folder}/osquery.conf",
                f"--logger_path={folder}/logs",
            ),
        ]
        (folder / "logs").mkdir()
        self.output = folder / "output"
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                command, stdout=output, stderr=output, env={**os.environ, **variables}
            )

    def logs(self) -> str:
        """Return all that osqueryd and the extension have written."""
        files = [self.output, *(self.folder / "logs").iterdir()]
        return "\n".join(
            path.read_text(errors="replace") for path in files if stat.S_ISREG(path.stat().st_mode)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(20)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that osqueryd takes extensions from: nobody else may write to it."""
    tmp_path.chmod(0o755)
    return tmp_path


def digest() -> str:
    """Return what `sha256sum` says of the token."""
    done = subprocess.run(["sha256sum"], input=TOKEN.encode(), stdout=subprocess.PIPE)
    return done.stdout.decode().split()[0]


def test_a_token_from_a_file_that_is_first_open_to_others(folder: Path) -> None:
    with Daemon(folder, f'token = "{TOKEN}"\nsite = "oslo"\n', 0o644) as daemon:
        until(lambda: "a secret is in it: chmod 600 it" in daemon.logs(), 40)
        assert digest() not in daemon.logs()
        daemon.file.chmod(0o600)
        until(lambda: digest() in daemon.logs() and '"site":"oslo"' in daemon.logs(), 40)
        until(lambda: "token=[hidden]" in daemon.logs(), 40)
        assert TOKEN not in daemon.logs()


def test_a_token_from_a_credential_of_osqueryd_s_service(folder: Path) -> None:
    """systemd gives the service a folder of its own, and a variable that names it."""
    credentials = folder / "credentials"
    credentials.mkdir(mode=0o700)
    (credentials / "acme_ext.token").write_text(f"{TOKEN}\n")
    (credentials / "acme_ext.token").chmod(0o400)
    with Daemon(folder, "", 0o644, CREDENTIALS_DIRECTORY=str(credentials), ACME_EXT_SITE="rome") as daemon:
        until(lambda: digest() in daemon.logs() and '"site":"rome"' in daemon.logs(), 40)
        assert TOKEN not in daemon.logs()
