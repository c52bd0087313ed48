"""List the bundled tables: a line for each, with its family, its module, and whether it is on by default."""

from typing import Any, NamedTuple

from osquery_sdk import Table, deferred

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

    def load(self, *arguments: Any, **options: Any) -> Table:
        """Import the table.

        A table that keeps state between requests, or is about something that only the caller has, is made
        anew by a function of its name, which gets the arguments.
        """
        from importlib import import_module

        member = getattr(import_module(self.module), self.name)
        table: Table = member if isinstance(member, Table) else member(*arguments, **options)
        return table

    def deferred(self, *arguments: Any, **options: Any) -> Table:
        """Return the table that `load` does; a frozen program loads it when it is first queried."""
        return deferred(f"kolide_{self.name}", lambda: self.load(*arguments, **options))


CATALOG = (
    Entry("json", _DOCUMENTS, "kolide_tables.documents.tables"),
    Entry("jsonc", _DOCUMENTS, "kolide_tables.documents.tables"),
    Entry("jsonl", _DOCUMENTS, "kolide_tables.documents.tables"),
    Entry("yaml", _DOCUMENTS, "kolide_tables.documents.tables"),
    Entry("toml", _DOCUMENTS, "kolide_tables.documents.tables"),
    Entry("xml", _DOCUMENTS, "kolide_tables.documents.tables"),
    Entry("ini", _DOCUMENTS, "kolide_tables.documents.tables"),
    Entry("plist", _DOCUMENTS, "kolide_tables.documents.tables"),
    Entry("csv", _DOCUMENTS, "kolide_tables.documents.tables"),
    Entry("venv_packages", _SOFTWARE, "kolide_tables.software.venv_packages"),
    Entry("node_packages", _SOFTWARE, "kolide_tables.software.node_packages"),
    Entry("go_buildinfo", _SOFTWARE, "kolide_tables.software.go_buildinfo"),
    Entry("flatpak_packages", _SOFTWARE, "kolide_tables.software.flatpak_packages"),
    Entry("snap_packages", _SOFTWARE, "kolide_tables.software.snap_packages"),
    Entry("path_packages", _SOFTWARE, "kolide_tables.software.path_packages"),
    Entry("containers", _SOFTWARE, "kolide_tables.software.containers"),
    Entry("ai_tools", _SOFTWARE, "kolide_tables.software.ai_tools"),
    Entry("mcp_servers", _SOFTWARE, "kolide_tables.software.mcp_servers"),
    Entry("llm_models", _SOFTWARE, "kolide_tables.software.llm_models"),
    Entry("browser_profiles", _SOFTWARE, "kolide_tables.software.browser_profiles"),
    Entry("firefox_preferences", _SOFTWARE, "kolide_tables.software.firefox_preferences"),
    Entry("certificates", _SECRETS, "kolide_tables.secrets.certificates"),
    Entry("keyinfo", _SECRETS, "kolide_tables.secrets.keyinfo"),
    Entry("ssh_keys", _SECRETS, "kolide_tables.secrets.keyinfo"),
    Entry("luks", _SECRETS, "kolide_tables.secrets.luks"),
    Entry("secret_scan", _SECRETS, "kolide_tables.secrets.secret_scan"),
    Entry("jwt", _SECRETS, "kolide_tables.secrets.jwt"),
    Entry("exposed_ports", _EXPOSURE, "kolide_tables.exposure.exposed_ports"),
    Entry("nftables_rules", _EXPOSURE, "kolide_tables.exposure.nftables_rules"),
    Entry("sshd_config", _EXPOSURE, "kolide_tables.exposure.sshd_config"),
    Entry("sudo_rules", _EXPOSURE, "kolide_tables.exposure.sudo_rules"),
    Entry("systemd_exec", _EXPOSURE, "kolide_tables.exposure.systemd_exec"),
    Entry("cpu_vulnerabilities", _EXPOSURE, "kolide_tables.exposure.cpu_vulnerabilities"),
    Entry("apt_upgrades", _EXPOSURE, "kolide_tables.exposure.apt_upgrades"),
    Entry("package_upgrades", _EXPOSURE, "kolide_tables.exposure.package_upgrades"),
    Entry("dpkg_verify", _EXPOSURE, "kolide_tables.exposure.dpkg_verify"),
    Entry("edr_health", _EXPOSURE, "kolide_tables.exposure.edr_health"),
    Entry("process_details", _MACHINE, "kolide_tables.machine.process_details"),
    Entry("process_limits", _MACHINE, "kolide_tables.machine.process_limits"),
    Entry("process_ancestry", _MACHINE, "kolide_tables.machine.process_ancestry"),
    Entry("systemd_timers", _MACHINE, "kolide_tables.machine.systemd_timers"),
    Entry("journal", _MACHINE, "kolide_tables.machine.journal"),
    Entry("pressure", _MACHINE, "kolide_tables.machine.pressure"),
    Entry("disk_io", _MACHINE, "kolide_tables.machine.disk_io"),
    Entry("net_rates", _MACHINE, "kolide_tables.machine.net_rates"),
    Entry("wifi", _MACHINE, "kolide_tables.machine.wifi"),
    Entry("tpm", _MACHINE, "kolide_tables.machine.tpm"),
    Entry("disk_encryption", _MACHINE, "kolide_tables.machine.disk_encryption"),
    Entry("gsettings", _MACHINE, "kolide_tables.machine.gsettings"),
    Entry("sensors", _MACHINE, "kolide_tables.machine.sensors"),
    Entry("batteries", _MACHINE, "kolide_tables.machine.sensors"),
    Entry("ext_tables", _MACHINE, "kolide_tables.own.ext_tables"),
    Entry("file_lines", TO_BE_ENABLED, "kolide_tables.documents.file_lines", is_on=False),
    Entry("notes", TO_BE_ENABLED, "kolide_tables.own.notes", is_on=False),
)


def families() -> dict[str, tuple[str, ...]]:
    """Return the names of the tables, without their prefix, by family."""
    return {
        family: tuple(entry.name for entry in CATALOG if entry.family == family)
        for family in dict.fromkeys(entry.family for entry in CATALOG)
    }
