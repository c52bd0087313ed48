# shellcheck shell=sh disable=SC2154
# Services on Linux: systemd's, where it is; OpenRC's osqueryd, where that is. Without either, files are all there is.

systemd_runs() {
	[ -z "$root" ] && [ -d /run/systemd/system ] && command -v systemctl >/dev/null 2>&1
}

# osqueryd reads the load list when it starts, and only then. What to tell where nobody can restart it: $1.
restart_osqueryd() {
	[ -z "$root" ] || return 0
	if systemd_runs; then
		systemctl try-restart osqueryd.service 2>/dev/null && return 0
	elif command -v rc-service >/dev/null 2>&1; then
		rc-service --ifexists --ifstarted osqueryd restart && return 0
	fi
	say "restart osqueryd: $1"
}

enable_services() {
	for service in $services; do
		if command -v systemctl >/dev/null 2>&1; then
			systemctl ${root:+--root="$root"} enable "$service.service" >/dev/null 2>&1 ||
				say "could not enable $service.service"
		fi
		if systemd_runs; then
			systemctl daemon-reload
			systemctl start "$service.service" || say "could not start $service.service: journalctl -u $service"
		fi
	done
}

restart_services() {
	systemd_runs || return 0
	systemctl daemon-reload
	for service in $services; do
		systemctl try-restart "$service.service" || say "could not restart $service.service"
	done
}

disable_services() {
	for service in $services; do
		if systemd_runs; then
			systemctl stop "$service.service" || say "could not stop $service.service"
		fi
		if command -v systemctl >/dev/null 2>&1; then
			systemctl ${root:+--root="$root"} disable "$service.service" >/dev/null 2>&1
		fi
	done
	return 0
}

forget_services() {
	[ -n "$services" ] && systemd_runs || return 0
	systemctl daemon-reload
}
