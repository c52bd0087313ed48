"""A table of the programs whose arguments carry secrets.

Each line has names, what is told of them in the language of `rules`, and the source: a manual page, or the
documentation's address. What several lines tell of a program holds together.

The names of the options were looked up in Debian's manual pages, where a program has one. A line for several
programs has options that not each of them has. Lines whose source is an address were not compared with it.
"""

from .clouds import CLOUDS
from .databases import DATABASES
from .keys import KEYS
from .networks import NETWORKS
from .others import OTHERS
from .users import USERS
from .web import WEB

SECRETS = (*DATABASES, *WEB, *KEYS, *NETWORKS, *USERS, *CLOUDS, *OTHERS)

# Programs of which no option is a secret, though another program's name may be among their arguments.
HARMLESS = (
    "ls cp mv rm ln cat less more head tail grep egrep fgrep zgrep rg ag ack sed awk gawk mawk cut sort "
    "uniq wc tr tee diff patch touch mkdir rmdir chmod chown chgrp stat file du df ps pgrep pkill kill "
    "killall pidof pmap top htop lsof fuser free vmstat uptime who which whereis type man info apropos "
    "apt apt-get apt-cache aptitude dpkg dpkg-query yum dnf zypper pacman apk brew port emerge systemctl "
    "service journalctl loginctl chkconfig update-rc.d initctl rc-service vi vim nvim nano emacs ed make "
    "cmake ninja gcc cc clang ld ar strip objdump readelf tar gzip gunzip bzip2 xz zstd cpio test dirname "
    "basename readlink realpath mktemp date sleep seq true false ping traceroute host nslookup ss netstat "
    "tcpdump nmap nc scp sftp ssh-agent ssh-copy-id yq xmllint column paste join comm split id groups "
    "umount lsblk blkid fdisk parted mkfs losetup modprobe lsmod insmod rmmod dmesg sysctl crontab logger "
    "logrotate wall psql pg_dump pg_restore pg_basebackup createdb"
)
