"""Test that importing a module has no side effect, and that no module has mutable state."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .modules import Module

IMPORTER = Path(__file__).parent / "importer.py"
WORKER = Path(__file__).parent / "working.py"
# Modules that need libraries of Windows.
WINDOWS_ONLY = {"osquery_sdk.wire.pipes", "osquery_sdk.wire.windows"}


def report(names: list[str]) -> dict[str, Any]:
    """Return the effects of importing the modules in a fresh interpreter."""
    # -I: nothing of this environment, and no folder of the tests on the path; -B: no bytecode is written.
    done = subprocess.run(
        [sys.executable, "-I", "-B", "-X", "dev", IMPORTER, *names],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    line, *more = done.stdout.splitlines()
    assert more == [], "something was printed"
    found: dict[str, Any] = json.loads(line)
    return found


def test_no_import_has_a_side_effect(modules: "dict[str, Module]") -> None:
    found = report(list(modules))
    assert found["changes"] == []
    assert found["events"] == []
    assert set(found["missing"]) <= (WINDOWS_ONLY if os.name == "posix" else set())


@pytest.mark.parametrize(
    ("code", "what", "said"),
    [
        ("import threading; threading.Thread(target=input, daemon=True)", None, None),
        (
            "import threading; threading.Thread(target=threading.Event().wait, daemon=True).start()",
            "changes",
            "threads",
        ),
        ("import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)", "changes", "signal handlers"),
        ("import socket; made = socket.socket()", "events", "socket.__new__"),
        ("import socket; made = socket.socket()", "changes", "open files"),
        ("import subprocess; subprocess.run(['true'])", "events", "subprocess.Popen"),
        ("import os; os.environ['X_RULES'] = '1'", "changes", "environment"),
        ("import sys; sys.path.append('/x')", "changes", "path"),
        ("import warnings; warnings.simplefilter('ignore')", "changes", "warning filters"),
        ("open('written', 'w').close()", "events", "opened 'written' for writing"),
        ("import sys; sys.excepthook = print", "changes", "hooks"),
        ("print('hello')", "words", "hello"),
    ],
)
def test_the_importer_sees_them(code: str, what: str | None, said: str | None, tmp_path: Path) -> None:
    """The importer reports each of these effects, so the test above can fail."""
    (tmp_path / "culprit.py").write_text(code)
    script = (
        f"import sys, runpy; sys.path.insert(0, {str(tmp_path)!r}); sys.argv = ['importer', 'culprit'];"
        f" runpy.run_path({str(IMPORTER)!r}, run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-B", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    *words, line = done.stdout.splitlines()
    found = json.loads(line) | {"words": words}
    if what is None:
        assert (found["changes"], found["events"], words) == ([], [], [])
    else:
        assert any(said in text for text in found[what]), found


# State

CHANGES = {
    "add",
    "append",
    "appendleft",
    "clear",
    "discard",
    "extend",
    "insert",
    "pop",
    "popitem",
    "remove",
    "reverse",
    "setdefault",
    "sort",
    "update",
}


def changed_globals(tree: ast.Module) -> list[str]:
    """Return where functions change a module-level name: by `global`, item, attribute or method."""
    top: set[str] = set()
    for node in tree.body:
        targets = (
            node.targets
            if isinstance(node, ast.Assign)
            else [node.target]
            if isinstance(node, ast.AnnAssign)
            else []
        )
        top |= {name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)}
    found = []
    for function in (
        node
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
    ):
        own = {argument.arg for argument in ast.walk(function.args) if isinstance(argument, ast.arg)}
        own |= {n.id for n in ast.walk(function) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        mine = top - own
        for node in ast.walk(function):
            if isinstance(node, ast.Global):
                found.append(f"{node.lineno}: global {', '.join(node.names)}")
            elif isinstance(node, (ast.Subscript, ast.Attribute)) and isinstance(
                node.ctx, (ast.Store, ast.Del)
            ):
                if ast.unparse(node.value) in mine:
                    found.append(f"{node.lineno}: {ast.unparse(node)}")
            elif isinstance(node, ast.Call):
                owner, _, method = ast.unparse(node.func).rpartition(".")
                if owner in mine and method in CHANGES:
                    found.append(f"{node.lineno}: {ast.unparse(node)[:80]}")
    return found


def test_no_function_changes_what_stands_at_its_module_s_top(modules: "dict[str, Module]") -> None:
    found = [f"{module.name}:{text}" for module in modules.values() for text in changed_globals(module.tree)]
    assert found == []


@pytest.mark.parametrize(
    ("body", "changes"),
    [
        ("global X; X = 1", True),
        ("X[1] = 2", True),
        ("del X[1]", True),
        ("X.y = 2", True),
        ("X.append(2)", True),
        ("X.update(a=2)", True),
        ("X = []; X.append(2)", False),
        ("return X[1]", False),
        ("return X.get(1)", False),
        ("return [x for x in X]", False),
    ],
)
def test_changes_are_seen(body: str, changes: bool) -> None:
    assert (
        bool(changed_globals(ast.parse(f"X = {{}}\ndef f():\n    {body.replace('; ', chr(10) + '    ')}")))
        is changes
    )


def test_a_day_s_work_changes_nothing_at_any_module_s_top(modules: "dict[str, Module]") -> None:
    done = subprocess.run(
        [sys.executable, "-I", WORKER, *modules], capture_output=True, text=True, timeout=100
    )
    *changes, compared = done.stdout.splitlines()
    assert (changes, done.stderr) == ([], "")
    assert int(compared.split()[0]) > 1000
