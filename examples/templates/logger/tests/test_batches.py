"""The logger my_ext: what osqueryd logs arrives, once, also if the folder cannot be written for a while."""

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from osquery_sdk import Extension, LogBatch, LogRecord, SpoolOptions
from osquery_sdk.engine import Daemon, Host

from my_ext.batches import Batches

CONFIG = Path(__file__).with_name("osquery.conf")
QUICK = SpoolOptions(batch_seconds=0.1, first_retry=0.1)


@contextmanager
def logging(logger: Batches) -> Iterator[None]:
    """Run the schedule on an engine that logs as osqueryd does."""
    extension = Extension("under_test", version="0", plugins=[logger], log=lambda line: None)
    options = {"config_plugin": "filesystem", "config_path": str(CONFIG)}
    options["logger_plugin"] = "my_ext"
    with Host([extension.start], options=options) as host:
        daemon = Daemon(host.manager, notice=lambda line: None, ended=lambda status: None)
        daemon.start()
        yield
        daemon.stop()


def names(folder: Path) -> list[str]:
    """Return the names of the queries whose results are in the folder."""
    lines = [line for file in sorted(folder.glob("*.jsonl")) for line in file.read_text().splitlines()]
    return [json.loads(line)["name"] for line in lines if '"name"' in line]


def until(condition: Callable[[], object]) -> None:
    """Wait for something."""
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_results_arrive(tmp_path: Path) -> None:
    with logging(Batches("my_ext", tmp_path, options=QUICK)):
        until(lambda: "seconds" in names(tmp_path))
    assert not list(tmp_path.glob("*.part"))


def test_results_wait_for_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    logger = Batches("my_ext", tmp_path, options=QUICK)
    logger.folder = tmp_path / "target"
    logger.folder.write_text("in the way")
    with logging(logger):
        until(lambda: logger.waiting >= 2)
        assert logger.counters.dropped == 0
        logger.folder.unlink()
        until(lambda: "seconds" in names(tmp_path / "target"))


def batch(*texts: str) -> LogBatch:
    """Return a batch as the spool makes it."""
    records = tuple(LogRecord(number, "result", "", text, 0.0) for number, text in enumerate(texts, 1))
    return LogBatch(records, "spool", 1)


def test_a_batch_that_comes_twice_is_there_once(tmp_path: Path) -> None:
    logger = Batches("my_ext", tmp_path)
    for _ in range(2):
        logger.deliver(batch("one", "zwölf"))
    (file,) = tmp_path.glob("*.jsonl")
    assert file.read_text(encoding="utf-8").splitlines() == ["one", "zwölf"]


@pytest.mark.skipif(os.name != "posix", reason="there is no such device elsewhere")
def test_a_failure_leaves_no_half(tmp_path: Path) -> None:
    logger = Batches("my_ext", tmp_path)
    (tmp_path / f"{batch('one').identity}.part").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left on device"):
        logger.deliver(batch("one"))
    assert not list(tmp_path.glob("*.jsonl"))
