#!/usr/bin/env bash
# The program's own door: help, version, mistyped commands, a standard output that cannot be written, and doctor.
set -uo pipefail
rung=${rung:-./rung}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
number=0

# check NAME EXPECTED_CODE STDOUT_PATTERN STDERR_PATTERN COMMAND...   (patterns are extended, '' means empty)
check() {
	local name=$1 expected=$2 out=$3 err=$4 code good=1
	shift 4
	"$@" >"$scratch/out" 2>"$scratch/err"
	code=$?
	number=$((number + 1))
	[ "$code" -eq "$expected" ] || good=0
	if [ -n "$out" ]; then grep -qE -- "$out" "$scratch/out" || good=0; else [ ! -s "$scratch/out" ] || good=0; fi
	if [ -n "$err" ]; then grep -qE -- "$err" "$scratch/err" || good=0; else [ ! -s "$scratch/err" ] || good=0; fi
	if [ "$good" -eq 1 ]; then
		echo "ok $number - $name"
	else
		echo "not ok $number - $name: exit code $code, expected $expected"
		sed 's/^/# out: /' "$scratch/out" | head -n 20
		sed 's/^/# err: /' "$scratch/err" | head -n 20
	fi
}
to_full() { "$@" >/dev/full; }
closed() { "$@" >&-; }

check 'no command: usage on stderr' 2 '' '^usage: rung COMMAND' "$rung"
for word in --help help -h; do check "$word" 0 '^usage: rung COMMAND' '' "$rung" "$word"; done
check '--version' 0 '^rung [^ ]+$' '' "$rung" --version
check 'a mistyped command' 2 '' "^error: there is no command 'docter'; did you mean 'rung doctor'\?" "$rung" docter
check 'an unknown command' 2 '' "^error: there is no command 'zebra'; 'rung --help' lists" "$rung" zebra
check 'an unknown option' 2 '' '^error: there is no option --jsn; did you mean --json\?' "$rung" doctor --jsn
check 'a number out of range' 2 '' '^error: --seconds is 1e9, but must lie between 0.01 and 60' "$rung" doctor --seconds 1e9
check 'a full disk is no success' 1 '' '^error: cannot write to standard output: No space left' to_full "$rung" --help
check 'a closed standard output is no success' 1 '' '^error: cannot write to standard output' closed "$rung" --help
check 'doctor --help shows defaults' 0 '--seconds S .*\[0.5\]' '' "$rung" doctor --help
check 'doctor' 0 '^peak +[0-9.]+ GFLOP/s on one core' '' "$rung" doctor --seconds 0.05
check 'doctor: denormals are flushed in main' 0 '"denormals_flushed": true' '' "$rung" doctor --json --seconds 0.05

# Every command in the list answers --help, and its help names it.
while read -r command; do
	check "$command --help" 0 "usage: rung $command" '' "$rung" "$command" --help
done < <("$rung" --help | awk '/^  [a-z]/{print $1}')

number=$((number + 1))
if ! command -v python3 >/dev/null; then
	echo "ok $number - doctor --json is JSON # SKIP python3 is not installed"
elif "$rung" doctor --json --seconds 0.05 | python3 -c 'import json, sys
found = json.load(sys.stdin)
assert found["blas_agrees"] is True and found["cores"] >= 1 and found["peak_gflops"] > 0' 2>/dev/null; then
	echo "ok $number - doctor --json is JSON"
else
	echo "not ok $number - doctor --json is JSON"
fi
echo "1..$number"
