"""A temporary folder whose path is too long for sockets."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from osquery_sdk.engine import Host


@pytest.mark.skipif(os.name != "posix", reason="pipes have names of another kind")
def test_a_host_has_its_socket_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = tmp_path / ("x" * 100)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    with Host() as host:
        assert host.query("select 1 as one").rows == [{"one": "1"}]
        folder = Path(host.socket).parent
    assert not folder.exists()
