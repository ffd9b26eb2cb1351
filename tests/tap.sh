# What the end-to-end scripts share: a scratch folder, the program, and checks that print TAP. Source it first.
# shellcheck shell=bash
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
# shellcheck disable=SC2034 # for the scripts
rung=$(realpath "${rung:-$PWD/rung}")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
number=0

# verdict NAME GOOD: one line, with what the last command said when it is bad.
verdict() {
	number=$((number + 1))
	if [ "$2" -eq 1 ]; then
		echo "ok $number - $1"
		return
	fi
	echo "not ok $number - $1"
	sed 's/^/# out: /' "$scratch/out" | tail -n 20
	sed 's/^/# err: /' "$scratch/err" | tail -n 20
}

# says PATTERN FILE: an extended pattern; '' matches everything, none only an empty file.
says() {
	case $1 in
	'') true ;;
	none) [ ! -s "$2" ] ;;
	*) grep -qE -- "$1" "$2" ;;
	esac
}

# check NAME EXPECTED_CODE STDOUT_PATTERN STDERR_PATTERN COMMAND...
check() {
	local name=$1 expected=$2 out=$3 err=$4 code good=1
	shift 4
	"$@" >"$scratch/out" 2>"$scratch/err"
	code=$?
	[ "$code" -eq "$expected" ] || good=0
	says "$out" "$scratch/out" || good=0
	says "$err" "$scratch/err" || good=0
	verdict "$name (exit code $code)" "$good"
}

# holds NAME COMMAND...
holds() {
	local name=$1
	shift
	if "$@" >"$scratch/out" 2>"$scratch/err"; then verdict "$name" 1; else verdict "$name" 0; fi
}

# signalled SIGNAL FILE COMMAND...: sends it as soon as rung listens for SIGINT and has FILE (its last name; '' for none) open
# or mapped, which /proc tells. The name first: before it is rung, it is a shell, which listens too. A command that changes
# the way it listens does so before it opens that FILE.
signalled() {
	local signal=$1 file=$2 child caught
	shift 2
	"$@" &
	child=$!
	until [[ "$(cat /proc/$child/comm 2>/dev/null)" =~ ^(rung|memcheck.*)$ ]] &&
		caught=$(sed -n 's/^SigCgt:\s*//p' /proc/$child/status 2>/dev/null) && [ $((0x${caught:-0} & 2)) -ne 0 ] &&
		{ [ -z "$file" ] || { readlink /proc/$child/fd/*; cat /proc/$child/maps; } 2>/dev/null | grep "/$file\$" >/dev/null; }; do
		grep -q '^State:.*[ZX]' /proc/$child/status 2>/dev/null && return 1
	done
	kill "-$signal" $child
	wait $child
}
