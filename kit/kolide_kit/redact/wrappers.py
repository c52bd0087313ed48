"""A table of the programs that run another program, and of where that one stands among their arguments.

It has the form of the table in `programs`. A program that is in neither table may run another one as well:
the name of a program that is in a table then begins a command wherever it stands.
"""

from .lines import Line

WRAPPERS = (
    Line(
        "sudo",
        "!0 %ugCDhpRrtTU %--user %--group %--prompt %--host %--chdir %--chroot %--role %--type "
        "%--close-from %--command-timeout %--other-user <-S <--stdin",
        "sudo(8)",
    ),
    Line("doas", "!0 %uC", "doas(1)"),
    Line("pkexec", "!0 %--user", "pkexec(1)"),
    Line("env", "!0 %uC %--unset %--chdir $-S $--split-string", "env(1)"),
    Line("timeout gtimeout", "!1 %ks %--kill-after %--signal", "timeout(1)"),
    Line("nice", "!0 %n %--adjustment", "nice(1)"),
    Line("ionice", "!0 %cnpPu %--class %--classdata", "ionice(1)"),
    Line("chrt", "!1 %TPD", "chrt(1)"),
    Line("taskset", "!1", "taskset(1)"),
    Line("numactl", "!0 %imNCpc", "numactl(8)"),
    Line("prlimit", "!0 %po", "prlimit(1)"),
    Line(
        "nohup setsid command builtin eatmydata catchsegv torsocks torify tsocks dbus-run-session busybox "
        "toybox chronic nocache winpty wine wine64 linux32 linux64",
        "!0",
        "nohup(1), setsid(1), busybox(1)",
    ),
    Line("exec", "!0 %a", "bash(1)"),
    Line("stdbuf", "!0 %ioe %--input %--output %--error", "stdbuf(1)"),
    Line("time gtime", "!0 %fo %--format %--output", "time(1)"),
    Line("tini catatonit", "!0 %pe", "github.com/krallin/tini"),
    Line("dumb-init", "!0 %r %--rewrite", "github.com/Yelp/dumb-init"),
    Line("watch", "!0 %nq %--interval %--equexit", "watch(1)"),
    Line("xargs", "!0 %adEILnPs %--arg-file %--delimiter %--max-args %--max-procs %--max-chars", "xargs(1)"),
    Line("strace", "!0 %abeEIopPsSuUXO %--trace %--output %--env %--user", "strace(1)"),
    Line("ltrace", "!0 %aAdDeFlnopsuwx %--output", "ltrace(1)"),
    Line(
        "perf/stat perf/record perf/trace",
        "!1 %eoFcpCtDIGmur %--event %--output %--pid",
        "perf-stat(1), perf-record(1)",
    ),
    Line("op/run chamber/exec doppler/run infisical/run", "!--", "developer.1password.com/docs/cli"),
    Line("valgrind", "!0", "valgrind(1)"),
    Line("chroot", "!1 %--userspec %--groups", "chroot(8)"),
    Line(
        "unshare",
        "!0 %SGRw %--setuid %--setgid %--root %--wd %--propagation %--map-user %--map-group %--map-users "
        "%--map-groups %--setgroups %--boottime %--monotonic",
        "unshare(1)",
    ),
    Line("nsenter", "!0 %tSGW %--target %--setuid %--setgid", "nsenter(1)"),
    Line(
        "setpriv",
        "!0 %--reuid %--regid %--groups %--inh-caps %--ambient-caps %--bounding-set %--securebits "
        "%--pdeathsig %--selinux-label %--apparmor-profile %--ruid %--rgid %--euid %--egid",
        "setpriv(1)",
    ),
    Line(
        "systemd-run",
        "!0 %upMHE %--unit %--property %--description %--slice %--uid %--gid %--nice %--setenv "
        "%--working-directory %--machine %--host %--on-active %--on-boot %--on-startup %--on-unit-active "
        "%--on-calendar %--timer-property %--path-property %--socket-property %--service-type "
        "%--background",
        "systemd-run(1)",
    ),
    Line(
        "systemd-cat systemd-inhibit",
        "!0 %tp %--identifier %--priority %--what %--who %--why %--mode",
        "systemd-cat(1)",
    ),
    Line("su", "$-c $--command $--session-command %sgGw %--shell %--group %--supp-group", "su(1)"),
    Line(
        "runuser",
        "!0 $-c $--command $--session-command %usgGw %--user %--shell %--group %--supp-group",
        "runuser(1)",
    ),
    Line("flock", "!1 $-c $--command %wE %--timeout %--wait %--conflict-exit-code", "flock(1)"),
    Line(
        "parallel",
        "!0 %jSaIEnNLsX %--jobs %--sshlogin %--arg-file %--delay %--timeout %--colsep %--joblog "
        "%--results %--retries %--tmpdir %--workdir",
        "parallel(1)",
    ),
    Line("sg", "!1 $-c", "sg(1)"),
    Line("script", "$-c $--command %EIOBTmo", "script(1)"),
    Line("faketime", "!1 %p", "faketime(1)"),
    Line(
        "gosu su-exec setuidgid envuidgid s6-setuidgid setlock envdir s6-envdir",
        "!1",
        "github.com/tianon/gosu",
    ),
    Line("chpst", "!0 %uUbenlLo", "chpst(8)"),
    Line(
        "start-stop-daemon",
        "!--exec !-x !--startas !-a %pnusgdNIcRk %--name %--pidfile %--user %--chuid %--chdir",
        "start-stop-daemon(8)",
    ),
    Line("proxychains proxychains4", "!0 %f", "proxychains(1)"),
    Line("setarch", "!1", "setarch(8)"),
    Line("ssh slogin autossh", "!1 %BbcDEeFIiJLlmMoOpQRSWw", "ssh(1)"),
    Line("mosh", "!1 %p %--ssh %--server %--port", "mosh(1)"),
    Line(
        "docker/run podman/run nerdctl/run",
        "!1 ^ditqP ^--detach ^--interactive ^--tty ^--rm ^--privileged ^--init ^--read-only "
        "^--publish-all ^--no-healthcheck ^--oom-kill-disable ^--quiet ^--replace ^--rmi ^--no-hosts "
        "^--help",
        "docs.docker.com/reference/cli/docker/container/run",
    ),
    Line(
        "docker/create podman/create",
        "!1 ^ditqP ^--interactive ^--tty ^--rm ^--privileged ^--init ^--read-only ^--publish-all "
        "^--no-healthcheck ^--oom-kill-disable ^--quiet",
        "docs.docker.com/reference/cli/docker/container/create",
    ),
    Line(
        "docker/exec podman/exec nerdctl/exec crictl/exec docker-compose/exec podman-compose/exec",
        "!1 ^dit ^--detach ^--interactive ^--tty ^--privileged",
        "docs.docker.com/reference/cli/docker/container/exec",
    ),
    Line(
        "kubectl/exec oc/exec k3s/exec",
        "!1 !-- ^itq ^--stdin ^--tty ^--quiet",
        "kubernetes.io/docs/reference/kubectl/generated/kubectl_exec",
    ),
    Line("lxc/exec incus/exec", "!1 !-- %--env %--cwd %--user %--group", "documentation.ubuntu.com/lxd"),
    Line("lxc-attach", "!0 !-- %nPvfLOagus %--name", "lxc-attach(1)"),
    Line("machinectl/shell", "!1", "machinectl(1)"),
    Line("rsync", "$-e $--rsh", "rsync(1)"),
    Line("find", "!-exec !-execdir !-ok !-okdir", "find(1)"),
    Line("screen", "!0 %cehpSsTt", "screen(1)"),
    Line(
        "powershell pwsh",
        "$-Command $-command $-c $-C %-ExecutionPolicy %-File %-Version %-WindowStyle",
        "learn.microsoft.com/powershell/module/microsoft.powershell.core/about",
    ),
    Line("spawn", "!0", "expect(1)"),
    Line("cmd", "!/c !/k", "learn.microsoft.com/windows-server/administration"),
    Line("aws-vault/exec", "!1 !--", "github.com/99designs/aws-vault"),
    Line("gdb", "!--args", "gdb(1)"),
    # Shells take a command with -c. Other interpreters run the program that their first word, or -m, names.
    Line(
        "sh bash dash zsh ksh mksh oksh ash rbash yash csh tcsh",
        "!0 $-c %oO %--rcfile %--init-file",
        "bash(1)",
    ),
    Line("fish nu elvish xonsh", "!0 $-c $--command", "fish(1)"),
    Line("python pypy", "!0 !-m %cWX", "docs.python.org/3/using/cmdline.html"),
    Line("perl", "!0 %eEIMm", "perlrun(1)"),
    Line("ruby", "!0 %eIrCEFKTW", "ruby(1)"),
    Line("node nodejs", "!0 %erpC %--eval %--require %--import", "node(1)"),
    Line("php", "!0 %drBRFEcz", "php(1)"),
    Line(
        "java",
        "!0 !-jar %--class-path %--module-path %--add-opens %--add-exports %--add-modules %-cp %-classpath",
        "docs.oracle.com/en/java/javase/17/docs/specs/man/java.html",
    ),
)
