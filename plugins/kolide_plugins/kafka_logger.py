"""Send log records to Kafka."""

import os
from collections.abc import Mapping
from typing import Any

from osquery_sdk import (
    DefinitionError,
    LogBatch,
    PluginError,
    Rejected,
    SpooledLogger,
    SpoolOptions,
    install_hint,
)


class KafkaLogger(SpooledLogger):
    """Produces each record as a message, with the host as its key, and waits until all brokers in sync have
    it.

    Messages are osqueryd's JSON unchanged. Headers have the `kind` of record, and its `number` in the
    `spool`, by which a consumer can find messages that come twice after a kill. Between kills the producer is
    idempotent.

    Args:
        name: the plugin's name.
        brokers: `host:port`, several joined by commas.
        topic: the topic of all records.
        spool: a folder for this logger alone.
        settings: more of librdkafka's settings, such as `security.protocol` and `sasl.password`.
        timeout: seconds for a batch.
        options: bounds and times.

    Raises:
        DefinitionError: an option has a wrong value, or confluent-kafka is not installed.
    """

    def __init__(
        self,
        name: str,
        brokers: str,
        topic: str,
        *,
        spool: str | os.PathLike[str],
        settings: Mapping[str, Any] | None = None,
        timeout: float = 30.0,
        options: SpoolOptions = SpoolOptions(),  # noqa: B008  a constant
    ) -> None:
        """Check the options; the brokers are contacted for the first batch."""
        super().__init__(name, spool=spool, options=options)
        from importlib.util import find_spec

        if find_spec("confluent_kafka") is None:
            hint = install_hint("confluent_kafka", "kafka")
            raise DefinitionError(f"logger {name}: needs confluent-kafka; {hint}")
        import socket

        self._topic = topic
        self._timeout = timeout
        self._key = socket.gethostname().encode()
        self._settings = {
            "bootstrap.servers": brokers,
            "enable.idempotence": True,
            "linger.ms": 5,
            "compression.type": "lz4",
            "message.timeout.ms": int(timeout * 1000),
            "queue.buffering.max.messages": 2 * options.batch_records,
            **(settings or {}),
        }
        self._producer: Any = None

    def deliver(self, batch: LogBatch) -> None:
        """Produce the batch; return when every message is acknowledged."""
        from confluent_kafka import KafkaError, KafkaException, Producer

        try:
            producer = self._producer = self._producer or Producer(self._settings, logger=_Quiet())
        except KafkaException as error:
            raise PluginError(f"Kafka refuses its settings: {error.args[0].str()}") from error
        failed: list[Any] = []
        too_large: list[int] = []

        def delivered(error: Any, message: Any) -> None:
            if error is not None:
                (too_large if error.code() == KafkaError.MSG_SIZE_TOO_LARGE else failed).append(error)

        spool = batch.spool.encode()
        try:
            for record in batch.records:
                headers: list[tuple[str, str | bytes | None]] = [
                    ("kind", record.kind.encode()),
                    ("spool", spool),
                    ("number", str(record.number).encode()),
                ]
                value = record.text.encode(errors="surrogateescape")
                try:
                    producer.produce(
                        self._topic,
                        value,
                        self._key,
                        headers=headers,
                        on_delivery=delivered,
                        timestamp=int(record.time * 1000),
                    )
                except KafkaException as error:
                    if error.args[0].code() != KafkaError.MSG_SIZE_TOO_LARGE:
                        raise
                    too_large.append(record.number)
                producer.poll(0)
            waiting = producer.flush(self._timeout + 5)
        except (KafkaException, BufferError) as error:
            self.finish()
            raise PluginError(f"Kafka: {error}") from error
        if failed or waiting:
            # A message that is still under way must not arrive after it has been sent again.
            self.finish()
            why = failed[0].str() if failed else "no answer in time"
            raise PluginError(
                f"Kafka: {len(failed) or waiting} of {len(batch.records)} messages failed: {why}"
            )
        if len(too_large) == len(batch.records):
            raise Rejected(f"Kafka: {len(too_large)} messages are larger than it takes")
        if too_large:
            self.count_dropped(len(too_large), "larger than Kafka takes")

    def finish(self) -> None:
        """Drop the producer and the messages that it holds."""
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.purge()


class _Quiet:
    """A logger that drops librdkafka's reports of every attempt to connect; its errors say what matters."""

    def log(self, *args: object, **options: object) -> None:
        """Drop the message."""
