# shellcheck shell=sh disable=SC2154,SC3013
# What the scripts of every form have in common. Plain POSIX shell: dash, bash, busybox.
#
# Set before it: name, program, load_list, own_list (not empty if the list is the package's own), services, state,
# defaults.
# $root is put before every path; it is empty but when a package is installed into a folder without changing into it.

say() {
	printf '%s: %s\n' "$name" "$*" >&2
}

# A line without the blanks around it, as osqueryd reads it. In $bare.
bare_line() {
	bare=$1
	blank=$(printf '\t\v\f\r')
	while :; do
		case $bare in
		[\ $blank]*) bare=${bare#?} ;;
		*[\ $blank]) bare=${bare%?} ;;
		*) break ;;
		esac
	done
}

# Sets $listed: yes, if the load list names the program; off, if only a comment does, which is in line $number; or no.
find_line() {
	listed=no
	number=0
	[ -f "$root$load_list" ] || return 0
	count=0
	while IFS= read -r line || [ -n "$line" ]; do
		count=$((count + 1))
		bare_line "$line"
		if [ "$bare" = "$program" ]; then
			listed=yes
			return 0
		fi
		[ "$listed" = no ] || continue
		case $bare in
		'#'* | ';'*)
			while :; do
				case $bare in
				'#'* | ';'* | ' '* | '	'*) bare=${bare#?} ;;
				*) break ;;
				esac
			done
			if [ "$bare" = "$program" ]; then
				listed=off
				number=$count
			fi
			;;
		esac
	done <"$root$load_list"
}

# Call it after find_line.
say_if_off() {
	[ "$listed" != off ] ||
		say "stays off, since line $number of $load_list is a comment; to have it loaded, take the comment sign away and restart osqueryd"
}

add_to_list() {
	[ "$listed" = no ] || return 0
	list=$root$load_list
	if [ -f "$list" ]; then
		# A last line without an end would run into the new one.
		if [ -n "$(tail -c 1 "$list")" ]; then
			printf '\n' >>"$list" || return 1
		fi
	else
		(umask 022 && mkdir -p "${list%/*}" && : >>"$list") || return 1
	fi
	printf '%s\n' "$program" >>"$list"
}

# Every other line stays as it is, to the byte.
remove_from_list() {
	[ -z "$own_list" ] || return 0
	list=$root$load_list
	find_line
	[ "$listed" = yes ] || return 0
	new=$list.$name.new
	cp -p "$list" "$new" || return 1
	end='\n'
	while IFS= read -r line || { end='' && [ -n "$line" ]; }; do
		bare_line "$line"
		# shellcheck disable=SC2059  # the format is one of two of its own
		[ "$bare" = "$program" ] || printf "%s$end" "$line"
	done <"$list" >"$new" || return 1
	if [ -L "$list" ]; then
		cat "$new" >"$list" && rm -f "$new"
	elif [ -s "$new" ]; then
		mv -f "$new" "$list"
	else
		rm -f "$new" "$list"
		rmdir "${list%/*}" 2>/dev/null || :
	fi
}

# The extension's own processes: osqueryd's watcher starts the new version, or finds that there is none any more.
end_extension() {
	[ -z "$root" ] || return 0
	for link in /proc/[0-9]*/exe; do
		target=$(readlink "$link" 2>/dev/null) || continue
		case $target in
		"$program" | "$program (deleted)" | "$program.dpkg-tmp (deleted)") ;;
		*) continue ;;
		esac
		pid=${link#/proc/}
		pid=${pid%/exe}
		# Not those of another container or chroot that happen to be called the same.
		[ "/proc/$pid/root/." -ef /. ] && kill -TERM "$pid" 2>/dev/null
	done
	return 0
}

# For forms that know no configuration files: each is copied from beside the program, if it is not there yet.
# $defaults has a line for each: mode, what, where to.
put_defaults() {
	[ -n "$defaults" ] || return 0
	while read -r mode from to; do
		[ -e "$root$to" ] || [ -L "$root$to" ] && continue
		mkdir -p "$root${to%/*}"
		(umask 077 && cp "$root$from" "$root$to") && chmod "$mode" "$root$to"
	done <<-END
		$defaults
	END
}

# -- what happens when; none of it fails the package manager

installed() {
	put_defaults
	find_line
	say_if_off
	if [ -z "$own_list" ] && [ "$listed" != off ]; then
		if add_to_list; then
			restart_osqueryd "it reads $load_list when it starts"
		else
			say "could not write $load_list; add this line to it: $program"
		fi
	fi
	enable_services
	return 0
}

upgraded() {
	put_defaults
	find_line
	say_if_off
	if [ -n "$services" ]; then
		restart_services
	else
		end_extension
	fi
	return 0
}

removing() {
	disable_services
	return 0
}

removed() {
	end_extension
	forget_services
	return 0
}

purged() {
	remove_from_list || say "could not write $load_list; take this line out of it: $program"
	if [ -n "$state" ] && [ "${1-}" = "state-too" ]; then
		rm -rf "$root$state"
	fi
	return 0
}

# After everything else: an osqueryd that runs looks for the program every few seconds, and says each time that it is gone.
gone() {
	[ -n "$own_list" ] || restart_osqueryd "until then it looks for $program"
	return 0
}
