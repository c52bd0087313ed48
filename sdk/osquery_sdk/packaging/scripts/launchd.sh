# shellcheck shell=sh disable=SC2154
# Services on macOS.

# osqueryd reads the load list when it starts, and only then. What to tell where nobody can restart it: $1.
restart_osqueryd() {
	[ -z "$root" ] || return 0
	launchctl kickstart -k system/io.osquery.agent 2>/dev/null && return 0
	say "restart osqueryd: $1"
}

enable_services() {
	[ -z "$root" ] || return 0
	for service in $services; do
		launchctl bootstrap system "/Library/LaunchDaemons/$service.plist" || say "could not start $service"
	done
}

restart_services() {
	[ -z "$root" ] || return 0
	for service in $services; do
		launchctl bootout "system/$service" 2>/dev/null
		launchctl bootstrap system "/Library/LaunchDaemons/$service.plist" || say "could not restart $service"
	done
}

disable_services() {
	[ -z "$root" ] || return 0
	for service in $services; do
		launchctl bootout "system/$service" 2>/dev/null
	done
	return 0
}

forget_services() {
	return 0
}
