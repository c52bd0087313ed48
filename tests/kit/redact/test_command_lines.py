"""Command lines of many programs: their secrets are hidden, and nothing else is.

`commands.txt` and `harmless.txt` have a command line in each line, written from the programs' manuals; §
stands for a secret. Each is tried as a program's arguments and as a text.
"""

import shlex
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kolide_kit.redact import REDACTED, redact_arguments, redact_text
from kolide_kit.redact.programs import HARMLESS, SECRETS
from kolide_kit.redact.rules import known, rule_of
from kolide_kit.redact.segments import segments
from kolide_kit.redact.shell import shell_words
from kolide_kit.redact.wrappers import WRAPPERS

HERE = Path(__file__).parent
COMMANDS = (HERE / "commands.txt").read_text().splitlines()
HARMLESS_LINES = (HERE / "harmless.txt").read_text().splitlines()
VALUES = ("Zq8vK2mW5xT1", "hunter2", "Pa55.w0rd_X-y")
# The shell would divide it where it is not quoted.
WILD = "Zq8,vK;2&m!%^"


def split(line: str) -> list[str]:
    """Return the arguments of a line, in which a backslash is itself."""
    try:
        return shlex.split(line.replace("\\", "\\\\"))
    except ValueError:
        return line.split()


def test_a_secret_is_hidden_and_nothing_else() -> None:
    wrong = []
    for line in COMMANDS:
        template = split(line)
        is_script = any("§" in word and " " in word for word in template)
        for value in VALUES if is_script else (*VALUES, WILD):
            shown = redact_arguments([word.replace("§", value) for word in template])
            is_right = value not in " ".join(shown) and all(
                REDACTED in after if "§" in before else after == before
                for before, after in zip(template, shown, strict=True)
            )
            if not is_right:
                wrong.append((line, shown))
    assert wrong == []
    assert len(COMMANDS) > 250


def test_a_secret_is_hidden_in_a_text() -> None:
    wrong = []
    for line in COMMANDS:
        for value in VALUES:
            shown = redact_text(line.replace("§", value))
            paths = [word for word in split(line) if word.startswith("/") and "§" not in word]
            if value in shown or not all(path in shown for path in paths):
                wrong.append((line, shown))
    assert wrong == []


def test_what_is_harmless_stays() -> None:
    wrong = [line for line in HARMLESS_LINES if redact_arguments(split(line)) != split(line)]
    assert wrong == []
    assert [line for line in HARMLESS_LINES if redact_text(line) != line] == []


