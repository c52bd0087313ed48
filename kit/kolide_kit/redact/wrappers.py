"""A table of the programs that run another program, and of where that one stands among their arguments.

It has the form of the table in `programs`. A program that is in neither table may run another one as well: the
name of a program that is in a table then begins a command wherever it stands.
"""

# fmt: off
WRAPPERS = (
    ("sudo", "!0 %ugCDhpRrtTU %--user %--group %--prompt %--host %--chdir %--chroot %--role %--type %--close-from "
     "%--command-timeout %--other-user <-S <--stdin", "sudo(8)"),
    ("doas", "!0 %uC", "doas(1)"),
    ("pkexec", "!0 %--user", "pkexec(1)"),
    ("env", "!0 %uC %--unset %--chdir $-S $--split-string", "env(1)"),
    ("timeout gtimeout", "!1 %ks %--kill-after %--signal", "timeout(1)"),
    ("nice", "!0 %n %--adjustment", "nice(1)"),
    ("ionice", "!0 %cnpPu %--class %--classdata", "ionice(1)"),
    ("chrt", "!1 %TPD", "chrt(1)"),
    ("taskset", "!1", "taskset(1)"),
    ("numactl", "!0 %imNCpc", "numactl(8)"),
    ("prlimit", "!0 %po", "prlimit(1)"),
    ("nohup setsid command builtin eatmydata catchsegv torsocks torify tsocks dbus-run-session busybox toybox chronic "
     "nocache winpty wine wine64 linux32 linux64", "!0", "nohup(1), setsid(1), busybox(1)"),
    ("exec", "!0 %a", "bash(1)"),
    ("stdbuf", "!0 %ioe %--input %--output %--error", "stdbuf(1)"),
    ("time gtime", "!0 %fo %--format %--output", "time(1)"),
    ("tini catatonit", "!0 %pe", "github.com/krallin/tini"),
    ("dumb-init", "!0 %r %--rewrite", "github.com/Yelp/dumb-init"),
    ("watch", "!0 %nq %--interval %--equexit", "watch(1)"),
    ("xargs", "!0 %adEILnPs %--arg-file %--delimiter %--max-args %--max-procs %--max-chars", "xargs(1)"),
    ("strace", "!0 %abeEIopPsSuUXO %--trace %--output %--env %--user", "strace(1)"),
    ("ltrace", "!0 %aAdDeFlnopsuwx %--output", "ltrace(1)"),
    ("valgrind", "!0", "valgrind(1)"),
    ("chroot", "!1 %--userspec %--groups", "chroot(8)"),
    ("unshare", "!0 %SGRw %--setuid %--setgid %--root %--wd %--propagation %--map-user %--map-group %--map-users "
     "%--map-groups %--setgroups %--boottime %--monotonic", "unshare(1)"),
    ("nsenter", "!0 %tSGW %--target %--setuid %--setgid", "nsenter(1)"),
    ("setpriv", "!0 %--reuid %--regid %--groups %--inh-caps %--ambient-caps %--bounding-set %--securebits "
     "%--pdeathsig %--selinux-label %--apparmor-profile %--ruid %--rgid %--euid %--egid", "setpriv(1)"),
    ("systemd-run", "!0 %upMHE %--unit %--property %--description %--slice %--uid %--gid %--nice %--setenv "
     "%--working-directory %--machine %--host %--on-active %--on-boot %--on-startup %--on-unit-active "
     "%--on-calendar %--timer-property %--path-property %--socket-property %--service-type %--background",
     "systemd-run(1)"),
    ("systemd-cat systemd-inhibit", "!0 %tp %--identifier %--priority %--what %--who %--why %--mode", "systemd-cat(1)"),
    ("su", "$-c $--command $--session-command %sgGw %--shell %--group %--supp-group", "su(1)"),
    ("runuser", "!0 $-c $--command $--session-command %usgGw %--user %--shell %--group %--supp-group", "runuser(1)"),
    ("flock", "!1 $-c $--command %wE %--timeout %--wait %--conflict-exit-code", "flock(1)"),
    ("parallel", "!0 %jSaIEnNLsX %--jobs %--sshlogin %--arg-file %--delay %--timeout %--colsep %--joblog %--results "
     "%--retries %--tmpdir %--workdir", "parallel(1)"),
    ("sg", "!1 $-c", "sg(1)"),
    ("script", "$-c $--command %EIOBTmo", "script(1)"),
    ("faketime", "!1 %fp", "faketime(1)"),
    ("gosu su-exec setuidgid envuidgid s6-setuidgid setlock envdir s6-envdir", "!1", "github.com/tianon/gosu"),
    ("chpst", "!0 %uUbenlLo", "chpst(8)"),
    ("start-stop-daemon", "!-- %xapnusgdNIcRk %--exec %--name %--pidfile %--user %--chuid %--chdir",
     "start-stop-daemon(8)"),
    ("proxychains proxychains4", "!0 %f", "proxychains(1)"),
    ("setarch", "!1", "setarch(8)"),
    ("ssh slogin autossh", "!1 %BbcDEeFIiJLlmMoOpQRSWw", "ssh(1)"),
    ("mosh", "!1 %p %--ssh %--server %--port", "mosh(1)"),
    ("docker/run podman/run nerdctl/run", "!1 ^ditqP ^--detach ^--interactive ^--tty ^--rm ^--privileged ^--init ^--read-only ^--publish-all "
     "^--no-healthcheck ^--oom-kill-disable ^--quiet ^--replace ^--rmi ^--no-hosts ^--help",
     "docs.docker.com/reference/cli/docker/container/run"),
    ("docker/create podman/create", "!1 ^ditqP ^--interactive ^--tty ^--rm ^--privileged ^--init ^--read-only ^--publish-all "
     "^--no-healthcheck ^--oom-kill-disable ^--quiet", "docs.docker.com/reference/cli/docker/container/create"),
    ("docker/exec podman/exec nerdctl/exec crictl/exec docker-compose/exec podman-compose/exec", "!1 ^dit ^--detach ^--interactive ^--tty ^--privileged",
     "docs.docker.com/reference/cli/docker/container/exec"),
    ("kubectl/exec oc/exec k3s/exec", "!1 !-- ^itq ^--stdin ^--tty ^--quiet",
     "kubernetes.io/docs/reference/kubectl/generated/kubectl_exec"),
    ("lxc/exec incus/exec", "!1 !-- %--env %--cwd %--user %--group", "documentation.ubuntu.com/lxd"),
    ("lxc-attach", "!0 !-- %nPvfLOagus %--name", "lxc-attach(1)"),
    ("machinectl/shell", "!1", "machinectl(1)"),
    ("find", "!-exec !-execdir !-ok !-okdir", "find(1)"),
    ("screen", "!0 %cehpSsTt", "screen(1)"),
    ("cmd", "!/c !/k", "learn.microsoft.com/windows-server/administration"),
    ("aws-vault/exec", "!1 !--", "github.com/99designs/aws-vault"),
    ("gdb", "!--args", "gdb(1)"),
    # Shells take a command with -c. Other interpreters run the program that their first word, or -m, names.
    ("sh bash dash zsh ksh mksh oksh ash rbash yash csh tcsh", "!0 $-c %oO %--rcfile %--init-file", "bash(1)"),
    ("fish nu elvish xonsh", "!0 $-c $--command", "fish(1)"),
    ("python pypy", "!0 !-m %cWX", "docs.python.org/3/using/cmdline.html"),
    ("perl", "!0 %eEIMm", "perlrun(1)"),
    ("ruby", "!0 %eIrCEFKTW", "ruby(1)"),
    ("node nodejs", "!0 %erpC %--eval %--require %--import", "node(1)"),
    ("php", "!0 %drBRFEcz", "php(1)"),
    ("java", "!0 !-jar %--class-path %--module-path %--add-opens %--add-exports %--add-modules %-cp %-classpath",
     "docs.oracle.com/en/java/javase/17/docs/specs/man/java.html"),
)
