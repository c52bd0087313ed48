"""List what changed in gitleaks since its rules were last read into secret_rules.toml.

``python -m tests.tables.secrets.gitleaks CHECKOUT`` compares a checkout's config/gitleaks.toml with the one
of the commit that the data file names. Take over what it lists, write the checkout's commit and today's date
into the file, and run the tests of kolide_secret_scan.
"""

import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

from kolide_tables.secrets.secret_rules import Rules, load

CONFIG = "config/gitleaks.toml"


def commit() -> str:
    """Return the commit of gitleaks whose rules were read."""
    text = (files("kolide_tables.secrets") / "secret_rules.toml").read_text(encoding="utf-8")
    found: str = tomllib.loads(text)["gitleaks"]["commit"]
    return found


def theirs(config: str) -> dict[str, dict[str, Any]]:
    """Return gitleaks' rules, by their names."""
    return {rule["id"]: rule for rule in tomllib.loads(config)["rules"]}


def ours(rules: Rules) -> dict[str, str]:
    """Return the rule here, or the reason that there is none, for each rule of gitleaks."""
    named = {name: rule.rule_id for rule in rules.every for name in rule.gitleaks}
    return named | {name: f"none: {reason}" for name, reason in rules.elsewhere.items()}


def differences(before: str, now: str, known: dict[str, str]) -> Iterator[str]:
    """Yield a line for each rule that is new, gone or changed between two configurations."""
    old, new = theirs(before), theirs(now)
    for name in sorted(old.keys() | new.keys()):
        here = known.get(name, "no rule here")
        if name not in new:
            yield f"gone: {name} ({here})"
        elif name not in known:
            yield f"new: {name}: {new[name].get('regex', new[name].get('path'))}"
        elif old.get(name) != new[name]:
            keys = ("regex", "entropy", "keywords", "path")
            changed = [key for key in keys if old.get(name, {}).get(key) != new[name].get(key)]
            yield f"changed: {name} ({here}): {', '.join(changed) or 'what it allows'}"


def main() -> None:
    """Print the differences."""
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)

    def config(revision: str) -> str:
        command = ["git", "-C", sys.argv[1], "show", f"{revision}:{CONFIG}"]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    for line in differences(config(commit()), config("HEAD"), ours(load())):
        print(line)


if __name__ == "__main__":
    main()
