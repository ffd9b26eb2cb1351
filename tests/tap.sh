# What the end-to-end scripts share: a scratch folder, the program, and checks that print TAP. Source it first.
# shellcheck shell=bash
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
# shellcheck disable=SC2034 # for the scripts
rung=${rung:-$PWD/rung}
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

# check NAME EXPECTED_CODE STDOUT_PATTERN STDERR_PATTERN COMMAND...   (extended patterns; '' matches everything)
check() {
	local name=$1 expected=$2 out=$3 err=$4 code good=1
	shift 4
	"$@" >"$scratch/out" 2>"$scratch/err"
	code=$?
	[ "$code" -eq "$expected" ] || good=0
	grep -qE -- "$out" "$scratch/out" || [ -z "$out" ] || good=0
	grep -qE -- "$err" "$scratch/err" || [ -z "$err" ] || good=0
	verdict "$name (exit code $code)" "$good"
}

# holds NAME COMMAND...
holds() {
	local name=$1
	shift
	if "$@" >"$scratch/out" 2>"$scratch/err"; then verdict "$name" 1; else verdict "$name" 0; fi
}