S = "Zq8vK2mW5x"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            f"bob : TTY=pts/0 ; PWD=/home/bob ; USER=root ; COMMAND=/usr/bin/mysql -p{S} -e x",
            f"bob : TTY=pts/0 ; PWD=/home/bob ; USER=root ; COMMAND=/usr/bin/mysql -p{REDACTED} -e x",
        ),
        (f"(root) CMD (mysqldump -p{S} shop)", f"(root) CMD (mysqldump -p{REDACTED} shop)"),
        (f'EXECVE argc=2 a0="mysql" a1="-p{S}"', f'EXECVE argc=2 a0="mysql" a1="-p{REDACTED}"'),
        (f"Command '['mysql', '-p{S}', 'x']' failed", f"Command '['mysql', '-p{REDACTED}', 'x']' failed"),
        (f'exec ["redis-cli","-a","{S}","ping"]', f'exec ["redis-cli","-a","{REDACTED}","ping"]'),
        (f"can't run mysql -p{S} for user's db", f"can't run mysql -p{REDACTED} for user's db"),
        (f"/usr/bin/sshpass -p {S} ssh -p 22 h", f"/usr/bin/sshpass -p {REDACTED} ssh -p 22 h"),
        (f"x; PASSWORD=a\\ {S} run", f"x; PASSWORD={REDACTED} run"),
        (f'mysql -p"$(echo {S})" x', f'mysql -p"$(echo {REDACTED})" x'),
        ('mysql -p"$(cat /run/pw)" x', 'mysql -p"$(cat /run/pw)" x'),
        (f"echo {S} | sudo -S ls /srv", f"echo {REDACTED} | sudo -S ls /srv"),
        (f"chpasswd <<EOF\nbob:{S}\nEOF\nls /srv", f"chpasswd <<EOF\n{REDACTED}\nEOF\nls /srv"),
        ("Failed password for root from 10.0.0.1 port 22 ssh2", None),
        ("pam_unix(sshd:session): session opened for user bob(uid=1000) by (uid=0)", None),
        ("it's the user's mysql, isn't it", None),
        ("SSH_AUTH_SOCK=/tmp/ssh-x/agent.1 PASSWORD_STORE_DIR=/home/bob/.pass GPG_TTY=/dev/pts/0", None),
        ("GOOGLE_APPLICATION_CREDENTIALS=/etc/gcp/key.json TOKEN=/run/secrets/token", None),
        ("repo/image:tag@sha256:" + "0123456789abcdef" * 4, None),
        (f"AKIAIOSFODNN7EXAMPLE:{'wJalrXUtnF' * 4}", REDACTED),
        (f"p={S}; mysql -p$p", f"p={REDACTED}; mysql -p{REDACTED}"),
        (f"wg set wg0 private-key <(echo {S}) peer x", f"wg set wg0 private-key <(echo {REDACTED}) peer x"),
        (f"zfs load-key tank/x <<< {S}", f"zfs load-key tank/x <<< {REDACTED}"),
        (f"echo {S} | an-unknown unlock x", f"echo {REDACTED} | an-unknown unlock x"),
        ("wc -w <<< 'a word'", None),
        ("cat notes.txt | grep password", None),
        (f"Started mysql -p{S} x.", f"Started mysql -p{REDACTED} x."),
        (f"COMMAND=/usr/bin/perf stat mysql -p{S}", f"COMMAND=/usr/bin/perf stat mysql -p{REDACTED}"),
        (f"prog '--password=a {S}' /srv/x", f"prog '--password={REDACTED}' /srv/x"),
        (f"ftp.login('bob', '{S}')", f"ftp.login('bob', '{REDACTED}')"),
        (f'new PDO("mysql:host=h", "b", "{S}")', f'new PDO("mysql:host=h", "{REDACTED}", "{REDACTED}")'),
        (f'{{"name": "DB_PASSWORD", "value": "{S}"}}', f'{{"name": "DB_PASSWORD", "value": "{REDACTED}"}}'),
        (
            f"Command '['sh', '-c', 'mysql \\'-p{S}\\' x']' failed",
            f"Command '['sh', '-c', 'mysql \\'-p{REDACTED}\\' x']' failed",
        ),
        (f"rtmp://h/live2/{S}", f"rtmp://h/live2/{REDACTED}"),
        (f"https://h/t/{S}/main", f"https://h/t/{REDACTED}/main"),
        (f"os.environ['TOKEN']='{S}'", f"os.environ['TOKEN']='{REDACTED}'"),
        ("https://hooks.slack.com/services/T00/B00/abcdefgh", f"https://hooks.slack.com/services/{REDACTED}"),
    ],
)  # fmt: skip
def test_texts(text: str, shown: str | None) -> None:
    assert redact_text(text) == (text if shown is None else shown)


def digits(text: str) -> str:
    """Return text as audit writes one that has blanks or zeros."""
    return text.encode().hex().upper()


PROCTITLE = digits("mysql\0-p")


@pytest.mark.parametrize(
    ("record", "shown"),
    [
        (
            "type=PROCTITLE msg=audit(1.1:2): proctitle=" + digits(f"mysql\0-p{S}\0/srv/x"),
            f"type=PROCTITLE msg=audit(1.1:2): proctitle={PROCTITLE}{REDACTED}{digits(chr(0) + '/srv/x')}",
        ),
        (
            "cmd=" + digits(f"mysql -p{S} /srv/x") + " exe=x",
            f"cmd={digits('mysql -p')}{REDACTED}{digits(' /srv/x')} exe=x",
        ),
        (
            f'a0="sh" a1="-c" a2={digits(f"mysql -p{S} x")}',
            f'a0="sh" a1="-c" a2={digits("mysql -p")}{REDACTED}{digits(" x")}',
        ),
        (f'a0="mysql" a1={digits("-p" + S)}', f'a0="mysql" a1={digits("-p")}{REDACTED}'),
        ("proctitle=" + digits("nginx: master process /usr/sbin/nginx"), None),
        ('a0="ls" a1="-l" a2="/srv"', None),
        ("proctitle=6D7", None),
    ],
)
def test_audit_s_digits(record: str, shown: str | None) -> None:
    assert redact_text(record) == (record if shown is None else shown)


def test_a_long_script_is_read_where_it_has_a_clue() -> None:
    line = "for f in /srv/*; do echo \"it's $f\" | tr a-z A-Z >> /tmp/list; done # don't\n"
    script = line * 2000 + f"mysql \\\n -p{S} shop\n" + line * 10
    shown = redact_arguments(["bash", "-c", script])[2]
    assert shown == script.replace(S, REDACTED)


@given(
    st.lists(st.sampled_from(["'", '"', "`", "$(", ")", "(", "\n", "|\n", "# a'\n", "\\", "a", "<<<", " "]))
)
def test_pieces_of_a_script_make_up_the_whole(parts: list[str]) -> None:
    text = "".join(parts)
    assert "".join(text[start:end] for start, end in segments(text)) == text


