#!/usr/bin/env python3
"""Build and package programs by the recipes in this folder. README.md says what is in a recipe.

recipes.py build [OPTION ...]         freeze every program: further options go to `osquery-sdk build`
recipes.py release                    freeze every program in each form that its recipe names
recipes.py check                      run the built programs as their recipes say
recipes.py package [OPTION ...]       make packages of all bundles here: options go to `osquery-sdk package`
recipes.py matrix                     print the targets as GitHub's workflows want a matrix
recipes.py targets                    print the targets for people
"""

import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
TOP = HERE.parent
TARGETS = HERE / "targets.toml"
EXE = ".exe" if sys.platform == "win32" else ".ext"
BIN = Path(sys.executable).parent


def recipes() -> dict[str, dict[str, Any]]:
    """Return each program's recipe, by its name."""
    paths = sorted(path for path in HERE.glob("*.toml") if path != TARGETS)
    return {path.stem: tomllib.loads(path.read_text()) for path in paths}


def targets() -> list[dict[str, str]]:
    """Return the platforms that programs are built for."""
    found: list[dict[str, str]] = tomllib.loads(TARGETS.read_text())["target"]
    return found


def arguments(options: dict[str, Any]) -> list[str]:
    """Return options of a recipe as a command line has them: a list is an option given several times."""
    words = []
    for name, value in options.items():
        for each in value if isinstance(value, list) else [value]:
            words += [f"--{name}", str(each)]
    return words


def run(*command: str | Path) -> None:
    """Run a command in the checkout, and show it; raise SystemExit if it fails."""
    print(" ".join(map(str, command)), flush=True)
    if code := subprocess.run([str(word) for word in command], cwd=TOP, check=False).returncode:
        raise SystemExit(code)


def build(name: str, recipe: dict[str, Any], *options: str) -> None:
    """Freeze one program into this folder."""
    words = arguments(recipe.get("build", {}))
    run(
        BIN / "osquery-sdk",
        "build",
        recipe["extension"],
        "--output",
        "build",
        "--name",
        name,
        *words,
        *options,
    )


def release(name: str, recipe: dict[str, Any]) -> None:
    """Freeze one program in each form of its recipe; the single file goes into a folder of its own."""
    for form in recipe["forms"]:
        build(name, recipe, *(["--onefile", "--output", "build/onefile"] if form == "onefile" else []))


def check(name: str, recipe: dict[str, Any]) -> None:
    """Run the built program with each command line of its recipe, and check its exit code and output."""
    program = HERE / f"{name}.bundle" / f"{name}{EXE}"
    for case in recipe["check"]:
        # Forward slashes, so that the path can stand in SQL on Windows too.
        words = [word.replace("{checkout}", TOP.as_posix()) for word in case["run"]]
        print(program, *words, flush=True)
        done = subprocess.run([program, *words], stdout=subprocess.PIPE, text=True, check=False)
        print(done.stdout)
        if done.returncode or case.get("prints", "") not in done.stdout:
            raise SystemExit(
                f"{name}: exit code {done.returncode}; expected 0 and {case.get('prints', '')!r}"
            )


def package(*options: str) -> None:
    """Make packages of every bundle in this folder; build the programs first if there is none."""
    known = recipes()
    if not list(HERE.glob("*.bundle")):
        for name, recipe in known.items():
            build(name, recipe)
    for bundle in sorted(HERE.glob("*.bundle")):
        words = arguments(known.get(bundle.stem, {}).get("package", {}))
        place = ["--output", "build/packages", "--force"]
        run(BIN / "osquery-sdk", "package", bundle.relative_to(TOP), *place, *words, *options)


def main() -> None:
    """Do what the first argument says."""
    match sys.argv[1:]:
        case ["build", *options]:
            for name, recipe in recipes().items():
                build(name, recipe, *options)
        case ["release"]:
            for name, recipe in recipes().items():
                release(name, recipe)
        case ["check"]:
            for name, recipe in recipes().items():
                check(name, recipe)
        case ["package", *options]:
            package(*options)
        case ["matrix"]:
            print(json.dumps({"include": targets()}))
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    main()
