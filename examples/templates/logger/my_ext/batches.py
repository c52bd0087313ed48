"""The logger plugin my_ext: osqueryd's results as files of a folder, a batch each, for another program to take away."""

import os
from pathlib import Path

from osquery_sdk import LogBatch, SpooledLogger, SpoolOptions

# It names another folder than the usual one.
VARIABLE = "MY_EXT_FOLDER"
USUAL = "/var/log/my_ext"


def default_folder() -> Path:
    """Return the folder that the environment names, or else the usual one."""
    return Path(os.environ.get(VARIABLE) or USUAL)


class Batches(SpooledLogger):
    """Writes results.

    osqueryd does not wait for `deliver`: what it logs is kept in a spool on disk, `FOLDER/spool`, until it is delivered.

    Args:
        name: as osqueryd's flag --logger_plugin says it.
        folder: where the files go.
        options: bounds and times of the spool.
    """

    def __init__(self, name: str, folder: Path, *, options: SpoolOptions | None = None) -> None:
        """Nothing is opened yet."""
        super().__init__(name, spool=folder / "spool", options=options or SpoolOptions())
        self.folder = folder

    def deliver(self, batch: LogBatch) -> None:
        """Write a batch. If this raises, the same batch comes again, later and later.

        After a crash a batch may come once more, under the same identity: so the file of that name is the same file.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / f"{batch.identity}.jsonl"
        part = file.with_suffix(".part")
        with part.open("w", encoding="utf-8") as lines:
            lines.writelines(f"{record.text}\n" for record in batch.records)
            lines.flush()
            os.fsync(lines.fileno())
        # Whole or not at all: who takes files away never sees half of one.
        part.replace(file)
