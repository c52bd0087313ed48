"""Extensions and clients of PyPI's osquery package work beside ours, unmodified."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from typing import TYPE_CHECKING, Any

import pytest

from ..support.osqueryd import SqlFailed, ended, until

if TYPE_CHECKING:
    from pathlib import Path

    from ..support.osqueryd import Manager

# A file for that package: it does not know this SDK.
EXTENSION = """\
import osquery

@osquery.register_plugin
class Colours(osquery.TablePlugin):
    def name(self):
        return "colours"

    def columns(self):
        return [
            osquery.TableColumn(name="number", type=osquery.INTEGER),
            osquery.TableColumn(name="colour", type=osquery.STRING),
        ]

    def generate(self, context):
        return [{"number": str(n), "colour": c} for n, c in enumerate(("red", "green", "blue"))]

if __name__ == "__main__":
    osquery.start_extension(name="colourful", version="1.0.0")
"""


@pytest.fixture
def osquery() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("osquery")


def test_its_extensions_and_ours_answer_one_statement(
    manager: Manager, directory: Path, osquery: Any
) -> None:
    file = directory / "colours.py"
    file.write_text(EXTENSION)
    theirs = subprocess.Popen(
        [sys.executable, "-W", "ignore", str(file), "--socket", manager.socket, "--timeout", "10"],
        env={**os.environ, "HOME": str(directory)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until(lambda: manager.has("colourful"))
        ours = manager.start()
        sql = "select c.colour, s.pid from colours c join served s on s.seconds = c.number"
        # Ours takes as many seconds as it is asked to, which the other table's rows say.
        wanted = [{"colour": colour, "pid": str(ours.pid)} for colour in ("blue", "green", "red")]
        assert sorted(manager.query(sql), key=lambda row: row["colour"]) == wanted
        # A name that is theirs is left out, and nothing of either is lost.
        second = manager.start("second", TABLES="colours,more")
        assert manager.query("select pid from more") == [{"pid": str(second.pid)}]
        assert len(manager.query("select * from colours")) == 3
        second.terminate()
        assert "left out colours" in ended(second)[1]
        # Theirs ends without deregistering, ours goes on.
        theirs.kill()
        theirs.wait()
        assert manager.query("select pid from served") == [{"pid": str(ours.pid)}]
        with pytest.raises(SqlFailed):
            manager.query("select * from colours")
    finally:
        theirs.kill()
        theirs.wait()


def test_its_client_calls_our_extension(manager: Manager, osquery: Any) -> None:
    process = manager.start()
    client = osquery.ExtensionClient(path=manager.socket)
    client.open()
    try:
        connection = client.extension_manager_client()
        ((uuid, info),) = connection.extensions().items()
        assert (info.name, info.version) == ("life", "1.0")
        assert connection.query("select pid from served").response == [{"pid": str(process.pid)}]
        direct = osquery.ExtensionClient(path=manager.socket, uuid=uuid)
        direct.open()
        assert direct.extension_client().ping().code == 0
        answer = direct.extension_client().call("table", "served", {"action": "generate", "context": "{}"})
        assert [(row["pid"], row["seconds"]) for row in answer.response] == [(str(process.pid), "0")]
        direct.extension_client().shutdown()
        direct.close()
        assert ended(process)[0] == 0
        assert connection.extensions() == {}
    finally:
        client.close()
