#!/usr/bin/env bash
# What docs/fit.md shows is what the program says: the sections of the example, numbers aside, and every option.
# shellcheck source=tests/tap.sh
source "$(dirname "$0")/tap.sh"

guide=docs/fit.md
command='tests/data/published-style.csv --where Tuned==yes'
# shellcheck disable=SC2086 # several words
check 'the example runs' 0 'converged: 25 of 25' "reading column 'Model Size' as N" "$rung" fit $command
# Digits may differ in the last place from machine to machine, so numbers and the blanks beside them count as equal.
plain() { sed -E 's/[-+]?[0-9]+(\.[0-9]+)?(e[-+]?[0-9]+)?[kMGT]?/#/g; s/ +/ /g; s/ $//'; }
plain <"$scratch/out" >"$scratch/said"
if command -v python3 >/dev/null; then
	holds 'the table is the one of its generator' sh -c "python3 tests/make_table.py | cmp - tests/data/published-style.csv"
fi

# Blocks of the guide from "An example" to "Warnings", without its commands.
sed -n '/^## An example/,/^### Warnings/p' "$guide" | grep -E '^    [^$]' | grep -v '^    rung ' | sed 's/^    //' | plain >"$scratch/shown"
grep -vxFf "$scratch/said" "$scratch/shown" >"$scratch/missing"
holds 'every line that the guide shows is among those said' sh -c "cat '$scratch/missing'; test ! -s '$scratch/missing'"
holds 'there are enough of them' awk 'END {exit NR < 25}' "$scratch/shown"

# Options: all of both helps, and no other.
for name in fit predict; do
	"$rung" "$name" --help | grep -oE '^  --[A-Za-z-]+' | sed 's/^  //' | sort -u >"$scratch/$name"
done
sed -n '/^## Every option/,$p' "$guide" | grep -E '^\|' | grep -oE '`--[A-Za-z-]+' | tr -d '\140' | sort -u >"$scratch/documented"
sort -u "$scratch/fit" "$scratch/predict" >"$scratch/known"
comm -3 "$scratch/known" "$scratch/documented" >"$scratch/differ"
holds 'every option is in the table, and no other' sh -c "cat '$scratch/differ'; test ! -s '$scratch/differ'"
sed -n '/^## Every option/,$p' "$guide" | grep -oE '`--[A-Za-z-]+`\\\*' | tr -d '\\*\140' | sort -u >"$scratch/starred"
comm -12 "$scratch/fit" "$scratch/predict" | comm -3 - "$scratch/starred" >"$scratch/differ"
holds 'the stars mark those of both' sh -c "cat '$scratch/differ'; test ! -s '$scratch/differ'"

# The codes of warnings that the program can give are all explained.
cat fit/*.c | tr -s '\n\t ' ' ' | grep -oE '\bwarn[a-z_]*\( ?[a-z>-]+, "[A-Za-z0-9_]+"' | sed -E 's/.*"(.*)"/\1/' | sort -u >"$scratch/codes"
holds 'the codes are found' awk 'END {exit NR < 20}' "$scratch/codes"
while read -r code; do
	grep -qE "(^\| |, )$code(,| \|)" docs/formats.md || echo "$code"
done <"$scratch/codes" >"$scratch/unexplained"
holds 'every code of a warning is explained' sh -c "cat '$scratch/unexplained'; test ! -s '$scratch/unexplained'"
echo "1..$number"
