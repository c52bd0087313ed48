"""Command lines lose the values of secrets, and nothing else."""

import gc
import time
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kolide_kit.redact import REDACTED, is_secret_name, redact_arguments, redact_text

R = REDACTED


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "DB_PASSWORD",
        "PGPASSWORD",
        "mysqlPwd",
        "token",
        "GITHUB_TOKEN",
        "GITHUBTOKEN",
        "access-token",
        "apiKey",
        "api_key",
        "x-api-key",
        "AWS_SECRET_ACCESS_KEY",
        "client.secret",
        "javax.net.ssl.keyStorePassword",
        "auth",
        "pass",
        "passphrase",
        "AccountKey",
        "SharedAccessKey",
        "X-Amz-Signature",
        "sig",
        "jwt",
        "Authorization",
        "cookie",
        "secret-id",
    ],
)
def test_names_of_secrets(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "_",
        "-",
        "user",
        "author",
        "authors",
        "compass",
        "bypass",
        "tokenizer",
        "max-tokens",
        "max_tokens",
        "n_tokens",
        "password-file",
        "PASSWORD_FILE",
        "token-url",
        "secret-name",
        "authMode",
        "no-password",
        "disable-auth",
        "key",
        "keyboard",
        "monkey",
        "design",
        "session-timeout",
        "credential-helper",
        "port",
        "1",
        "pass-through",
        "signature-algorithm",
    ],
)
def test_names_of_other_things(name: str) -> None:
    assert not is_secret_name(name)


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        ([], []),
        (["x"], ["x"]),
        (["x", "--password=a b,c;d&e=f"], ["x", f"--password={R}"]),
        (["x", "--password="], ["x", f"--password={R}"]),
        (["x", "--token", "S", "-v"], ["x", "--token", R, "-v"]),
        (["x", "-token", "S"], ["x", "-token", R]),
        (["x", "--token", "-S3cret", "y"], ["x", "--token", R, "y"]),
        (["x", "--token", "--verbose"], ["x", "--token", "--verbose"]),
        (["x", "--password", "-v", "file"], ["x", "--password", "-v", "file"]),
        (["x", "--token"], ["x", "--token"]),
        (
            ["x", "--token-file", "/run/t", "--no-password", "y"],
            ["x", "--token-file", "/run/t", "--no-password", "y"],
        ),
        (
            ["java", "-Dkey.storePassword=S", "-jar", "a.jar"],
            ["java", f"-Dkey.storePassword={R}", "-jar", "a.jar"],
        ),
        (["env", "API_KEY=S", "HOME=/x", "run"], ["env", f"API_KEY={R}", "HOME=/x", "run"]),
        (["sh", "-c", "TOKEN=S run --now"], ["sh", "-c", f"TOKEN={R} run --now"]),
        (["xx", "-c", "TOKEN=S run --now"], ["xx", "-c", f"TOKEN={R}"]),  # where it ends cannot be told
        (["setup.exe", "/password:S", "/quiet"], ["setup.exe", f"/password:{R}", "/quiet"]),
        (["x", "--header", "X-Api-Key: S S"], ["x", "--header", f"X-Api-Key: {R}"]),
        (["curl", "-H", "Authorization: Bearer S.S"], ["curl", "-H", f"Authorization: {R}"]),
        (["curl", "-HCookie: a=S; b=S", "h"], ["curl", f"-HCookie: {R}", "h"]),
        (
            ["curl", "-u", "bob:S", "--user=bob:S", "-ubob:S"],
            ["curl", "-u", f"bob:{R}", f"--user=bob:{R}", f"-ubob:{R}"],
        ),
        (["curl", "-u", "bob", "h"], ["curl", "-u", "bob", "h"]),
        (["/usr/bin/mysql", "-pS", "-uroot", "-p", "db"], ["/usr/bin/mysql", f"-p{R}", "-uroot", "-p", "db"]),
        (["sshpass", "-p", "S", "ssh", "h"], ["sshpass", "-p", R, "ssh", "h"]),
        (["C:\\bin\\SQLCMD.EXE", "-P", "S"], ["C:\\bin\\SQLCMD.EXE", "-P", R]),
        (["docker", "login", "-u", "me", "-p", "S"], ["docker", "login", "-u", "me", "-p", R]),
        (["docker", "run", "-p", "80:80", "i"], ["docker", "run", "-p", "80:80", "i"]),
        (["ssh", "-p", "22", "git@host"], ["ssh", "-p", "22", "git@host"]),
        (
            ["nginx: master process /usr/sbin/nginx -g daemon off;"],
            ["nginx: master process /usr/sbin/nginx -g daemon off;"],
        ),
        (["retitled --password=S --port 80"], [f"retitled --password={R} --port 80"]),
        (
            ["sh", "-c", "cd /; PGPASSWORD='a b' psql --token S --verbose; mysql --password=S,S -u root"],
            ["sh", "-c", f"cd /; PGPASSWORD='{R}' psql --token {R} --verbose; mysql --password={R} -u root"],
        ),
    ],
)
def test_arguments(arguments: list[str], shown: list[str]) -> None:
    assert redact_arguments(arguments) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://u:S@h/x", f"https://{R}@h/x"),
        ("https://S@h/x", f"https://{R}@h/x"),
        ("postgres://u:S/S#S@h:5432/db?sslmode=on", f"postgres://{R}@h:5432/db?sslmode=on"),
        ("amqp://u:S@a,amqp://u:S@b/", f"amqp://{R}@a,amqp://{R}@b/"),
        ("https://h/x?a=1&token=S&b=2", f"https://h/x?a=1&token={R}&b=2"),
        ("https://h/x?sig=S%3D#y", f"https://h/x?sig={R}"),
        ("http://h:80/@scope/pkg", "http://h:80/@scope/pkg"),
        ("http://h/?mail=a@b.c", "http://h/?mail=a@b.c"),
        ("http://[::1]:80/a@b", "http://[::1]:80/a@b"),
        ("ssh://git@h/x", "ssh://git@h/x"),
        ("git+ssh://git@h/x", "git+ssh://git@h/x"),
        ("ssh://git:S@h/x", f"ssh://{R}@h/x"),
        ("git@h:x/y.git", "git@h:x/y.git"),
        (
            '{"password": "S\\"S", "a": "b", "api_key":"S"}',
            f'{{"password": "{R}", "a": "b", "api_key":"{R}"}}',
        ),
        ('{\\"token\\": \\"S\\"}', f'{{\\"token\\": {R}'),
        ("Server=h;Password=S,S;User=a", f"Server=h;Password={R};User=a"),
        ("user=a,pass=S,uid=0", f"user=a,pass={R},uid=0"),
        ("token  =  S b", f"token  =  {R} b"),
        ("token:  //h/x", "token:  //h/x"),
        ("--token  --verbose", "--token  --verbose"),
        ("--token   -v  x", "--token   -v  x"),
        ("--token  S", f"--token  {R}"),
        ("Authorization:  \r\n S", f"Authorization:  \r\n {R}"),
        ("Authorization:   ", "Authorization:   "),
        ("password='S\\\\' x", f"password='{R}' x"),
        ("password='S\\' x", f"password='{R}"),
        ("password=S&S&b;c,d=e", f"password={R},d=e"),
        ("password=S& b=c", f"password={R}& b=c"),
        ("password=&b=c", "password=&b=c"),
        ("password=" + "\\'" * 2_000 + " x", f"password={R} x"),
        ("password='" + "\\'" * 2_000 + "' x", f"password='{R} x"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.S-S_S", R),
        ("x ghp_" + "aB3" * 12 + " y", f"x {R} y"),
        ("-----BEGIN RSA PRIVATE KEY-----\nS\n-----END RSA PRIVATE KEY-----", R),
        ("authorized bearer of S", "authorized bearer of S"),
        ("bearer abcdefgh12345=", f"bearer {R}"),
        ("postgres: user db [local] idle", "postgres: user db [local] idle"),
        ("token", "token"),
        ("", ""),
    ],
)
def test_text(text: str, shown: str) -> None:
    assert redact_text(text) == shown
    assert redact_text(text) == shown


