#!/usr/bin/env bash
# Runs the test programs and the end-to-end scripts, as many at a time as there are cores (jobs=n), prints a line for each and
# ends in "N passed, N failed".
#   tests/run.sh [NAME]      NAME: one test program or script, such as test_random or e2e_rung
# left_out: an extended pattern of those that are not to run.
set -uo pipefail
cd "$(dirname "$0")/.."
export build=${build:-build/gcc}
logs=$build/logs

# The runtime of OpenMP is no part of what is looked at; it says itself who waits for whom.
export TSAN_OPTIONS=${TSAN_OPTIONS:-ignore_noninstrumented_modules=1}
# memcheck=1: under valgrind, which must find no error, and no leak in rung itself (tests end children where they stand; their leaks
# are for AddressSanitizer). It is some fifty times slower, brings a malloc of its own, has no switch for denormals and cannot start
# a program by way of /proc/self/exe: what measures speed, starts workers, lets calls fail, kills, or fits or trains dozens of
# times what smaller tests do once, is left out.
under=()
left_out=${left_out:-}
if [ -n "${memcheck:-}" ]; then
	under=(valgrind --quiet --error-exitcode=99 --fair-sched=yes)
	left_out=$left_out${left_out:+|}'e2e_(bench|blas|demo|faults|full_disk|guide|laws|report|rung|soak|sweep|tables|train)|test_(base_error|base_machine|bench|fit_(all|bootstrap|coverage|forecast)|sweep_scheduler|sweep_worker|train_steps|.*_failures)'
fi

# A program reports in TAP. One that fails without a word, or says less than its plan, or has none, counts as one failure more.
report() {
	local name=$1 status=$2 started=$3 log=$logs/$1.log ok bad skip plan
	skip=$(grep -cE '^(not )?ok .*# SKIP' "$log") # cmocka calls a skipped test "not ok"
	ok=$(grep -E '^ok ' "$log" | grep -cv '# SKIP')
	bad=$(grep -E '^not ok ' "$log" | grep -cv '# SKIP')
	plan=$(awk -F '[.][.]' '/^1[.][.][0-9]/ {n += $2} END {print n + 0}' "$log")
	if { [ "$status" -ne 0 ] && [ "$bad" -eq 0 ]; } || [ "$plan" -ne $((ok + bad + skip)) ] || [ "$plan" -eq 0 ]; then
		bad=$((bad + 1))
		echo "# exit code $status, $((ok + bad - 1 + skip)) results, a plan of $plan" >>"$log"
	fi
	echo "$ok $bad $skip" >"$logs/$name.count"
	printf '%-28s %4d passed %4d failed %s %5.1f s\n' "$name" "$ok" "$bad" \
		"$([ "$skip" -gt 0 ] && echo "($skip skipped)")" "$(($(date +%s%N) / 1000000 - started))e-3"
	grep -E '# SKIP' "$log" | sed 's/^/    /'
	if [ "$bad" -gt 0 ]; then
		echo "---- the end of $log"
		tail -n 60 "$log"
		echo "----"
	fi
}

# --one PATH: runs it, and says all about it at once, since others run beside it.
if [ "${1:-}" = --one ]; then
	name=$(basename "${2%.*}")
	started=$(($(date +%s%N) / 1000000))
	case $2 in
	*.c) CMOCKA_MESSAGE_OUTPUT=TAP "${under[@]}" "$build/tests/$name" >"$logs/$name.log" 2>&1 ;;
	*.sh) rung="$PWD/$build/${memcheck:+memcheck/}rung" bash "$2" >"$logs/$name.log" 2>&1 ;;
	esac
	said=$(report "$name" $? "$started")
	printf '%s\n' "$said"
	exit 0
fi

only=${1:-}
mkdir -p "$logs"
rm -f "$logs"/*.count
if [ -n "${memcheck:-}" ]; then
	mkdir -p "$build/memcheck"
	printf '#!/bin/sh\nexec %s --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite "%s" "$@"\n' \
		"${under[*]}" "$PWD/$build/rung" >"$build/memcheck/rung"
	chmod +x "$build/memcheck/rung"
fi
# Threads that wait for each other leave the core to the tests beside them.
export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-passive}
# The scripts first: they take longest.
for path in tests/e2e_*.sh tests/test_*.c; do
	name=$(basename "${path%.*}")
	[ -n "$only" ] && [ "$only" != "$name" ] && continue
	[[ -n "$left_out" && $name =~ $left_out ]] && continue
	[ -e "$path" ] && echo "$path"
done | xargs -r -n 1 -P "${jobs:-$(nproc)}" tests/run.sh --one

passed=0 failed=0 skipped=0
for count in "$logs"/*.count; do
	[ -e "$count" ] || continue
	read -r ok bad skip <"$count"
	passed=$((passed + ok)) failed=$((failed + bad)) skipped=$((skipped + skip))
done
if [ $((passed + failed)) -eq 0 ]; then
	if [[ -n "$only" && -n "$left_out" && $only =~ $left_out ]]; then
		echo "error: $only is left out of this kind of run; tests/run.sh says why" >&2
	else
		echo "error: no test is called '$only'; see tests/test_*.c and tests/e2e_*.sh" >&2
	fi
	failed=1
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
