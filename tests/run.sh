#!/usr/bin/env bash
# Runs the test programs and the end-to-end scripts, prints a line for each and ends in "N passed, N failed".
#   tests/run.sh [NAME]      NAME: one test program or script, such as test_random or e2e_cli
set -uo pipefail
cd "$(dirname "$0")/.."
build=${build:-build/gcc}
only=${1:-}
logs=$build/logs
mkdir -p "$logs"
passed=0 failed=0 skipped=0

# A program reports in TAP. One that dies without reporting its plan counts as one failure more.
count() {
	local name=$1 status=$2 log=$3 ok bad skip
	skip=$(grep -cE '^(not )?ok .*# SKIP' "$log") # cmocka calls a skipped test "not ok"
	ok=$(grep -E '^ok ' "$log" | grep -cv '# SKIP')
	bad=$(grep -E '^not ok ' "$log" | grep -cv '# SKIP')
	if [ "$status" -ne 0 ] && [ "$bad" -eq 0 ]; then bad=1; fi
	if [ "$ok" -eq 0 ] && [ "$bad" -eq 0 ] && [ "$skip" -eq 0 ]; then bad=1; fi
	passed=$((passed + ok)) failed=$((failed + bad)) skipped=$((skipped + skip))
	printf '%-28s %4d passed %4d failed %s %5.1f s\n' "$name" "$ok" "$bad" \
		"$([ "$skip" -gt 0 ] && echo "($skip skipped)")" "$(($(date +%s%N) / 1000000 - started))e-3"
	grep -E '# SKIP' "$log" | sed 's/^/    /'
	if [ "$bad" -gt 0 ]; then
		echo "---- the end of $log"
		tail -n 60 "$log"
		echo "----"
	fi
}

for path in tests/test_*.c tests/e2e_*.sh; do
	[ -e "$path" ] || continue
	name=$(basename "${path%.*}")
	[ -n "$only" ] && [ "$only" != "$name" ] && continue
	started=$(($(date +%s%N) / 1000000))
	log=$logs/$name.log
	case $path in
	*.c) CMOCKA_MESSAGE_OUTPUT=TAP "$build/tests/$name" >"$log" 2>&1 ;;
	*.sh) rung="$PWD/$build/rung" bash "$path" >"$log" 2>&1 ;;
	esac
	count "$name" $? "$log"
done
if [ $((passed + failed)) -eq 0 ]; then
	echo "error: no test is called '$only'; see tests/test_*.c and tests/e2e_*.sh" >&2
	failed=1
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
