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
        module: the module that the table is in.
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

        member = getattr(import_module(self.module), self.name)
        table: Table = member if isinstance(member, Table) else member()
        return table


CATALOG = (
    Entry("json", _DOCUMENTS, "kolide_tables.datafiles.tables"),
    Entry("jsonc", _DOCUMENTS, "kolide_tables.datafiles.tables"),
    Entry("jsonl", _DOCUMENTS, "kolide_tables.datafiles.tables"),
    Entry("yaml", _DOCUMENTS, "kolide_tables.datafiles.tables"),
    Entry("toml", _DOCUMENTS, "kolide_tables.datafiles.tables"),
    Entry("xml", _DOCUMENTS, "kolide_tables.datafiles.tables"),
    Entry("ini", _DOCUMENTS, "kolide_tables.datafiles.tables"),
    Entry("plist", _DOCUMENTS, "kolide_tables.datafiles.tables"),
    Entry("csv", _DOCUMENTS, "kolide_tables.datafiles.tables"),
    Entry("venv_packages", _SOFTWARE, "kolide_tables.venv_packages"),
    Entry("node_packages", _SOFTWARE, "kolide_tables.node_packages"),
    Entry("go_buildinfo", _SOFTWARE, "kolide_tables.go_buildinfo"),
    Entry("flatpak_packages", _SOFTWARE, "kolide_tables.flatpak_packages"),
    Entry("snap_packages", _SOFTWARE, "kolide_tables.snap_packages"),
    Entry("containers", _SOFTWARE, "kolide_tables.containers"),
    Entry("mcp_servers", _SOFTWARE, "kolide_tables.mcp_servers"),
    Entry("llm_models", _SOFTWARE, "kolide_tables.llm_models"),
    Entry("browser_profiles", _SOFTWARE, "kolide_tables.browser_profiles"),
    Entry("certificates", _SECRETS, "kolide_tables.certificates"),
    Entry("keyinfo", _SECRETS, "kolide_tables.keyinfo"),
    Entry("ssh_keys", _SECRETS, "kolide_tables.keyinfo"),
    Entry("luks", _SECRETS, "kolide_tables.luks"),
    Entry("secret_scan", _SECRETS, "kolide_tables.secret_scan"),
    Entry("exposed_ports", _EXPOSURE, "kolide_tables.exposed_ports"),
    Entry("nftables_rules", _EXPOSURE, "kolide_tables.nftables_rules"),
    Entry("sshd_config", _EXPOSURE, "kolide_tables.sshd_config"),
    Entry("sudo_rules", _EXPOSURE, "kolide_tables.sudo_rules"),
    Entry("systemd_exec", _EXPOSURE, "kolide_tables.systemd_exec"),
    Entry("cpu_vulnerabilities", _EXPOSURE, "kolide_tables.cpu_vulnerabilities"),
    Entry("apt_upgrades", _EXPOSURE, "kolide_tables.apt_upgrades"),
    Entry("dpkg_verify", _EXPOSURE, "kolide_tables.dpkg_verify"),
    Entry("process_details", _MACHINE, "kolide_tables.process_details"),
    Entry("process_limits", _MACHINE, "kolide_tables.process_limits"),
    Entry("process_ancestry", _MACHINE, "kolide_tables.process_ancestry"),
    Entry("systemd_timers", _MACHINE, "kolide_tables.systemd_timers"),
    Entry("journal", _MACHINE, "kolide_tables.journal"),
    Entry("pressure", _MACHINE, "kolide_tables.pressure"),
    Entry("disk_io", _MACHINE, "kolide_tables.disk_io"),
    Entry("net_rates", _MACHINE, "kolide_tables.net_rates"),
    Entry("sensors", _MACHINE, "kolide_tables.sensors"),
    Entry("batteries", _MACHINE, "kolide_tables.sensors"),
    Entry("ext_tables", _MACHINE, "kolide_tables.ext_tables"),
    Entry("file_lines", TO_BE_ENABLED, "kolide_tables.file_lines", is_on=False),
    Entry("notes", TO_BE_ENABLED, "kolide_tables.notes", is_on=False),
)


def families() -> dict[str, tuple[str, ...]]:
    """Return the names of the tables, without their prefix, by family."""
    return {
        family: tuple(entry.name for entry in CATALOG if entry.family == family)
        for family in dict.fromkeys(entry.family for entry in CATALOG)
    }
