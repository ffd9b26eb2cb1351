#!/usr/bin/env bash
# What `make coverage` runs: every test in a build that counts, then the part of the lines that were reached, all in all and by
# folder, and the branches of the files that keep what was committed. Branches that only a failing assert or the
# compiler's own clean-up could take are not counted.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v gcovr >/dev/null || {
	echo "error: gcovr is missing; scripts/setup.sh --tools installs it" >&2
	exit 1
}
build=build/gcc-cov
keepers='base/(file|seal)\.c|train/(checkpoint|safetensors|record)\.c|sweep/(lab|lock|points)\.c'
find "$build" -name '*.gcda' -delete 2>/dev/null || true
export OMP_NUM_THREADS=1 # threads would fight for the counters
make --no-print-directory -s cov=1 rung
# What counts a thousand fits reaches nothing that others do not, and takes ten minutes here.
left_out=test_fit_coverage make --no-print-directory -s cov=1 test || echo "note: some tests failed; what they reached is counted" >&2
of() { # options of gcovr: its last line
	gcovr --root . --object-directory "$build" --exclude 'tests/.*' --exclude-throw-branches --gcov-ignore-parse-errors "$@" 2>/dev/null
}
echo
echo "lines, by folder:"
for folder in base data model train sweep fit; do
	printf '  %-7s %s\n' "$folder" "$(of --filter "$folder/" | awk '/^TOTAL/ {print $4 " of " $2}')"
done
printf '  %-7s %s\n' all "$(of --filter '(base|data|model|train|sweep|fit)/' | awk '/^TOTAL/ {print $4 " of " $2}')"
echo "branches of what keeps committed things:"
of --branches --filter "$keepers" | awk '/^(base|train|sweep|TOTAL)/ {printf "  %-22s %s of %s%s\n", $1, $4, $2, $5 == "" ? "" : "; not: lines " $5}'
