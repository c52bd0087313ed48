"""Backups, and all the rest."""

from ..lines import Line

OTHERS = (
    Line("rclone", "NAMES> pass> --pass --rc-pass", "rclone.org/docs"),
    Line("rclone/obscure", "@2", "rclone.org/commands/rclone_obscure"),
    Line("mc/alias", "@5 @6", "min.io/docs/minio/linux/reference/minio-mc/mc-alias-set.html"),
    Line("mc/config", "@6 @7", "min.io/docs/minio/linux/reference/minio-mc"),
    Line("kopia", "-p --access-key", "kopia.io/docs/reference/command-line"),
    Line("mc/admin", "@6 @5", "min.io/docs/minio/linux/reference/minio-mc-admin"),
    Line("b2", "authorize>2 authorize-account>2", "b2-command-line-tool.readthedocs.io"),
    Line("restic borg borgmatic", "--password-command=echo -p=path", "restic.readthedocs.io"),
    Line("ffmpeg ffplay ffprobe", "-decryption_key -encryption_key -cenc_decryption_key", "ffmpeg(1)"),
    Line("streamlink", "--http-cookie=pair", "streamlink.github.io/cli.html"),
    Line("kcadm.sh kcadm kcreg.sh", "-p -w --token --secret %ursxtfco", "keycloak.org/docs"),
    Line("grafana-cli grafana", "reset-admin-password>+", "grafana.com/docs/grafana/latest/cli"),
    Line("openttd", "-p %nsvmgdtrbcq", "openttd(6)"),
    Line("steam steamcmd", "-login>2 +login>2", "developer.valvesoftware.com/wiki/SteamCMD"),
    Line("register_new_matrix_user", "-p -k %uc", "element-hq.github.io/synapse"),
    Line("flask-unsign", "-S", "github.com/Paradoxis/Flask-Unsign"),
    Line("twurl", "-s -c --consumer-key --consumer-secret", "github.com/twitter/twurl"),
    Line("atuin", "-p -k --key %ue", "docs.atuin.sh/reference"),
    Line(
        "transmission-daemon transmission-remote",
        "-v --password -n=login --auth=login %uptacgwe",
        "transmission-daemon(1)",
    ),
    Line("etherwake", "-p %i", "etherwake(8)"),
    Line("idevicebackup2", "encryption>2 changepw>+", "idevicebackup2(1)"),
    Line(
        "repair-bde manage-bde",
        "-rp -pw -RecoveryPassword",
        "learn.microsoft.com/windows-server/administration",
    ),
    Line("tgpt aider zeroclaw", "--key --api-key", "github.com/aandrew-me/tgpt"),
    Line("dexter", "-s %iI", "github.com/gini/dexter"),
    Line("ffsend transcrypt yadm", "-p", "github.com/timvisee/ffsend"),
    Line(
        "addcomputer getadusers getnpusers getst gettgt getuserspns",
        "*=login",
        "github.com/fortra/impacket",
    ),
    Line("safe", "auth>", "github.com/maidsafe"),
    Line("expose", "token>", "expose.dev/docs"),
    Line("hsw-cli", "unlock>", "hsd-dev.org"),
    Line("spark", "register>", "spark.laravel.com/docs"),
)
