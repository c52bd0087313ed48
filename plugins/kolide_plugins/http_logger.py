"""Send log records to a web server, in batches."""

import os
from collections.abc import Mapping, Sequence

from kolide_kit.errors import HttpsError
from osquery_sdk import LogBatch, LogRecord, Rejected, SpooledLogger, SpoolOptions

from .https import https_client

_UNFIT = (400, 415, 422)
_TOO_LARGE = 413


class HttpLogger(SpooledLogger):
    """Posts batches: each record is a line of JSON, as osqueryd made it; the body is compressed with gzip.

    Each request has an `Idempotency-Key`: a batch that is sent again, because its answer was lost, has the
    same one. A 2xx answer takes the batch. 400, 415 and 422 reject it for good; after 413 it is sent in
    halves. Anything else is tried again, no sooner than `Retry-After` says.

    Args:
        name: the plugin's name.
        url: `https:`; `http:` only for this machine itself.
        spool: a folder for this logger alone.
        headers: headers of each request, such as `Authorization`.
        ca: a file with the certificates to trust instead of the system's.
        certificate: a file with a certificate and its key to show to the server.
        timeout: seconds for a request.
        compress: compress bodies with gzip.
        options: bounds and times.

    Raises:
        DefinitionError: the URL cannot be used, or an option has a wrong value.
    """

    def __init__(
        self,
        name: str,
        url: str,
        *,
        spool: str | os.PathLike[str],
        headers: Mapping[str, str] | None = None,
        ca: str | os.PathLike[str] | None = None,
        certificate: str | os.PathLike[str] | None = None,
        timeout: float = 30.0,
        compress: bool = True,
        options: SpoolOptions = SpoolOptions(),  # noqa: B008  a constant
    ) -> None:
        """Check the URL and the options."""
        super().__init__(name, spool=spool, options=options)
        self._client = https_client(url, headers, ca=ca, certificate=certificate, timeout=timeout)
        self._compress = compress

    def deliver(self, batch: LogBatch) -> None:
        """Post the batch."""
        self._post(batch.records, batch.spool)

    def _post(self, records: Sequence[LogRecord], spool: str) -> None:
        body = "".join(f"{record.text}\n" for record in records).encode(errors="surrogateescape")
        headers = {
            "Content-Type": "application/x-ndjson",
            "Idempotency-Key": f"{spool}-{records[0].number}-{records[-1].number}",
        }
        if self._compress:
            import gzip

            body = gzip.compress(body, compresslevel=3, mtime=0)
            headers["Content-Encoding"] = "gzip"
        try:
            self._client.ask(body=body, headers=headers, max_bytes=1 << 20)
        except HttpsError as error:
            if error.status in _UNFIT or (error.status == _TOO_LARGE and len(records) == 1):
                raise Rejected(str(error)) from error
            if error.status != _TOO_LARGE:
                raise
            middle = len(records) // 2
            self._post(records[:middle], spool)
            self._post(records[middle:], spool)
