#!/usr/bin/env bash
# rung bench as a user runs it: what it prints, that its JSON agrees with itself, and what it says to wrong questions.
. "$(dirname "$0")/tap.sh"
# json NAME PYTHON COMMAND...: `a` is the answer; assertions in PYTHON
json() {
	local name=$1 program=$2
	shift 2
	if ! command -v python3 >/dev/null; then
		number=$((number + 1))
		echo "ok $number - $name # SKIP python3 is not installed"
		return
	fi
	"$@" >"$scratch/out" 2>"$scratch/err" && python3 -c "
import json, math
a = json.load(open('$scratch/out'))
$program" 2>>"$scratch/err"
	verdict "$name" $((!$?))
}

briefly=(--rounds 2 --seconds 0)
small=(--width 32 --depth 2 --context 40 --batch 3 --vocab 50)

check 'no word: usage on stderr' 2 '' '^usage: rung bench COMMAND' "$rung" bench
check '--help' 0 '^  step +whole training steps' '' "$rung" bench --help
for what in step kernels product; do
	check "$what --help shows defaults" 0 '--rounds n .*\[[0-9]+\]' '' "$rung" bench "$what" --help
done
check 'a mistyped word' 2 '' "there is no command 'rung bench kernel'; did you mean 'rung bench kernels'\?" "$rung" bench kernel
check 'an unknown word' 2 '' "there is no command 'rung bench zebra'; 'rung bench --help' lists" "$rung" bench zebra
check 'a width without a depth' 2 '' '--depth is missing' "$rung" bench step --width 64
check 'a depth without a width' 2 '' '--depth goes with --width' "$rung" bench step --depth 4
check 'an impossible width' 2 '' 'must be a multiple of that: try 32 or 48' "$rung" bench step --width 40 --depth 1
check 'unknown kernels' 2 '' "--kernels is 'sse9'; it must be" "$rung" bench kernels --kernels sse9
check 'two threads by one clock' 2 '' '--threads 1 only' "$rung" bench step "${small[@]}" --threads 2 --cpu-time

check 'step: a row of the table' 0 '^ +32 +2 +24\.6k +3 .* MiB$' '' "$rung" bench step "${small[@]}" "${briefly[@]}"
check 'kernels: every operation, and all' 0 '^all .*100\.0%$' '' "$rung" bench kernels "${small[@]}" "${briefly[@]}"
check 'product' 0 '^OpenBLAS .*, 64 x 64 x 64: [0-9.]+ GF/s' '' "$rung" bench product --size 64 "${briefly[@]}"

# Operations of a token, written down a second time: 2 for each parameter that multiplies, and for each of the (T + 1) / 2
# keys that a query sees on average 2 d for the score and 2 d for the value; training takes three times that.
flops='6 * (12 * a["depth"] * a["width"] ** 2 + a["vocab"] * a["width"]) + 3 * a["depth"] * 4 * a["width"] * (a["context"] + 1) / 2'
agrees="
assert math.isclose(a['gflops'], a['tokens_per_second'] * ($flops) * 1e-9, rel_tol=1e-9)
assert math.isclose(a['peak_fraction'], a['gflops'] / a['peak_gflops'], rel_tol=1e-9)
assert abs(a['first_loss'] - math.log(a['vocab'])) < 1e-5
assert a['bytes'] > 1e6 and 0 < a['core_share'] and a['forward_seconds'] > 0 and a['gradient_seconds'] > 0 and a['optimizer_seconds'] > 0"
for kernels in auto blas plain; do
	json "step --json agrees with itself ($kernels)" "
assert [a[k] for k in ('width', 'depth', 'context', 'batch', 'vocab', 'threads')] == [32, 2, 40, 3, 50, 1]
assert a['kernels'] == '$kernels' or '$kernels' == 'auto'
$agrees" "$rung" bench step "${small[@]}" "${briefly[@]}" --kernels "$kernels" --json
done
json 'step --blas all' "
assert a['kernels'] == 'portable' and len(a['blas']) == 15
$agrees" "$rung" bench step "${small[@]}" "${briefly[@]}" --kernels portable --blas all --json
json 'step --blas LIST' "
assert a['blas'] == ['qkv forward', 'head to weight']
$agrees" "$rung" bench step "${small[@]}" "${briefly[@]}" --blas 'head to weight, qkv forward' --json
json 'step: a peak of cores with work, not of all threads' "
assert a['threads'] == 3 and a['cores'] == 1
assert a['peak_gflops'] < 1.9 * $("$rung" doctor --seconds 0.1 --json | sed -n 's/.*"peak_gflops":[[:space:]]*\([0-9.]*\).*/\1/p' | head -1)
$agrees" "$rung" bench step --width 32 --depth 2 --batch 1 "${briefly[@]}" --threads 3 --json
check 'step: threads without work' 0 '' 'width 32: 1 of 3 threads have' "$rung" bench step --width 32 --depth 2 --batch 1 "${briefly[@]}" --threads 3
json 'step: OpenBLAS is not even asked about small matrices' "
assert a['blas'] == []
$agrees" "$rung" bench step "${small[@]}" "${briefly[@]}" --blas auto --json
check 'step: the table says what OpenBLAS computes' 0 'and OpenBLAS for mlp.in forward' '' \
	"$rung" bench step "${small[@]}" "${briefly[@]}" --blas 'mlp.in forward'
check 'step: a product that there is not' 2 '' "--blas: there is no product 'sums' .*mlp.out to weight" \
	"$rung" bench step "${small[@]}" --blas sums
json 'step --threads 2' "
assert a['threads'] == 2
$agrees" "$rung" bench step "${small[@]}" "${briefly[@]}" --threads 2 --json
json 'step without a width: the ladder, with the tokens that each rung takes a step' "
assert [(s['width'], s['depth'], s['batch'] * s['context']) for s in a['steps']] == [(16, 2, 512), (32, 3, 512), (64, 4, 1024), (128, 5, 2048), (256, 6, 4096)]
assert a['rounds'] == 1 and a['machine']['cores'] >= 1
for a in a['steps']:$(sed 's/^/    /' <<<"$agrees")" "$rung" bench step --context 32 --vocab 9 --rounds 1 --seconds 0 --json
json 'kernels --json: operations add up to the step' "
a = a['shapes'][0]
assert a['sequences'] == 3 and {o['kernels'] for o in a['operations']} == {'blas'}
assert math.isclose(sum(o['calls'] * o['flops'] for o in a['operations']), ($flops) * 3 * 40, rel_tol=1e-9)
assert all(math.isclose(o['gflops'] * o['seconds'], o['flops'] * 1e-9, rel_tol=1e-9) for o in a['operations'])" \
	"$rung" bench kernels "${small[@]}" "${briefly[@]}" --kernels blas --json
json 'product --json' "
assert a['size'] == 64 and math.isclose(a['peak_fraction'], a['gflops'] / a['peak_gflops'], rel_tol=1e-9)" \
	"$rung" bench product --size 64 "${briefly[@]}" --json
echo "1..$number"
