"""Secrets in the files that people have: settings, logins, manifests, commands; and what is none there."""

import subprocess
from pathlib import Path

import pytest

from kolide_tables.secrets.secret_scan import SecretFound, secret_scan

from ...support.compare import Compare
from ...support.tools import Run, tool

# Not a secret of anybody. It is put into texts here, so that no scanner finds one in this file.
VALUE = "kV7" + "mQ2x9Lp"
LOGIN = "Ym9iOmtWN21R" + "Mng5THA="  # bob:kV7mQ2x9Lp
RANDOM_HEX = "9f86d081884c7d65" + "9a2feaa0c55ad015"
UUID = "0f4c1a52-3a6b-4a3b-" + "9c62-7a8a4d1c9f3e"
SHORT = "hun" + "ter2"


def found(text: str) -> list[SecretFound]:
    return [row for row in secret_scan.rows(raw_data=text) if isinstance(row, SecretFound)]


def kinds(text: str) -> list[str]:
    return [row.rule_id for row in found(text)]


@pytest.mark.parametrize(
    "text",
    [
        # environments
        "DB_PASSWORD={}",
        "DB_PASSWORD='{}&3'",
        'DB_PASSWORD="{} 3;x"',
        "export MYSQL_PWD={}",
        "set DB_PASS={}\r\n",
        "$env:DB_PASSWORD = '{}'",
        "PASSWORD={} # of the old server",
        "DB_PASSWORD=#{}",
        "      - MYSQL_ROOT_PASSWORD={}\n",
        "ENV DB_PASSWORD={}",
        # settings
        "[client]\nuser=root\npassword={}\n",
        '[client]\npassword = "{}"\n',
        "spring.datasource.password={}",
        "[pypi]\nusername = bob\npassword = {}\n",
        'requirepass: "{}"',
        'psk="{}"',
        "users:\n- name: bob\n  user:\n    password: {}\n",
        "password: |\n  {}\n",
        "db_pass => '{}',",
        # data
        '{{"password": "{}"}}',
        '{{"db": {{"passwd":"{}"}}}}',
        '"{{\\"password\\": \\"{}\\"}}"',
        "env:\n- name: DB_PASSWORD\n  value: {}\n",
        '{{"name": "DB_PASSWORD", "value": "{}"}}',
        "<password>{}</password>",
        "<server>\n  <id>x</id>\n  <password>\n    {}\n  </password>\n</server>",
        '<property name="password">{}</property>',
        '<user username="admin" password="{}" roles="manager"/>',
        '<add key="SmtpPassword" value="{}" />',
        '<add name="Db" connectionString="Server=tcp:db;User ID=sa;Password={};Encrypt=True" />',
        "<key>Password</key>\n<string>{}</string>",
        "jdbc:postgresql://db/x?user=bob&password={}",
        # code
        'String password = "{}";',
        'password := "{}"',
        "connect(host='db', password='{}')",
        "define('DB_PASSWORD', '{}');",
        "config['password'] = '{}'",
        'val password: String = "{}"',
        'process.env.DB_PASSWORD || "{}"',
        # elements in others, types, names of other systems
        "<password><![CDATA[{}]]></password>",
        '<property name="password"><value>{}</value></property>',
        "<AutoLogon><Password><Value>{}</Value><PlainText>true</PlainText></Password></AutoLogon>",
        "<param-name>db-password</param-name>\n<param-value>{}</param-value>",
        "<keyMaterial>{}</keyMaterial>",
        'Dim password As String = "{}"',
        'const char password[64] = "{}";',
        'static PASSWORD: &str = "{}";',
        "ldap_default_authtok={}",
        "remotepass: {}\n",
        "net user bob /password:{}\n",
    ],
)
def test_a_password_under_its_name(text: str) -> None:
    (row,) = found(text.format(VALUE))
    assert row.rule_id == "secret-value"
    assert VALUE[:4] not in repr(row[2:])


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("url-password", f"postgres://bob:{VALUE[:5]}%40{VALUE[5:]}@db/x"),
        ("url-password", f"redis://:{VALUE}@cache:6379/0"),
        ("url-password", f"mongodb+srv://bob:{VALUE}$1@c0.mongodb.net/x"),
        ("url-password", f"https://bob@corp.net:{VALUE}!#@4@git.corp.net\n"),
        ("wordpress-key", "define('AUTH_KEY', 'MW1pxMctoyA(>M%0Vl 2(#o0|2$cB+K|.G$hB~4`Juw@');"),
        ("settings-password", f'hostname smtp.corp.net\npassword "{VALUE}"\n'),
        ("netrc-password", f"machine db.corp login bob password {VALUE}"),
        ("netrc-password", f"machine db.corp\n\tlogin bob\n\tpassword {SHORT}\n\nmacdef init\n\tcd /\n\n"),
        ("netrc-password", 'machine db.corp login bob account x password "two words"\n'),
        ("netrc-password", f"machine db.corp password {VALUE} login bob\n"),
        ("netrc-password", "default login anonymous password bob@corp.net\n"),
        ("pgpass-password", f"# all of them\ndb.corp:5432:sales:bob:{VALUE}\n"),
        ("pgpass-password", f"*:*:*:bob:{VALUE}\\:x\n"),
        ("authorization-header", f"Authorization: Bearer {RANDOM_HEX}"),
        ("authorization-header", f"Authorization: Basic {LOGIN}"),
        ("authorization-header", f'"Authorization": "Token {RANDOM_HEX}"'),
        ("registry-login", f'{{"auths":{{"https://index.docker.io/v1/":{{"auth":"{LOGIN}"}}}}}}'),
        ("registry-login", f"_auth={LOGIN}"),
        ("secret-value", f"//registry.npmjs.org/:_authToken={UUID}"),
        ("curl-auth-user", f"curl -s \\\n  -u bob:{VALUE} https://db"),
        ("curl-auth-header", f'curl -H "X-Octopus-ApiKey: {UUID}" https://db'),
        ("command-password", f"mysqldump --password {VALUE} db"),
        ("command-password", f"mysql -u root -p{VALUE} db"),
        ("command-password", f"sshpass -p {VALUE} ssh db"),
        ("command-password", f"ENV DB_PASSWORD {VALUE}\n"),
        ("command-password", f"requirepass {VALUE}\n"),
        ("powershell-secure-string", f'ConvertTo-SecureString "{VALUE}!" -AsPlainText -Force'),
        ("kubernetes-secret", f"kind: Secret\ndata:\n  anything: {LOGIN}\n"),
        ("kubernetes-secret", f"stringData:\n  anything: {VALUE}\nkind: Secret\n"),
        ("secret-value", f"DB_PASSWORD={SHORT}"),
        ("secret-value", "DB_PASSWORD=ключ" + "ник7Я"),
        (
            "secret-value",
            "aws_session_token = IQoJb3JpZ2luX2VjEPz//////////wEaCXVzLWVhc3QtMSJHMEUCIQDk" + VALUE,
        ),
        ("netrc-password", f"machine imap.corp login bob port 993 password {VALUE}"),
        ("url-password", f"jdbc:oracle:thin:scott/{VALUE}@//db:1521/x"),
        ("authorization-header", f"Authorization: SSWS 00{RANDOM_HEX}"),
        ("settings-password", f"CREATE ROLE bob LOGIN PASSWORD '{VALUE}';"),
        ("settings-password", f"CREATE USER 'bob'@'%' IDENTIFIED BY '{VALUE}';"),
        ("settings-password", f"release {{ storePassword '{VALUE}' }}"),
        ("settings-password", f"remote_username bob\nremote_password {VALUE}\n"),
        ("settings-password", f"username bob password 0 {VALUE}\n"),
        ("settings-password", f'10.0.0.1 : PSK "{VALUE}"\n'),
        ("settings-password", f'#define WIFI_PASSWORD "{VALUE}"'),
        ("settings-password", f'setx DB_PASSWORD "{VALUE}"\r\n'),
        ("tsig-key", f'key "rndc" {{ algorithm hmac-sha256; secret "{RANDOM_HEX}kV7=="; }};'),
        ("command-password", f"sentinel auth-pass mymaster {VALUE}\n"),
        ("command-password", f"docker login -u bob -p {VALUE} registry.corp"),
        ("command-password", f"ldapsearch -x -D cn=admin -w {VALUE} -b dc=corp"),
        ("command-password", f"keytool -list -storepass {VALUE}"),
        ("command-password", f"echo 'bob:{VALUE}' | sudo chpasswd"),
        ("json-web-key", f'{{"kty": "EC", "crv": "P-256", "x": "{RANDOM_HEX}", "d": "{RANDOM_HEX}_-kV7"}}'),
        ("json-web-key", f'"{{\\"k\\":\\"{RANDOM_HEX}_-kV7\\",\\"kty\\":\\"oct\\"}}"'),
        ("json-web-key", f"const key = {{ kty: 'OKP', d: '{RANDOM_HEX}_-kV7', crv: 'Ed25519' }}"),
    ],
)
def test_a_secret_by_its_form(rule: str, text: str) -> None:
    assert kinds(text) == [rule]


