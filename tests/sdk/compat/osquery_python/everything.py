"""Every kind of plugin as osquery-python has it, with what that package gets wrong: None, no rowid, threads."""

import json
import os
import threading
import time

import osquery
import osquery.extensions.ttypes
from osquery.extensions.ttypes import ExtensionStatus
from osquery.table_plugin import TablePlugin


@osquery.register_plugin
class Values(TablePlugin):
    """Values of all kinds.

    Their columns are of all types.
    """

    busy = threading.Lock()

    def name(self):
        return "old_values"

    def columns(self):
        types = {"t": "TEXT", "i": "INTEGER", "b": "BIGINT", "d": "DOUBLE", "k": "TEXT", "context": "TEXT"}
        return [osquery.TableColumn(name=name, type=kind) for name, kind in types.items()]

    def generate(self, context):
        assert self.busy.acquire(blocking=False), "two at once"
        time.sleep(0.02)
        keys = [
            one["expr"] for column in context["constraints"] if column["name"] == "k" for one in column["list"]
        ]
        rows = [
            {"t": None, "i": None, "b": None, "d": None, "k": "none"},
            {"t": "é", "i": 1, "b": 1 << 40, "d": 1.5, "k": "some"},
            {"t": True, "i": True, "b": False, "d": 1, "k": "bool"},
            {"t": "twice", "i": 7, "k": "twice"},
            {"t": "twice", "i": 7, "k": "twice"},
        ]
        for row in rows:
            row["context"] = json.dumps(keys)
        self.busy.release()
        return rows


@osquery.register_plugin
class Broken(osquery.TablePlugin):
    def name(self):
        return "old_broken"

    def columns(self):
        return [osquery.TableColumn(name="a", type=osquery.INTEGER)]

    def generate(self, context):
        raise RuntimeError("no such luck")


@osquery.register_plugin
class Config(osquery.ConfigPlugin):
    def name(self):
        return "old"

    def content(self):
        query = {"query": "select i, t from old_values where k = 'some'", "interval": 1}
        return [{"one": json.dumps({"schedule": {"s": query}})}]


@osquery.register_plugin
class Logger(osquery.LoggerPlugin):
    def name(self):
        return "old"

    def log_string(self, value):
        with open(os.environ["OLD_LOG"], "a") as file_handle:
            file_handle.write(value + "\n")
        return osquery.extensions.ttypes.ExtensionStatus(code=0, message="OK")

    def log_snapshot(self, value):
        return ExtensionStatus(code=1, message="no snapshots here")


@osquery.register_plugin
class Distributed(osquery.BasePlugin):
    """What that package has no class for, by its own `call`."""

    def registry_name(self):
        return "distributed"

    def name(self):
        return "old"

    def call(self, context):
        rows = [{"results": json.dumps({"queries": {}})}] if context["action"] == "getQueries" else []
        return osquery.extensions.ttypes.ExtensionResponse(status=ExtensionStatus(code=0, message="OK"), response=rows)


if __name__ == "__main__":
    osquery.start_extension(name="everything", version="2.0")
