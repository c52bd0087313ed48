"""Users of the machine, configuration, and virtual machines."""

from ..lines import Line

USERS = (
    Line("useradd usermod groupadd groupmod", "-p %cdefgGkKsuRZb", "useradd(8)"),
    Line("chpasswd chgpasswd newusers", "<stdin", "chpasswd(8)"),
    Line("passwd", "<stdin", "passwd(1)"),
    Line("htpasswd/-b", "@3 %C", "htpasswd(1)"),
    Line("htpasswd/-n", "@2 %C", "htpasswd(1)"),
    Line("htpasswd", "<stdin %C", "htpasswd(1)"),
    Line("chpass", "-p %aes", "chpass(1)"),
    Line("dscl", "-passwd>2+ passwd>2+", "ss64.com/mac/dscl.html"),
    Line("sysadminctl", "-password -newPassword -oldPassword -adminPassword", "sysadminctl(8)"),
    Line("pwpolicy", "-setpassword -p %aun", "pwpolicy(8)"),
    Line("security", "-p -P -w -X %asldjDcCtTkrv", "ss64.com/mac/security.html"),
    Line(
        "virt-sysprep virt-customize virt-builder",
        "--root-password=keyed --password=keyed --key=keyed %am",
        "virt-sysprep(1)",
    ),
    Line("htdigest", "<stdin", "htdigest(1)"),
    Line("su", "<stdin", "su(1)"),
    Line("read", "<-s %dinNptu", "bash(1)"),
    Line("firmwarepasswd bless", "<-setpasswd <--stdinpass", "ss64.com/mac"),
    Line("dscl", "passwd> password>", "ss64.com/mac/dscl.html"),
    Line("elasticsearch-reset-password", "<stdin", "elastic.co/docs"),
    Line("drush", "upwd>2 user:password>2 user-password>2", "www.drush.org"),
    Line("filebrowser/users", "add>2 -p --password", "filebrowser.org/cli"),
    Line("occ", "--value=named", "docs.nextcloud.com"),
    Line("debconf-set-selections", "<stdin", "debconf-set-selections(1)"),
    Line("crudini augtool uci", "NAMES>", "crudini(1)"),
    Line("uci/set", "@2=keyword", "openwrt.org/docs/guide-user/base-system/uci"),
    Line("add-user", "-p --password @2", "docs.wildfly.org"),
    Line("jboss-cli", "-p --password", "docs.wildfly.org"),
    Line("virsh", "set-user-password>3 secret-set-value>2 --base64 --password", "virsh(1)"),
    Line("vmrun", "-gp -vp -p %Tuhg %-gu", "techdocs.broadcom.com"),
    Line(
        "qemu-img qemu-nbd qemu-io qemu-system qemu-system-x86_64 qemu-system-aarch64 kvm qemu",
        "--object=fields -object=fields -spice=fields -vnc=fields",
        "qemu(1)",
    ),
)