def _quoted(prefix: str) -> Callable[[list[str]], list[str]]:
    return lambda words: [*prefix.split(), shlex.join(words)]


def _before(prefix: str) -> Callable[[list[str]], list[str]]:
    return lambda words: [*prefix.split(), *words]


NESTS = st.lists(
    st.one_of(
        st.sampled_from(
            [
                "sudo -u bob", "sudo -E -u mysql --", "doas", "env -i A=b", "timeout -k 3 5m", "nice -n 5",
                "ionice -c 2", "nohup", "setsid -f", "stdbuf -oL", "time -p", "watch -n 2", "xargs -n 1",
                "strace -f -o /tmp/x", "ltrace", "chroot /srv", "unshare -n", "nsenter -t 1 -n",
                "systemd-run --unit x",
                "runuser -u bob --", "setpriv --reuid 1", "flock /run/l", "docker exec -it db",
                "docker run --rm -e A=b -p 80:80 img", "kubectl exec -it pod -c app --", "ssh -p 22 bob@h",
                "tini --",
                "dumb-init", "busybox", "find /srv -exec", "an-unknown-wrapper --flag", "parallel -j 4",
            ]
        ).map(_before),
        st.sampled_from(
            ["sh -c", "bash -lc", "su - bob -c", "script -q -c", "ssh h", "watch", "flock /l -c"]
        ).map(_quoted),
    ),
    max_size=4,
)  # fmt: skip
INNER = st.sampled_from(
    [
        ["mysql", "-p§", "-h", "db"],
        ["/usr/bin/sshpass", "-p", "§", "ssh", "h"],
        ["curl", "-u", "bob:§", "https://h.example/x"],
        ["redis-cli", "-a", "§"],
        ["prog", "--password", "§"],
        ["PGPASSWORD=§", "psql", "-h", "db"],
        ["openssl", "rsa", "-passin", "pass:§"],
        ["wpa_passphrase", "ssid", "§"],
    ]
)
SECRET = st.text("ABCDEFGHxyz0123456789,;:!%^*()+/@#?&= '\"$`\\|<>", min_size=6, max_size=16).map(
    lambda s: f"Q7{s}7Q"
)


@given(nests=NESTS, inner=INNER, secret=SECRET)
def test_no_nest_shows_a_secret(
    nests: list[Callable[[list[str]], list[str]]], inner: list[str], secret: str
) -> None:
    words = [*(word.replace("§", secret) for word in inner), "/srv/some/file"]
    if inner[0].startswith("PG") and nests:
        words = ["env", *words]
    for nest in nests:
        words = nest(words)
    for shown in (" ".join(redact_arguments(words)), redact_text(shlex.join(words))):
        assert secret[:6] not in shown
        assert "/srv/some/file" in shown


@given(st.lists(st.text("ab'\"\\$`; |&()é", max_size=6)))
def test_words_are_those_of_python_s_shlex(words: list[str]) -> None:
    """`shlex.join` quotes for the shell: the words come back, and each character stands where it is told."""
    text = shlex.join(words)
    found = shell_words(text)
    assert [word.value for word in found] == words
    for word in found:
        assert all(text[word.source(at)] == character for at, character in enumerate(word.value))


@given(st.text("ab'\"\\$`(){}[],; |&<>\n\t\x1c=-"))
def test_any_text_is_divided(text: str) -> None:
    for word in shell_words(text):
        if not word.is_operator and word.value:
            start, end = word.span(0, len(word.value))
            assert 0 <= start < end <= len(text)
    assert isinstance(redact_text("mysql " + text), str)


@pytest.mark.parametrize(
    "words", [["mysql"], ["sudo"], ["sh", "-c"], ["x", "mysql", "-pS"], ["docker", "run"]]
)
def test_many_words_take_time_in_proportion(words: list[str]) -> None:
    def seconds(count: int) -> float:
        best = float("inf")
        for turn in range(3):
            start = time.process_time()
            redact_arguments(["x", str(turn), *words * count])
            best = min(best, time.process_time() - start)
        return best

    assert seconds(4_000) < 24 * max(seconds(500), 0.002)


def test_the_table_can_be_read() -> None:
    for names, items, source in (*SECRETS, *WRAPPERS):
        assert source
        rule_of(items)
        assert all(known(name.partition("/")[0]) for name in names.split())
    assert known("/usr/bin/mysql-8.0") == known("C:\\bin\\MySQL.exe") == "mysql"
    assert known("python3.11") == "python"
    assert set(HARMLESS.split()).isdisjoint(name for line in SECRETS for name in line[0].split())
