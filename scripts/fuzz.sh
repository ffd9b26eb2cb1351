#!/usr/bin/env bash
# What `make fuzz` runs: libFuzzer on every reader of rung, with AddressSanitizer and UndefinedBehaviorSanitizer.
#
#     scripts/fuzz.sh SECONDS [TARGET...]      RUNS=n instead of seconds; what is found stays in build/fuzz/TARGET
#
# A memory limit of 512 MB and 10 s for an input: a bomb of a few kilobytes must be refused, not unpacked.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=$1
shift
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(corpus checkpoint plan points import options record)
build=build/fuzz
rung=$PWD/build/gcc/rung
mkdir -p "$build"

# Good files to begin from; in the fuzzing build their hashes need not be right.
seeds() {
	local at=$build/seeds
	[ ! -d "$at" ] || return 0
	local new=$build/seeds.new
	rm -rf "$new"
	mkdir -p "$new"/{corpus,checkpoint,plan,points,import,options,record}
	"$rung" data source markov --vocab 12 --order 1 --tokens 3000 --held-out-tokens 500 --seed 1 --out "$new/corpus/symbols" >/dev/null 2>&1
	seq 1 300 | sed 's/.*/The line & of a text that goes on, and on./' >"$new/text"
	for tokenizer in char byte bpe:264; do
		"$rung" data import "$new/text" --tokenizer "$tokenizer" --held-out 0.2 --out "$new/corpus/$tokenizer" --quiet >/dev/null 2>&1
	done
	"$rung" train --corpus "$new/corpus/symbols" --width 16 --depth 1 --context 16 --batch 2 --tokens 640 --warmup-tokens 64 \
		--eval-tokens 64 --curve-tokens 32 --out "$new/run" --quiet >/dev/null 2>&1
	cp "$new/run/model.safetensors" "$new/checkpoint/"
	cp "$new/run/run.json" "$new/record/"
	cp tests/data/*plan*.json "$new/plan/"
	for preset in demo hour evening; do "$rung" plan --preset $preset --json >"$new/plan/$preset" 2>/dev/null; done
	printf 'N,D,C,loss,g,w,s\n1e5,1e6,6e11,2.5,a,1,1\n2e5,2e6,2.4e12,2.25,"b,c",2,2\n4e5,4e6,9.6e12,2.0,c,0,1\n' >"$new/points/csv"
	printf '{"N": 1e5, "D": 1e6, "loss": 2.5}\n{"N": 2e5, "D": "2M", "loss": 2.25, "x": {"y": [1]}}\n' >"$new/points/jsonl"
	{ printf '\0'; cat "$new/text"; } >"$new/import/text"
	printf '\1{"text": "one\\u00e9 \\ud83d\\ude00"}\n{"text": "two", "more": [1, {"a": null}]}\n' >"$new/import/jsonl"
	{ printf '\0'; zstd -q -c "$new/text"; } >"$new/import/zstd"
	{ printf '\1'; printf '{"text": "one"}\n' | gzip -c; } >"$new/import/gzip"
	printf -- '--number\0001.5K\000--real=2e-3\000--text\000x\000--no-flag\000--list\000a\000--width\00064\000rest' >"$new/options/some"
	mv "$new" "$at"
}

limit=-max_total_time=$seconds
[ -z "${RUNS:-}" ] || limit=-runs=$RUNS

if ! echo 'int LLVMFuzzerTestOneInput(void){return 0;}' | clang -fsanitize=fuzzer -x c -o /dev/null - 2>/dev/null; then
	echo "error: clang with libFuzzer is missing; scripts/setup.sh --tools installs it" >&2
	exit 1
fi
make --no-print-directory -s -j"$(nproc)" rung
seeds
folder=$(mktemp -d "$([ -w /dev/shm ] && echo /dev/shm || echo "${TMPDIR:-/tmp}")/rung-fuzz-XXXXXX") # in memory: a file for each input
trap 'rm -rf "$folder"' EXIT
export RUNG_FUZZ_FOLDER=$folder
for target in "${targets[@]}"; do
	make --no-print-directory -s -j"$(nproc)" cc=clang fuzz="$target" "$build/fuzz_$target"
	mkdir -p "$build/$target"
	echo "== $target"
	# Leaks count, too. -rss_limit_mb is checked by the fuzzer, allocations beyond it at once.
	"$build/fuzz_$target" -rss_limit_mb=512 -malloc_limit_mb=512 -timeout=10 -max_len=16384 -print_final_stats=1 -verbosity=0 \
		"$limit" -artifact_prefix="$build/$target-" \
		"$build/$target" "$build/seeds/$target" >"$build/$target.log" 2>&1 || {
		tail -n 40 "$build/$target.log" >&2
		echo "error: $target: an input that must not be; it lies in $build/$target-*" >&2
		exit 1
	}
	sed -nE 's/^stat::(number_of_executed_units|average_exec_per_sec|peak_rss_mb): *([0-9]+)/    \1 \2/p' "$build/$target.log"
done
echo "fuzz: nothing found"