@pytest.mark.parametrize(
    "line",
    [
        "password: changeme",
        "password=${DB_PASSWORD}",
        "password=$DB_PASSWORD",
        "password=$(cat /run/secrets/db1)",
        "password: {{ .Values.password1 }}",
        "password=<password>",
        "password=%DB_PASSWORD1%",
        'token: "your-token-here1"',
        "secret: xxxxxxxxxxxxxxxxxxx1",
        "AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCY" + "EXAMPLEKEY",
        "aws_access_key_id = AKIA" + "IOSFODNN7EXAMPLE",
        "Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
        "Authorization: Bearer <token1>",
        "Authorization: Bearer $TOKEN1",
        "## Basic Operations",
        "https://user:password@db.corp/x",
        "https://user:pass@db.corp/x",
        "https://{user}:{password1}@db.corp/x",
        "https://user:%s@db.corp/x",
        "https://user:%(password1)s@db.corp/x",
        "machine db.corp login bob password ${PASSWORD1}",
        "the machine has a default password prompt",
        "password = getpass.getpass(prompt1)",
        "password = os.environ['DB_PASSWORD1']",
        "password: Optional[str] = None",
        "def connect(user, password=None1):",
        "PASSWORD_FILE=/run/secrets/db1",
        "private_key: /etc/ssl/private/server1.key",
        'integrity "sha512-4Yz5Xw0Ky2mQ9sV1bT7nR3cD8fG6hJ5kL2pZ0xW4vU1tS9rQ8oN7mK6jH5gF4dC3bA2z=="',
        f'"signatures": [{{"keyid": "{RANDOM_HEX}", "sig": "{RANDOM_HEX}{RANDOM_HEX}"}}]',
        "golang.org/x/sys v0.1.0/go.mod h1:MDRAIl0xIo9Io2xV565hzXHw3zVseKrJKodhohM5CjU=",
        "password_hash: $2b$12$EixZaKVK1fsbw1ZfbX3OXePaWxn96p36WQoeG6Lruj3vjPGga31lW",
        "password: $6$rounds=5000$saltsalt$Q8oN7mK6jH5gF4dC3bA2zQ8oN7mK6jH5gF4dC3bA2z",
        "password: ENC[AES256_GCM,data:p673w==,iv:YY=,tag:UQ=,type:str]",
        "password=ENC(G6N718UuyPE5bHyWKyuLQSm02auQPUtm)",
        "<password>{COQLCE6DU6GtcS5P=}</password>",
        "password: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  6638643965323633646262656665",
        "kind: SealedSecret\nspec:\n  encryptedData:\n    password: AgBy3i4OJSWK4PiTySYZZA9rO43cGDEq\n",
        "kind: ExternalSecret\nspec:\n  data:\n    - secretKey: foo1\n",
        "kind: Secret\ndata:\n  tls.crt: LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCg==\n",
        'public_key = "9Cnzj4p4WGeKLs1Pt8QuKUpRKfFLfRYC9AIKjbJTWit"',
        f"commit_token = {UUID[:8]}",
        "IPV4_PAT = r'(?:[0-9]{1,3}\\.){3}[0-9]{1,3}'",
        'MovedAttribute("HTTPPasswordMgr", "urllib2")',
        "SECRETMEM_MAGIC = 0x5345434d",
        "client.c:12:34:error:expected",
        "cache_key: user-1234-abcd",
        "  secretAccessKey: env.R2_SECRET_ACCESS_KEY",
        '["injectNpmUser", "injectNpmPassword","injectNpm2FaToken"]',
        "Authorization: Bearer token123",
        "mysql://{{mysql://user:kata_sandi1@host/db}}",
        "protocol://user[:passwort1]@host/share",
        "password: At least 8 letters",
        # prose, and code behind the quote at a text's end
        "A password: PKCS#12 wants one; a secret: SHA-256 of it",
        'message: "Input new password: "),E=n.limitMessage;!S;)n.limit=h,n.limitMessage=E,C=$.question',
        "'password' => '--password='.$connection['password'],",
        # parts of addresses, names and references
        '"solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp/token:EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"',
        "clientSecret: urn:k8s:secret:my-secret1:clientSecret",
        "    - secret: root-ca5",
        "throw new PasswordParser::createKeySpecForPkcs1Rsa2(x)",
        '"@metamask/browser-passworder": "npm:^6.0.0"',
        "esxi1_password: @ESXI1_PASSWORD",
        'get "admin/passwords" => "queenbee#passwords1"',
        "cookie1=%5B%22value1%22%2C%22value2%22%5D",
        "    // password excluded!\n    proxy_pass backend:22;\nPOST /forgot-password HTTP/1.1",
        "interface X {\n  username: Name; server: Host;\n  password: URLPatternComponentResult;\n}",
        "delicious_cookie=macha.diubJPY8O7hI1pLa42QSfkPiyDWQ0I4DnlACH",
        'POSTHOG_API_KEY = "phc_zjjbX0PnWxERXrMHhkEJWj9A9BhGVLRReICgsfTMmpx"',
        '"bandpass=f=$2:width_type=h:w=$w1"',
        "Authorization: Bearer token-user-2",
        "swaks --auth-password %ftsau",
        "basicauth.users=bob:$$apr1$$H6uskkkW$$IgXLP6ewTrSuBkTrqE8wj/",
        "userPassword: {SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=",
        "digestauth.users: bob:corp:a2688e031edb4be6a3797f3882655c05",
        "postgresql://testuser:testpass@db/x",
        '"password": "Passwort1"',
        # public and published keys, an ellipsis, and keys that a chip of the machine opens
        f'{{"kty": "EC", "crv": "P-256", "x": "{RANDOM_HEX}_-kV7", "y": "{RANDOM_HEX}_-kV8"}}',
        '{"kty":"oct","alg":"A128KW","k":"GawgguFyGrWKav7AX4' + 'VKUg"}',
        "-----BEGIN RSA PRIVATE" + " KEY-----\n" + RANDOM_HEX * 2 + "\n...\n-----END RSA PRIVATE KEY-----",
        "-----BEGIN TSS2 PRIVATE" + f" KEY-----\n{RANDOM_HEX * 3}\n-----END TSS2 PRIVATE KEY-----",
        # entries of a secret of Kubernetes that are none
        "kind: Secret\ndata:\n  ca.crt: VEVTVEZPT0JBUg==\n  username: Ym9iYnlib2I=\n",
        "kind: Secret\ndata:\n  tls.key: LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0tCi0tLS0tRU5EIFBSSVZBVEUg\n",
        "kind: Secret\ndata:\n  auth: dXNlcjp7U0hBfVc2cGg1TW01UHo4R2dpVUxiUGd6RzM3bWo5Zz0=\n",
    ],
)
def test_what_is_no_secret(line: str) -> None:
    assert kinds(line) == []


