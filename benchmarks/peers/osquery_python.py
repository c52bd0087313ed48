"""Serve `bench_python` with PyPI's osquery package, written as its documentation shows."""

import osquery
from rows import row_count


@osquery.register_plugin
class BenchPython(osquery.TablePlugin):
    def name(self):
        return "bench_python"

    def columns(self):
        return [
            osquery.TableColumn(name="i", type=osquery.STRING),
            osquery.TableColumn(name="a", type=osquery.STRING),
            osquery.TableColumn(name="b", type=osquery.STRING),
            osquery.TableColumn(name="c", type=osquery.STRING),
        ]

    def generate(self, context):
        return [
            {"i": str(i), "a": f"row {i}", "b": "x" * 41, "c": str(i * 1_000_003)} for i in range(row_count())
        ]


if __name__ == "__main__":
    osquery.start_extension(name="bench_python", version="1")
