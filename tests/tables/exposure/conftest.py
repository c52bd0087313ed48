"""A host key, without which sshd does not show its configuration."""

import os
from pathlib import Path

import pytest

from ...support.tools import Run


@pytest.fixture(scope="module")
def host_key(tmp_path_factory: pytest.TempPathFactory, run: Run) -> Path:
    key = tmp_path_factory.mktemp("keys") / "host"
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    return key