def test_a_password_of_letters_alone_is_one_in_a_file_of_settings(tmp_path: Path) -> None:
    for name, expected in ((".env", 1), ("main.tf", 1), ("main.py", 0)):
        (tmp_path / name).write_text('DB_PASSWORD = "correcthorse"\nMODE = "production"\n')
        assert len(secret_scan.rows(path=str(tmp_path / name))) == expected, name


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("my.cnf", "[client]\npassword = admin" + "123\n", ["secret-value"]),
        ("main.py", "password = admin" + "123\n", []),
        ("key.py", "    password: Uint8Array1\n    passphrase: PKCS#12\n", []),
        ("sftp.json", '{"host": "h.corp", "user": "bob", "password": "sword' + 'fish"}', ["secret-value"]),
        ("db.yml", "host: h.corp\nusername: bob\npassword: sword" + "fish\n", ["secret-value"]),
        ("words.json", '{"password": "sword' + 'fish"}', []),
        ("locale/sv.json", '{"host": "Server", "user": "Namn", "password": "svordfisk"}', []),
        ("x.config", "Server=db;User Id=sa;Password=correct" + "horse;", ["secret-value"]),
        ("chap-secrets", f'# client server secret\nbob * "{VALUE}" *\n', ["chap-secret"]),
        ("sasl_passwd", f"[smtp.corp]:587 bob@corp:{VALUE}\n", ["sasl-password"]),
        (".netrc", f"machine h login bob password {SHORT}\n", ["netrc-password"]),
    ],
)
def test_the_name_of_a_file_counts(name: str, text: str, expected: list[str], tmp_path: Path) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    assert [row.rule_id for row in secret_scan.rows(path=str(path))] == expected


