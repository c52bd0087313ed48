"""Import all modules, do an extension's usual work twice, and print the module-level names that changed.

In that work tables answer and fail, and an engine starts and stops.
"""

import contextlib
import importlib
import sys
from types import ModuleType

PROJECT = ("kolide_kit", "osquery_sdk", "kolide_tables", "kolide_plugins", "kolide_ext")


def tops(modules: dict[str, ModuleType]) -> dict[str, str]:
    """Return the identity and content of each module-level name of the project."""
    found = {}
    for name, module in modules.items():
        if name.split(".")[0] not in PROJECT:
            continue
        for key, value in vars(module).items():
            if isinstance(value, ModuleType) or key in ("__builtins__", "__warningregistry__"):
                continue
            content = repr(value) if isinstance(value, (dict, list, set, bytearray)) else ""
            found[f"{name}.{key}"] = f"{id(value)} {content}"
    return found


def work() -> None:
    """Do the usual work of an extension."""
    from kolide_ext.settings import Settings
    from kolide_tables import all_tables
    from osquery_sdk import Extension, extension_settings
    from osquery_sdk.engine import Host, SqlError

    variables = {"KOLIDE_EXT_MAX_ROWS": "1000", "KOLIDE_EXT_DISABLED": "xml"}
    settings = extension_settings(Settings, "kolide_ext", environment=variables, file="/nonexistent").read()
    tables = all_tables(limits=settings.limits, disabled=settings.disabled)
    extension = Extension("worker", version="1", plugins=tables, log=lambda line: None)
    with Host([extension.start]) as host:
        for sql in (
            "select * from kolide_process_details where pid in (1, 2) or pid = 3",
            "select count(*), max(name collate nocase) from kolide_exposed_ports",
            "select * from kolide_json where raw_data = '{\"a\": [1, 2]}' and query in ('a', '*')",
            (
                "select * from kolide_yaml where raw_data = 'a: 1'"
                " union select * from kolide_plist where raw_data = '<plist/>'"
            ),
            "select * from kolide_toml where path like '/etc/%.toml' or path = '/nonexistent'",
            "select * from kolide_ini",
            "select nothing from kolide_csv",
            "select * from kolide_ext_tables where name regexp '^k' and enabled",
            "select version, regex_match(version, '(\\d+)', 1) from osquery_info",
        ):
            with contextlib.suppress(SqlError):
                host.query(sql)


def main(names: list[str]) -> int:
    """Do the work, and print the differences."""
    for name in names:
        with contextlib.suppress(Exception):
            importlib.import_module(name)
    before = tops(dict(sys.modules))
    work()
    work()
    after = tops(dict(sys.modules))
    for key in sorted(before.keys() | after.keys()):
        if before.get(key) != after.get(key):
            print(f"{key}: {before.get(key)} -> {after.get(key)}"[:300])
    print(len(before), "compared")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
