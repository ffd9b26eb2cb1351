#!/usr/bin/env bash
# Checks that need no run: the floors between folders, who may print or exit, formatting, warnings of both compilers,
# clang-tidy (.clang-tidy) and cppcheck (.cppcheck). A tool that is missing is named and passed over.
set -uo pipefail
cd "$(dirname "$0")/.."
bad=0
complain() {
	echo "$1" >&2
	bad=1
}

# Which public headers a folder may include, besides its own headers.
allowed() {
	case $1 in
	base) echo "" ;;
	data | model | fit) echo "base" ;;
	train) echo "base data model" ;;
	sweep) echo "base data model train" ;;
	esac
}
for folder in base data model train sweep fit; do
	for file in "$folder"/*.[ch]; do
		[ -e "$file" ] || continue
		while read -r header; do
			other=${header%%/*}
			[ "$other" = "$folder" ] && continue
			if [[ " $(allowed "$folder") " != *" $other "* ]]; then
				complain "$file: includes $header, but $folder/ may only stand on: $(allowed "$folder")"
			elif [ "$header" != "$other/$other.h" ]; then
				complain "$file: includes $header, a private header of $other/"
			fi
		done < <(sed -nE 's/^#include "([^"]+)".*/\1/p' "$file")
	done
done

prints=$(grep -nE '\b(printf|puts|exit|abort|perror|putchar)\(' base/*.c data/*.c model/*.c train/*.c sweep/*.c fit/*.c 2>/dev/null |
	grep -vE '/cmd[a-z_]*\.c:|/progress\.c:')
[ -n "$prints" ] && complain "only cmd*.c and progress.c may print or exit:
$prints"

long=$(wc -l rung.c */*.[ch] | awk '$2 != "total" && $1 > 600 {print $2 ": " $1 " lines; beyond 600 it wants to be two files"}')
[ -n "$long" ] && complain "$long"

if command -v clang-format >/dev/null; then
	clang-format --dry-run -Werror rung.c ./*/*.[ch] >&2 || bad=1
else
	echo "note: clang-format is not installed; formatting not checked" >&2
fi
# The Makefile defines these two on the command line.
export flags="-std=c17 -D_GNU_SOURCE -I. -fopenmp -DRUNG_VERSION=__FILE__ -DCHART_JS=__FILE__ $(pkg-config --cflags openblas libcjson libzstd)"
if command -v clang-tidy >/dev/null; then
	# Files that are assembled or compiled once for each instruction set are left to the compilers.
	printf '%s\n' rung.c {base,data,model,train,sweep,fit}/*.c | grep -vE '^(fit/asset|model/vector)\.c$' |
		xargs -P "$(nproc)" -n 4 sh -c 'clang-tidy --quiet "$@" -- $flags 2>/dev/null' tidy >&2 || bad=1
else
	echo "note: clang-tidy is not installed (scripts/setup.sh --tools); not run" >&2
fi
if command -v cppcheck >/dev/null; then
	cppcheck --quiet -j "$(nproc)" --std=c11 -I. --enable=warning,performance,portability --inline-suppr \
		--suppressions-list=.cppcheck --error-exitcode=1 -D__GNUC__=12 \
		--include="$(pkg-config --variable=includedir libcjson)/cjson/cJSON.h" \
		rung.c base data model train sweep fit >&2 || bad=1
else
	echo "note: cppcheck is not installed (scripts/setup.sh --tools); not run" >&2
fi
for compiler in gcc clang; do
	command -v "$compiler" >/dev/null || continue
	make --no-print-directory cc="$compiler" rung >/dev/null || bad=1
	# Nothing else compiles this one before `make fuzz`.
	# shellcheck disable=SC2086
	"$compiler" $flags -Wall -Wextra -Werror -fsyntax-only -DFUZZ_TARGET='""' tests/fuzz.c || bad=1
done
[ "$bad" -eq 0 ] && echo "lint: clean"
exit "$bad"
