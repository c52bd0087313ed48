"""Bundled osquery tables.

A program asks `all_tables` for them and passes them on to its `Extension`; nothing is made or registered by the import.
"""

from collections.abc import Collection

from osquery_sdk import DefinitionError, Table

from .families import family_of
from .libraries import how_to_install, missing_library
from .limits import Limits

__all__ = ["Limits", "all_tables", "why_unable"]

_PREFIX = "kolide_"


def all_tables(
    *,
    limits: Limits = Limits(),  # noqa: B008 - a constant
    prefix: str = _PREFIX,
    disabled: Collection[str] = (),
    notes: str = "",
    enabled: Collection[str] = (),
    unable: bool = False,
) -> list[Table]:
    """Every bundled table but the disabled ones, and those whose library is not installed.

    Args:
        limits: of each request for a table's rows.
        prefix: what the tables' names begin with.
        disabled: names of tables to leave out, with or without the prefix.
        notes: path of the file of the table of notes, which is left out without one.
        enabled: names of tables that are left out unless they are named here: file_lines.
        unable: include the tables whose library is not installed, see `why_unable`.

    Raises:
        DefinitionError: the prefix makes no name, or there is no table of a name, or the notes' path is no whole one.
    """
    from .datafiles import data_file_tables
    from .ext_tables import ext_tables

    made = [_adapted(one, limits, prefix) for one in _of_the_system(limits)]
    made += [_adapted(one, limits, prefix) for one in _of_files(limits)]
    made += data_file_tables(limits, prefix=prefix)
    if notes:
        from .notes import notes_table

        made.append(notes_table(notes, limits=limits, name=f"{prefix}notes"))
    made += [_adapted(one, limits, prefix) for one in _if_named(limits, enabled, prefix)]
    about = f"{prefix}ext_tables"
    names = {one.name for one in made} | {about, f"{prefix}notes", f"{prefix}file_lines"}
    left_out = {prefix + name.removeprefix(prefix) for name in disabled}
    if left_out - names:
        raise DefinitionError(_no_table(left_out - names, "to disable", names))
    if not unable:
        left_out |= {one.name for one in made if missing_library(one.name.removeprefix(prefix))}
    served = [one for one in made if one.name not in left_out]
    if about not in left_out:
        others = [one for one in made if one.name in left_out]
        served.append(ext_tables(served, disabled=others, limits=limits, name=about))
    return served


def why_unable(name: str) -> str:
    """Return why a table cannot answer on this machine, and what to install; "" if it can.

    Args:
        name: of the table, without its prefix.
    """
    module = missing_library(name)
    return how_to_install(module) if module else ""


def _no_table(unknown: Collection[str], what: str, names: Collection[str]) -> str:
    from osquery_sdk import did_you_mean

    there = f"there {'is' if len(names) == 1 else 'are'} {', '.join(sorted(names))}"
    meant = [text for name in sorted(unknown) if (text := did_you_mean(name, names))]
    return "; ".join([f"no table {', '.join(sorted(unknown))} {what}", there, *meant])


def _of_the_system(limits: Limits) -> tuple[Table, ...]:
    """Processes, devices, network, services, packages: what there is once on a machine, whoever uses it."""
    from .apt_upgrades import apt_upgrades
    from .containers import containers
    from .cpu_vulnerabilities import cpu_vulnerabilities
    from .disk_io import disk_io
    from .dpkg_verify import dpkg_verify
    from .exposed_ports import exposed_ports
    from .flatpak_packages import flatpak_packages
    from .journal import journal
    from .luks import luks
    from .net_rates import net_rates
    from .nftables_rules import nftables_rules
    from .pressure import pressure
    from .process_ancestry import process_ancestry
    from .process_details import process_details
    from .process_limits import process_limits
    from .sensors import batteries, sensors
    from .snap_packages import snap_packages
    from .systemd_exec import systemd_exec
    from .systemd_timers import systemd_timers

    return (
        process_details,
        process_limits,
        process_ancestry,
        exposed_ports,
        disk_io,
        net_rates(),
        pressure(limits),
        cpu_vulnerabilities,
        nftables_rules,
        apt_upgrades,
        systemd_timers,
        containers,
        flatpak_packages(limits),
        snap_packages,
        systemd_exec,
        journal,
        luks(limits),
        sensors,
        batteries,
        dpkg_verify(limits),
    )


def _of_files(limits: Limits) -> tuple[Table, ...]:
    """Certificates, keys, programs, what is installed in projects and homes: what there is in files, as many as are asked for."""
    from .browser_profiles import browser_profiles
    from .certificates import certificates
    from .go_buildinfo import go_buildinfo
    from .keyinfo import keyinfo, ssh_keys
    from .llm_models import llm_models
    from .mcp_servers import mcp_servers
    from .node_packages import node_packages
    from .secret_scan import secret_scan
    from .sshd_config import sshd_config
    from .sudo_rules import sudo_rules
    from .venv_packages import venv_packages

    return (
        certificates(limits),
        keyinfo(limits),
        ssh_keys(limits),
        venv_packages(limits),
        node_packages(limits),
        go_buildinfo(limits),
        mcp_servers(limits),
        sshd_config(limits),
        sudo_rules(limits),
        secret_scan(limits),
        llm_models(limits),
        browser_profiles(limits),
    )


def _if_named(limits: Limits, enabled: Collection[str], prefix: str) -> list[Table]:
    """Those of the tables that show more than a machine's owner may expect, and are there only if they are asked for."""
    wanted = {name.removeprefix(prefix).removeprefix(_PREFIX) for name in enabled}
    if wanted - {"file_lines"}:
        raise DefinitionError(_no_table(wanted - {"file_lines"}, "to enable", {"file_lines"}))
    if not wanted:
        return []
    from .file_lines import file_lines

    return [file_lines(limits)]


def _adapted(one: Table, limits: Limits, prefix: str) -> Table:
    """The same table under these limits and with this prefix."""
    name = prefix + one.name.removeprefix(_PREFIX)
    examples = tuple(example.replace(one.name, name) for example in one.options.examples)
    options = one.options._replace(
        examples=examples,
        deadline=limits.max_seconds,
        max_rows=limits.max_rows,
        family=family_of(one.name.removeprefix(_PREFIX)),
    )
    return Table(name, one.function, one.row, one.description, options)
