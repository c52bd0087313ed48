"""List the bundled tables: a line for each, with its family, its module, and whether it is on by default."""

from typing import NamedTuple

from osquery_sdk import Table

__all__ = ["CATALOG", "TO_BE_ENABLED", "Entry", "families"]

_DOCUMENTS = "Any configuration file"
_SOFTWARE = "What is installed beside the packages"
_SECRETS = "Keys, certificates, secrets, without showing any"
_EXPOSURE = "What is open, and what is hardened"
_MACHINE = "Processes and the machine"
TO_BE_ENABLED = "To be enabled"


class Entry(NamedTuple):
    """A bundled table.

    Attributes:
        name: the table's name without its prefix; its module has the table under the same name.
        family: heading under which people find the table.
        module: module below this package.
        is_on: whether the table is served unless it is disabled; the others need a setting of their own.
    """

    name: str
    family: str
    module: str
    is_on: bool = True

    def load(self) -> Table:
        """Import the table.

        A table that keeps state between requests is made anew, by a function of its name.
        """
        from importlib import import_module

        member = getattr(import_module(f".{self.module}", __package__), self.name)
        table: Table = member if isinstance(member, Table) else member()
        return table


CATALOG = (
    Entry("json", _DOCUMENTS, "datafiles.tables"),
    Entry("jsonc", _DOCUMENTS, "datafiles.tables"),
    Entry("jsonl", _DOCUMENTS, "datafiles.tables"),
    Entry("yaml", _DOCUMENTS, "datafiles.tables"),
    Entry("toml", _DOCUMENTS, "datafiles.tables"),
    Entry("xml", _DOCUMENTS, "datafiles.tables"),
    Entry("ini", _DOCUMENTS, "datafiles.tables"),
    Entry("plist", _DOCUMENTS, "datafiles.tables"),
    Entry("csv", _DOCUMENTS, "datafiles.tables"),
    Entry("venv_packages", _SOFTWARE, "venv_packages"),
    Entry("node_packages", _SOFTWARE, "node_packages"),
    Entry("go_buildinfo", _SOFTWARE, "go_buildinfo"),
    Entry("flatpak_packages", _SOFTWARE, "flatpak_packages"),
    Entry("snap_packages", _SOFTWARE, "snap_packages"),
    Entry("containers", _SOFTWARE, "containers"),
    Entry("mcp_servers", _SOFTWARE, "mcp_servers"),
    Entry("llm_models", _SOFTWARE, "llm_models"),
    Entry("browser_profiles", _SOFTWARE, "browser_profiles"),
    Entry("certificates", _SECRETS, "certificates"),
    Entry("keyinfo", _SECRETS, "keyinfo"),
    Entry("ssh_keys", _SECRETS, "keyinfo"),
    Entry("luks", _SECRETS, "luks"),
    Entry("secret_scan", _SECRETS, "secret_scan"),
    Entry("exposed_ports", _EXPOSURE, "exposed_ports"),
    Entry("nftables_rules", _EXPOSURE, "nftables_rules"),
    Entry("sshd_config", _EXPOSURE, "sshd_config"),
    Entry("sudo_rules", _EXPOSURE, "sudo_rules"),
    Entry("systemd_exec", _EXPOSURE, "systemd_exec"),
    Entry("cpu_vulnerabilities", _EXPOSURE, "cpu_vulnerabilities"),
    Entry("apt_upgrades", _EXPOSURE, "apt_upgrades"),
    Entry("dpkg_verify", _EXPOSURE, "dpkg_verify"),
    Entry("process_details", _MACHINE, "process_details"),
    Entry("process_limits", _MACHINE, "process_limits"),
    Entry("process_ancestry", _MACHINE, "process_ancestry"),
    Entry("systemd_timers", _MACHINE, "systemd_timers"),
    Entry("journal", _MACHINE, "journal"),
    Entry("pressure", _MACHINE, "pressure"),
    Entry("disk_io", _MACHINE, "disk_io"),
    Entry("net_rates", _MACHINE, "net_rates"),
    Entry("sensors", _MACHINE, "sensors"),
    Entry("batteries", _MACHINE, "sensors"),
    Entry("ext_tables", _MACHINE, "ext_tables"),
    Entry("file_lines", TO_BE_ENABLED, "file_lines", is_on=False),
    Entry("notes", TO_BE_ENABLED, "notes", is_on=False),
)


def families() -> dict[str, tuple[str, ...]]:
    """Return the names of the tables, without their prefix, by family."""
    return {
        family: tuple(entry.name for entry in CATALOG if entry.family == family)
        for family in dict.fromkeys(entry.family for entry in CATALOG)
    }
