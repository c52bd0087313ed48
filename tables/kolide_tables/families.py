"""Families of the bundled tables, for people who look for one: the README, the page of the tables, and `tables` list them so."""

__all__ = ["FAMILIES", "TO_BE_ENABLED", "family_of"]

TO_BE_ENABLED = "To be enabled"

FAMILIES = {
    "Any configuration file": ("json", "jsonc", "jsonl", "yaml", "toml", "xml", "ini", "plist", "csv"),
    "What is installed beside the packages": (
        "venv_packages",
        "node_packages",
        "go_buildinfo",
        "flatpak_packages",
        "snap_packages",
        "containers",
        "mcp_servers",
        "llm_models",
        "browser_profiles",
    ),
    "Keys, certificates, secrets, without showing any": (
        "certificates",
        "keyinfo",
        "ssh_keys",
        "luks",
        "secret_scan",
    ),
    "What is open, and what is hardened": (
        "exposed_ports",
        "nftables_rules",
        "sshd_config",
        "sudo_rules",
        "systemd_exec",
        "cpu_vulnerabilities",
        "apt_upgrades",
        "dpkg_verify",
    ),
    "Processes and the machine": (
        "process_details",
        "process_limits",
        "process_ancestry",
        "systemd_timers",
        "journal",
        "pressure",
        "disk_io",
        "net_rates",
        "sensors",
        "batteries",
        "ext_tables",
    ),
    TO_BE_ENABLED: ("file_lines", "notes"),
}
"""Names of tables, without their prefix, by what they are about."""


def family_of(name: str) -> str:
    """Return the family of a table, by its name without the prefix."""
    return next(family for family, names in FAMILIES.items() if name in names)
