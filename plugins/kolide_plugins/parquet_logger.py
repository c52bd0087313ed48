"""Write log records as Parquet files, a folder a day."""

import json
import os
import time
from collections.abc import Mapping, Sequence
from typing import Any

from osquery_sdk import (
    DefinitionError,
    LogBatch,
    LogRecord,
    Rejected,
    SpooledLogger,
    SpoolOptions,
    install_hint,
)

_COMPRESSIONS = ("zstd", "snappy", "gzip", "none")


class ParquetLogger(SpooledLogger):
    """Writes results as `ROOT/day=YYYY-MM-DD/ID.parquet`, which warehouses load as a table partitioned by
    day.

    A row of the file is a row of a result: a snapshot of ten rows is ten rows. Columns: `time` (UTC), `name`,
    `action` (added, removed, snapshot; or event, status, health), `host`, `epoch`, `counter`, `columns` and
    `decorations` (maps of text to text), `number` of the record in its spool, and `line`, osqueryd's own line
    if it could not be taken apart.

    A file is named by the records in it: a batch that is written again, after a kill, replaces its file, so
    that no row is there twice. Files are large if batches are; the default writes one every minute or 100,000
    records.

    Args:
        name: the plugin's name.
        root: a folder, or a URL of fsspec's, such as `s3://bucket/osquery`.
        spool: a folder for this logger alone.
        compression: zstd, snappy, gzip or none.
        storage: options of fsspec for that URL.
        options: bounds and times.

    Raises:
        DefinitionError: an option has a wrong value, or pyarrow is not installed.
    """

    def __init__(
        self,
        name: str,
        root: str | os.PathLike[str],
        *,
        spool: str | os.PathLike[str],
        compression: str = "zstd",
        storage: Mapping[str, Any] | None = None,
        options: SpoolOptions = SpoolOptions(  # noqa: B008  a constant
            kinds=("result", "snapshot"), batch_records=100_000, batch_bytes=64 << 20, batch_seconds=60.0
        ),
    ) -> None:
        """Check the options; pyarrow, which takes a while to import, is imported for the first batch."""
        super().__init__(name, spool=spool, options=options)
        if compression not in _COMPRESSIONS:
            raise DefinitionError(
                f"logger {name}: no compression is named {compression!r}; there are "
                f"{', '.join(_COMPRESSIONS)}"
            )
        from importlib.util import find_spec

        for module in ("pyarrow", "fsspec"):
            if find_spec(module) is None:
                raise DefinitionError(f"logger {name}: needs {module}; {install_hint(module, 'parquet')}")
        self._root = os.fspath(root)
        self._compression = compression
        self._storage = dict(storage or {})
        self._schema: Any = None

    def deliver(self, batch: LogBatch) -> None:
        """Write a file for each day of the batch."""
        import fsspec
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._schema = self._schema or _schema(pa)
        system, root = fsspec.core.url_to_fs(self._root, **self._storage)
        days: dict[str, list[dict[str, Any]]] = {}
        for record in batch.records:
            for row in _rows(record):
                day = time.strftime("%Y-%m-%d", time.gmtime(row["time"] // 1_000_000))
                days.setdefault(day, []).append(row)
        for day, rows in days.items():
            try:
                table = pa.Table.from_pylist(rows, schema=self._schema)
            except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError, UnicodeError) as error:
                raise Rejected(f"records {batch.identity} do not fit the table: {error}") from error
            folder = f"{root}/day={day}"
            system.makedirs(folder, exist_ok=True)
            path = f"{folder}/{self.name}-{batch.identity}.parquet"
            # Object stores show a file once it is closed. A file system shows it from its first byte, so it
            # is written under another name first.
            temporary = f"{folder}/.{self.name}-{batch.identity}.part" if _is_local(system) else path
            with system.open(temporary, "wb") as file:
                pq.write_table(table, file, compression=self._compression)
                if _is_local(system):
                    file.flush()
                    os.fsync(file.fileno())
            if temporary != path:
                os.replace(temporary, path)  # noqa: PTH105  a path of fsspec's


def _is_local(system: Any) -> bool:
    return "file" in ((system.protocol,) if isinstance(system.protocol, str) else system.protocol)


def _schema(pa: Any) -> Any:
    text = pa.string()
    return pa.schema(
        [
            ("time", pa.timestamp("us", tz="UTC")),
            ("name", text),
            ("action", text),
            ("host", text),
            ("epoch", pa.int64()),
            ("counter", pa.int64()),
            ("columns", pa.map_(text, text)),
            ("decorations", pa.map_(text, text)),
            ("number", pa.int64()),
            ("line", text),
        ]
    )


def _rows(record: LogRecord) -> Sequence[dict[str, Any]]:
    """Return the rows of a record; one row with the line alone if it is not osqueryd's."""
    try:
        entry = json.loads(record.text)
        seconds = int(entry.get("unixTime") or record.time)
        if not 0 <= seconds < 1 << 33:
            seconds = int(record.time)
        row: dict[str, Any] = {
            "time": seconds * 1_000_000,
            "name": _as_text(entry.get("name")),
            "action": _as_text(entry.get("action", record.kind)),
            "host": _as_text(entry.get("hostIdentifier")),
            "epoch": int(entry.get("epoch", 0)),
            "counter": int(entry.get("counter", 0)),
            "decorations": _map(entry.get("decorations")),
            "number": record.number,
        }
        if isinstance(entry.get("columns"), dict):
            return [row | {"columns": _map(entry["columns"])}]
        if isinstance(entry.get("snapshot"), list):
            return [row | {"columns": _map(columns)} for columns in entry["snapshot"]]
        if isinstance(entry.get("diffResults"), dict):
            return [
                row | {"columns": _map(columns), "action": action}
                for action, changed in entry["diffResults"].items()
                for columns in changed
            ]
    except (ValueError, TypeError, AttributeError):
        row = {"time": int(record.time * 1e6), "action": record.kind, "number": record.number}
    return [row | {"line": record.text.encode(errors="replace").decode()}]


def _as_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value)


def _map(value: Any) -> list[tuple[str, str | None]] | None:
    return None if value is None else [(key, _as_text(inner)) for key, inner in value.items()]
