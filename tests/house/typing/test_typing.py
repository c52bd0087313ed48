"""Test that type checkers flag nothing in `right.py`, and exactly the marked lines in `wrong.py`."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

HERE = Path(__file__).parent
FILES = ("right.py", "wrong.py")

Findings = dict[tuple[str, int], str]


def mypy(folder: Path) -> Findings:
    """Return the findings of `mypy --strict`, by file and line."""
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--config-file=",
        f"--cache-dir={folder}",
        "--no-error-summary",
    ]
    done = subprocess.run([*command, *FILES], cwd=HERE, capture_output=True, text=True)
    assert not done.stderr
    found = re.findall(r"^(\w+\.py):(\d+): (error: .*)$", done.stdout, re.MULTILINE)
    return {(file, int(line)): text for file, line, text in found}


def pyright(folder: Path) -> Findings:
    """Return the findings of pyright's strict mode, by file and line. The package brings its own node."""
    config = {"include": [str(HERE / name) for name in FILES], "typeCheckingMode": "strict"}
    (folder / "pyrightconfig.json").write_text(json.dumps(config))
    command = [sys.executable, "-m", "basedpyright", "--outputjson", "--pythonpath", sys.executable]
    done = subprocess.run([*command, "-p", str(folder)], capture_output=True, text=True)
    found = json.loads(done.stdout)["generalDiagnostics"]
    return {
        (
            Path(each["file"]).name,
            each["range"]["start"]["line"] + 1,
        ): f"{each['severity']}: {each['message']}"
        for each in found
    }


@pytest.mark.parametrize("checker", [mypy, pyright])
def test_exactly_the_marked_lines_are_flagged(checker: Callable[[Path], Findings], tmp_path: Path) -> None:
    found = checker(tmp_path)
    marked = {
        (name, number)
        for name in FILES
        for number, line in enumerate((HERE / name).read_text().splitlines(), 1)
        if line.endswith("# E")
    }
    assert len(marked) > 30
    assert {key: text for key, text in found.items() if key not in marked} == {}
    assert marked - found.keys() == set()


def test_what_is_right_works() -> None:
    code = "import right; raise SystemExit(right.main())"
    done = subprocess.run([sys.executable, "-c", code], cwd=HERE, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    names = {line.split()[0] for line in done.stdout.splitlines() if line}
    assert names >= {"disks", "listed", "later", "awaited", "mappings"}
