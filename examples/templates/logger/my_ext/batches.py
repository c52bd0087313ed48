"""The logger plugin my_ext: it writes each batch of osqueryd's results to a file, for another program."""

import os
from pathlib import Path

from osquery_sdk import LogBatch, SpooledLogger, SpoolOptions

# Variable that names a folder to use instead of the usual one.
VARIABLE = "MY_EXT_FOLDER"
USUAL = "/var/log/my_ext"


def default_folder() -> Path:
    """Return the folder that the environment names, or else the usual one."""
    return Path(os.environ.get(VARIABLE) or USUAL)


class Batches(SpooledLogger):
    """Writes results.

    osqueryd does not wait for `deliver`: a spool on disk, `FOLDER/spool`, keeps the results until then.

    Args:
        name: as osqueryd's flag --logger_plugin says it.
        folder: where the files go.
        options: bounds and times of the spool.
    """

    def __init__(self, name: str, folder: Path, *, options: SpoolOptions | None = None) -> None:
        """Store the folder; osqueryd's first request opens the spool in it."""
        super().__init__(name, spool=folder / "spool", options=options or SpoolOptions())
        self.folder = folder

    def deliver(self, batch: LogBatch) -> None:
        """Write a batch. If this raises, the same batch comes again, later and later.

        After a crash a batch may come again, under the same identity; then it replaces the same file.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / f"{batch.identity}.jsonl"
        part = file.with_suffix(".part")
        with part.open("w", encoding="utf-8") as lines:
            lines.writelines(f"{record.text}\n" for record in batch.records)
            lines.flush()
            os.fsync(lines.fileno())
        # Rename a complete file, so that no reader ever sees half of one.
        part.replace(file)