_SECRET = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789,;:!%^*()+/@#?&=", min_size=12, max_size=24).map(
    lambda s: f"Q7{s}7Q"
)
_PLAIN = st.lists(
    st.sampled_from(["-v", "--port", "80", "run", "a=b", "https://h/x", "é", "", "--"]), max_size=4
)


@given(
    before=_PLAIN,
    after=_PLAIN,
    name=st.sampled_from(["--password", "-token", "--db-passwd", "--api_key", "--client.secret", "--pass"]),
    secret=_SECRET,
    joined=st.booleans(),
)
def test_an_option_s_value_never_shows(
    before: list[str], after: list[str], name: str, secret: str, joined: bool
) -> None:
    given_ = [f"{name}={secret}"] if joined else [name, secret]
    arguments = ["prog", *before, *given_, *after]
    shown = redact_arguments(arguments)
    assert len(shown) == len(arguments)
    assert not any(secret in argument or secret[:8] in argument for argument in shown)
    assert shown[: 1 + len(before)] == arguments[: 1 + len(before)]
    assert list(shown[len(shown) - len(after) :]) == after


@given(
    st.lists(st.text(max_size=40)),
    st.lists(st.sampled_from([*list("=:\"'-&;@/\\ ab"), "password", "token", "://"])),
)
def test_any_arguments_keep_their_number_and_never_fail(arguments: list[str], noise: list[str]) -> None:
    shown = redact_arguments([*arguments, "".join(noise)])
    assert len(shown) == len(arguments) + 1


@pytest.mark.parametrize(
    "unit",
    [
        "a://",
        "://a:b",
        "a=",
        "password=",
        "password=&a",
        "password=a&",
        "password='\\a",
        ",a",
        ";a=",
        "a" * 129,
        "bearer a",
        "eyJaaaaaaaa.",
        "--a          ",
        "cookie :        ",
        'password="\\',
        "cookie:",
        "a@",
        "-a ",
        " ",
        "eyJ",
        "x-",
        "password=$(",
        "mysql -p x ",
        "mysql <<a\n",
        "$(",
        "`",
        'sh -c "',
        "echo a|chpasswd ",
        '["a",',
        '"',
        "aB",
    ],
)
def test_a_long_text_takes_time_in_proportion(unit: str, request: pytest.FixtureRequest) -> None:
    def seconds(length: int) -> float:
        argument = (unit * (length // len(unit) + 1))[:length]
        best = float("inf")
        for _ in range(3):
            start = time.process_time()
            redact_arguments(["x", argument])
            best = min(best, time.process_time() - start)
        return best

    gc.disable()  # it would look at all that the other tests have left
    request.addfinalizer(gc.enable)

    # Quadratic work would be 64 times as much, and seconds of it.
    assert seconds(64_000) < 24 * max(seconds(8_000), 0.002)


@pytest.mark.parametrize("begin", ["password='", 'password="', "password=", "--password "])
@pytest.mark.parametrize("unit", ["\\a", "a&"])
def test_a_long_value_takes_no_memory_of_its_own(begin: str, unit: str) -> None:
    text = begin + unit * 100_000
    tracemalloc.start()
    assert len(redact_text(text)) < 40
    # Room for the text once more, while its parts are joined; remembering each unit would take 12 MB.
    assert tracemalloc.get_traced_memory()[1] < 2_000_000
    tracemalloc.stop()
