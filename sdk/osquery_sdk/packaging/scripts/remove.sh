# shellcheck shell=sh disable=SC2154,SC2034
# Take the files away. What the operator may have written stays: `remove --purge` takes that, too.

set -e
here=$(cd "$(dirname "$0")" && pwd)
case ${1-} in
'' | --purge) ;;
*)
	say "the only option is --purge, which takes settings and state away, too"
	exit 2
	;;
esac
if [ -z "$root" ] && [ "$(id -u)" != 0 ]; then
	say "has to be run by root: use sudo"
	exit 1
fi
set +e
removing
rm -rf "$root$home"
folders=
while read -r kind mode path; do
	case $kind in
	folder) folders="$path
$folders" ;;
	config) [ "${1-}" = "--purge" ] && rm -f "$root$path" "$root$path.new" ;;
	*) rm -f "$root$path" ;;
	esac
done <"$here/files"
removed
if [ "${1-}" = "--purge" ]; then purged state-too; else purged; fi
gone
# Those that nothing is left in; the last listed are the deepest.
printf '%s' "$folders" | while read -r path; do
	[ "$path" = "$state" ] && [ "${1-}" != "--purge" ] && continue
	rmdir "$root$path" 2>/dev/null
done
exit 0
