"""The completion scripts, tried out in the shells that they are for."""

import shutil
import subprocess
import time

import pytest

from ...support.commands import EXTENSION, SDK, Terminal, run

SHELLS = ("bash", "zsh", "fish")
# What is typed, the last word being completed, and what it may become.
CASES = {
    "sample": [
        ("sample ve", {"version"}),
        ("sample --so", {"--socket"}),
        ("sample schema --format ", {"json", "markdown", "fleet-yaml", "spec"}),
        ("sample schema sample_n", {"sample_numbers", "sample_naps"}),
        ("sample query --js", {"--json"}),
        ("sample query --nd", {"--ndjson"}),
        ("sample query --t", {"--table", "--timeout", "--typed"}),
        ("sample query --output ./only", {"./only_file"}),
        ("sample query --no", set()),
        ("sample shell --no", {"--no-pager"}),
        ("sample tables --js", {"--json"}),
        ("sample completion ", set(SHELLS)),
        ("sample --socket ./only", {"./only_file"}),
    ],
    "osquery-sdk": [
        ("osquery-sdk e", {"explain", "engine"}),
        ("osquery-sdk query --extension ./only", {"./only_file"}),
        ("osquery-sdk run ./only", {"./only_file"}),
        ("osquery-sdk version --f", {"--full"}),
    ],
}


@pytest.fixture(scope="module")
def scripts(tmp_path_factory):
    """A folder with a script for each program and shell, and a file to complete."""
    folder = tmp_path_factory.mktemp("completion")
    for name, program in (("sample", EXTENSION), ("osquery-sdk", SDK)):
        for shell in SHELLS:
            done = run(program, "completion", shell)
            assert (done.returncode, done.stderr) == (0, "")
            (folder / f"{name}.{shell}").write_text(done.stdout)
    (folder / "only_file").write_text("")
    return folder


def needs(shell):
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} on PATH")


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("name", CASES)
def test_a_script_is_valid(scripts, shell, name):
    needs(shell)
    done = subprocess.run([shell, "-n", scripts / f"{name}.{shell}"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", CASES)
def test_bash_completes(scripts, name):
    needs("bash")
    code = (
        f"source {name}.bash\n"
        r"""
while IFS= read -r line; do
    read -ra COMP_WORDS <<<"$line"; [[ $line == *' ' ]] && COMP_WORDS+=('')
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); COMPREPLY=()
    function=$(complete -p "${COMP_WORDS[0]}" | sed 's/.*-F \([^ ]*\).*/\1/')
    $function
    echo "${COMPREPLY[*]}"
done
"""
    )
    lines = "".join(f"{typed}\n" for typed, _ in CASES[name])
    done = subprocess.run(
        ["bash", "--norc", "-c", code], input=lines, cwd=scripts, capture_output=True, text=True
    )
    assert done.stderr == ""
    offered = [set(line.split()) for line in done.stdout.splitlines()]
    assert offered == [words for _, words in CASES[name]]


@pytest.mark.parametrize("name", CASES)
def test_fish_completes(scripts, name):
    needs("fish")
    code = f"source {name}.fish\n" + "".join(f"complete -C '{typed}'; echo ---\n" for typed, _ in CASES[name])
    done = subprocess.run(["fish", "--no-config", "-c", code], cwd=scripts, capture_output=True, text=True)
    offered = [
        {line.partition("\t")[0] for line in block.splitlines() if line}
        for block in done.stdout.split("---\n")[:-1]
    ]
    assert offered == [words for _, words in CASES[name]]


def test_zsh_completes(scripts, tmp_path):
    needs("zsh")
    (tmp_path / ".zshrc").write_text(
        f"fpath=({tmp_path} $fpath)\nautoload -Uz compinit; compinit -u -D\nPS1='%% '\n"
        "unsetopt zle_bracketed_paste\n"
    )
    for name in CASES:
        (tmp_path / f"_{name}").write_text((scripts / f"{name}.zsh").read_text())
    with Terminal("zsh", "-i", env={"ZDOTDIR": str(tmp_path)}) as zsh:
        zsh.expect("% ")
        for typed, becomes in [
            ("sample ve", "sample version"),
            ("sample schema --format mar", "sample schema --format markdown"),
            ("sample schema sample_num", "sample schema sample_numbers"),
            ("osquery-sdk exp", "osquery-sdk explain"),
        ]:
            zsh.send(f"{typed}\t")
            time.sleep(0.3)
            # The line as it is now becomes an argument of print.
            zsh.send("\x01print -r -- '\x05'\n")
            zsh.expect(f"\n{becomes}\n")
