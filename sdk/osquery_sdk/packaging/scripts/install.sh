# shellcheck shell=sh disable=SC2154,SC2034
# Put the files in place. DESTDIR is put before every path, for installing into a folder.

set -e
here=$(cd "$(dirname "$0")" && pwd)
if [ -z "$root" ] && [ "$(id -u)" != 0 ]; then
	say "has to be root's to be loaded: run it with sudo, or set DESTDIR"
	exit 1
fi
[ -d "$root$home" ] && before=yes || before=

# What is root's stays so in a folder of somebody else's, where nobody can give files away.
own() {
	[ "$(id -u)" != 0 ] || chown -h 0:0 "$1"
}

while read -r kind mode path; do
	to=$root$path
	case $kind in
	folder)
		[ "$path" = "$home" ] && continue
		[ -d "$to" ] || { mkdir -p "$to" && chmod "$mode" "$to" && own "$to"; }
		continue
		;;
	config)
		mkdir -p "${to%/*}"
		if [ -e "$to" ] || [ -L "$to" ]; then
			cmp -s "$here/root$path" "$to" && continue
			say "$path is kept as it is; the new one is $path.new"
			to=$to.new
		fi
		;;
	*) mkdir -p "${to%/*}" ;;
	esac
	(umask 077 && cp -P "$here/root$path" "$to.$name.new")
	[ "$kind" = link ] || chmod "$mode" "$to.$name.new"
	own "$to.$name.new"
	mv -f "$to.$name.new" "$to"
done <"$here/files"

# The bundle is put beside the one that is there, then takes its place: no file of the old version stays.
mkdir -p "$root${home%/*}"
rm -rf "$root$home.new" "$root$home.old"
cp -RPp "$here/root$home" "$root$home.new"
[ "$(id -u)" != 0 ] || chown -R -h 0:0 "$root$home.new"
[ -z "$before" ] || mv "$root$home" "$root$home.old"
mv "$root$home.new" "$root$home"
rm -rf "$root$home.old"

set +e
if [ -z "$before" ]; then installed; else upgraded; fi
exit 0