def test_a_static_key_of_openvpn() -> None:
    lines = "\n".join([RANDOM_HEX] * 16)
    kind = "OpenVPN Static" + " key V1"
    assert kinds(f"-----BEGIN {kind}-----\n{lines}\n-----END {kind}-----\n") == ["openvpn-key"]


def test_a_file_in_utf_16_with_carriage_returns(tmp_path: Path) -> None:
    (tmp_path / "web.config").write_text(
        f'<add name="Db"\r\n connectionString="User ID=sa;Password={VALUE}" />\r\n',
        encoding="utf-16",
        newline="",
    )
    (row,) = secret_scan.rows(path=str(tmp_path / "web.config"))
    assert (row.line_number, row.column_start) == (2, 40)


def test_a_key_in_base64_is_the_same_key(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "key"
    run("openssl", "genpkey", "-algorithm", "ed25519", "-out", path)
    encoded = run("base64", "-w0", path)
    (plain,) = secret_scan.rows(path=str(path))
    for text in (f"client-key-data: {encoded}", f"kind: Secret\ndata:\n  key: {encoded}\n"):
        (row,) = found(text)
        assert (row.rule_id, row.sha256_prefix) == ("private-key", plain.sha256_prefix)


def make_keys(run: Run, folder: Path) -> dict[str, bool]:
    """Make keys of each form, and return their names, each with whether a password protects it."""
    keys = {}
    for password in ("", "words"):
        for kind, *more in (
            ("ed25519",),
            ("ecdsa",),
            ("ecdsa", "-m", "PEM"),
            ("rsa", "-b", "1024", "-m", "PEM"),
        ):
            name = f"{kind}{''.join(more)}{password}"
            run("ssh-keygen", "-q", "-t", kind, *more, "-N", password, "-a", "4", "-f", folder / name)
            keys[name] = bool(password)
    curve = ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
    run("openssl", "genpkey", *curve, "-out", folder / "pkcs8")
    run(
        "openssl",
        "pkcs8",
        "-topk8",
        "-in",
        folder / "pkcs8",
        "-out",
        folder / "pkcs8-pw",
        "-passout",
        "pass:words",
    )
    return keys | {"pkcs8": False, "pkcs8-pw": True}


def test_keys_with_a_password_are_no_open_secrets(run: Run, tmp_path: Path, compare: Compare) -> None:
    """Compare with ssh-keygen: it reads the public key out of a key that is open, without a password."""
    names = make_keys(run, tmp_path)
    ours, theirs = {}, {}
    for name in names:
        (tmp_path / name).chmod(0o600)
        command = ["ssh-keygen", "-y", "-P", "", "-f", str(tmp_path / name)]
        theirs[name] = subprocess.run(command, capture_output=True, timeout=30).returncode == 0
        ours[name] = kinds((tmp_path / name).read_text()) == ["private-key"]
        in_json = (tmp_path / name).read_text().replace("\n", "\\n")
        assert (kinds(f'{{"key": "{in_json}"}}') == ["private-key"]) == ours[name]
    assert ours == {name: not password for name, password in names.items()}
    compare("secret_scan", "ssh-keygen -y", ours, theirs)


@pytest.mark.parametrize(("password", "expected"), [("", ["putty-private-key"]), ("words", [])])
def test_keys_of_putty(password: str, expected: list[str], run: Run, tmp_path: Path) -> None:
    (tmp_path / "password").write_text(password)
    new = ("--new-passphrase", tmp_path / "password")
    run(tool("puttygen"), "-q", "-t", "ed25519", "-o", tmp_path / "key", *new)
    assert kinds((tmp_path / "key").read_text()) == expected


@pytest.mark.parametrize(("password", "expected"), [("", ["private-key"]), ("words", [])])
@pytest.mark.parametrize("kind", ["rsa2048", "ed25519"])
def test_keys_of_openpgp(kind: str, password: str, expected: list[str], run: Run, tmp_path: Path) -> None:
    home = tmp_path / "gpg"
    home.mkdir(mode=0o700)
    (home / "gpg-agent.conf").write_text("s2k-count 65536\n")
    gpg = (tool("gpg"), "--homedir", home, "--batch", "--pinentry-mode", "loopback", "--passphrase", password)
    try:
        run(*gpg, "--quick-generate-key", "bob@corp.net", kind)
        assert kinds(run(*gpg, "--export-secret-keys", "--armor")) == expected
    finally:
        run("gpgconf", "--homedir", home, "--kill", "all")
