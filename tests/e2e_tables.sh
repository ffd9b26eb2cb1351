#!/usr/bin/env bash
# rung fit on tables that others wrote, and on tables that nobody should: a right answer or a clear word, never a crash.
# shellcheck source=tests/tap.sh
source "$(dirname "$0")/tap.sh"

fit=("$rung" fit --replicates 100)
# runs HEADER FORMAT: 49 runs of E 1.8, A 480, B 2100, alpha .35, beta .37 without errors; % stand for N, D, C and the loss.
runs() {
	[ -z "$1" ] || echo "$1"
	awk -v format="$2\n" 'BEGIN {
		for (i = 0; i < 7; i++) for (k = 0; k < 7; k++) {
			N = 1e6 * 4 ^ i; D = 1e8 * 3 ^ k
			printf format, N, D, 6 * N * D, 1.8 + 480 * N ^ -0.35 + 2100 * D ^ -0.37
		}
	}'
}
# recovers NAME COMMAND...: the fit finds that surface, to 5 digits.
recovers() {
	local name=$1
	shift
	if "$@" --json >"$scratch/fit.json" 2>"$scratch/said" && python3 -c '
import json, sys
p = json.load(open(sys.argv[1]))
assert p["converged"]
for key, value in {"E": 1.8, "A": 480, "B": 2100, "alpha": .35, "beta": .37}.items():
    assert abs(p["parameters"][key] / value - 1) < 1e-5, (key, p["parameters"][key])
' "$scratch/fit.json" 2>"$scratch/out"; then verdict "$name" 1; else verdict "$name" 0; fi
}
# member EXPRESSION: of the JSON that `recovers` left.
member() { python3 -c 'import json, sys; p = json.load(open(sys.argv[1])); assert eval(sys.argv[2]), p["points"]' "$scratch/fit.json" "$1"; }

# --- Columns, units, formats.
runs 'Model Size,Training Tokens,Training FLOP,loss' '%.0f,%.0f,%.0f,%.12f' >"$scratch/named.csv"
recovers 'columns with spaces are known by what they mean' "${fit[@]}" "$scratch/named.csv"
holds 'and that is said on stderr' grep -q "note: reading column 'Model Size' as N, 'Training Tokens' as D, 'Training FLOP' as C" "$scratch/said"
holds 'and in the JSON' member 'p["input"]["recognised"] == ["N", "D", "C"] and p["columns"]["D"] == "Training Tokens"'
recovers 'columns by name; D from C and N' "${fit[@]}" <(cut -d, -f1,3,4 "$scratch/named.csv") --N 'Model Size' --C 'Training FLOP' --loss loss
recovers 'N from C and D' "${fit[@]}" <(cut -d, -f2,3,4 "$scratch/named.csv") --group 'Training Tokens'
runs 'params (B);tokens (M);bits' '%.0f;%.0f;%.0f;%.12f' | awk -F';' 'NR == 1 {print; next} {printf "%.9g;%.9g;%.12f\n", $1 / 1e9, $2 / 1e6, $4 / 0.6931471805599453}' >"$scratch/units.csv"
recovers 'units, behind semicolons' "${fit[@]}" "$scratch/units.csv" --N 'params (B)' --N-scale 1e9 --D 'tokens (M)' --D-scale 1e6 --loss bits --loss-scale 0.6931471805599453
runs '' '{"config": {"N": %.0f, "data": {"tokens": %.0f}}, "flops": %.6g, "eval/loss": %.12f, "tags": ["a"]}' >"$scratch/runs.jsonl"
recovers 'JSON lines, with members of members' "${fit[@]}" "$scratch/runs.jsonl" --N config.N --D config.data.tokens --loss eval/loss
recovers 'standard input' "${fit[@]}" - --N config.N --D config.data.tokens --loss eval/loss <"$scratch/runs.jsonl"
runs 'N	D	C	loss' '%.0f	%.0f	%.0f	%.12f' >"$scratch/tabs.tsv"
recovers 'tabs' "${fit[@]}" "$scratch/tabs.tsv"
sed 's/$/\r/' "$scratch/named.csv" >"$scratch/crlf.csv"
recovers 'CRLF' "${fit[@]}" "$scratch/crlf.csv"
{ printf '\357\273\277'; tr '\n' '\r' <"$scratch/named.csv"; } >"$scratch/cr.csv"
recovers 'a byte order mark and CR alone' "${fit[@]}" "$scratch/cr.csv"

# --- Filters and weights.
{ cat "$scratch/named.csv"; for l in 9.1 9.2 9.3; do echo "1e6,1e8,6e14,$l"; done; echo '1e10,1e12,6e22,9.4'; } >"$scratch/outliers.csv"
recovers 'the highest losses are dropped' "${fit[@]}" "$scratch/outliers.csv" --drop-highest 4
holds 'and told' member 'p["points"]["used"] == 49 and p["points"]["left_out"] == 4 and p["points"]["filtered"] == 4 and [x["line"] for x in p["left_out"]] == [51, 52, 53, 54] and any(w["code"] == "left_out" for w in p["warnings"])'
recovers 'conditions, several' "${fit[@]}" "$scratch/outliers.csv" --where 'C < 1e22' --where 'loss<9'
holds 'each row says which it fails' member '[x["reason"] for x in p["left_out"]] == ["not loss<9"] * 3 + ["not C < 1e22"]'
recovers 'a column with blanks in a condition' "${fit[@]}" "$scratch/outliers.csv" --where '"Training FLOP"<1e22' --where 'loss<9'
awk -F, 'NR == 1 {print $0 ",times"; next} {print $0 "," ($4 > 5 ? 0 : 1 + NR % 3)}' "$scratch/outliers.csv" >"$scratch/weighted.csv"
recovers 'weight 0 leaves a row out' "${fit[@]}" "$scratch/weighted.csv" --weight times
awk -F, 'NR == 1 {print; next} {e = 1 + 0.004 * sin(NR * NR); printf "%s,%s,%s,%.12f\n", $1, $2, $3, $4 * e}' "$scratch/named.csv" >"$scratch/noisy.csv"
awk -F, 'NR == 1 {print; next} {for (k = 0; k < NR % 3; k++) print}' "$scratch/noisy.csv" >"$scratch/repeated.csv"
awk -F, 'NR == 1 {print $0 ",times"; next} {print $0 "," NR % 3}' "$scratch/noisy.csv" >"$scratch/times.csv"
"${fit[@]}" "$scratch/repeated.csv" --json >"$scratch/a.json" 2>/dev/null
"${fit[@]}" "$scratch/times.csv" --weight times --json >"$scratch/b.json" 2>/dev/null
"${fit[@]}" "$scratch/noisy.csv" --json >"$scratch/once.json" 2>/dev/null
# same_surface A.json B.json LOSS N D: the second is of losses, sizes and tokens so many times those of the first (0: once).
same_surface() {
	python3 -c '
import json, math, sys
a, b = (json.load(open(f)) for f in sys.argv[1:3])
loss, N, D = (math.log(float(x) or 1) for x in sys.argv[3:])
assert a["converged"] and b["converged"]
a, b = a["parameters"], b["parameters"]
log = {"E": loss, "A": loss + a["alpha"] * N, "B": loss + a["beta"] * D}
for key in a:
    difference = math.log(b[key]) - math.log(a[key]) - log.get(key, 0)
    assert abs(difference) < 1e-6, (key, difference)
' "$@"
}
holds 'weight 2 is the row twice' python3 -c '
import json, sys
a, b = (json.load(open(f)) for f in sys.argv[1:])
assert a["points"]["used"] > b["points"]["used"] and b["points"]["used"] + b["points"]["left_out"] == 49
assert a["converged"] and b["converged"] and abs(a["objective"] / b["objective"] - 1) < 1e-9
for key in a["parameters"]: assert abs(a["parameters"][key] / b["parameters"][key] - 1) < 1e-6, key
' "$scratch/a.json" "$scratch/b.json"

# --- Bad rows: the place, the value, the reason; nothing is dropped unless asked.
{ cat "$scratch/named.csv"; printf '1e6,1e8,,3\n1e6,1e8,6e14,nan\n1e6,1e8,6e14\nx,1e8,6e14,3\n1e6,0,6e14,3\n1e6,1e8,6e14,-3\n'; } >"$scratch/bad.csv"
check 'bad rows stop the fit' 3 none "bad.csv: 6 bad rows: line 51, column Training FLOP: found '', .*line 52, column loss: found 'nan', expected a finite number above zero; line 53: found 3 fields, expected 4 .* and 3 more" "${fit[@]}" "$scratch/bad.csv"
recovers 'or are skipped' "${fit[@]}" "$scratch/bad.csv" --skip-bad
holds 'and listed' member 'p["points"]["bad"] == 6 and len(p["left_out"]) == 6 and p["left_out"][3]["line"] == 54 and "column Model Size: found '"'x'"'" in p["left_out"][3]["reason"] and any(w["code"] == "bad_rows" for w in p["warnings"])'
check 'the summary counts them' 0 'left out: 6 bad' '' "${fit[@]}" "$scratch/bad.csv" --skip-bad
check 'a missing column is answered with those there are, and the nearest' 3 none "there is no column 'losss'; found: Model Size, Training Tokens, Training FLOP, loss. Name yours with --loss loss" "${fit[@]}" "$scratch/named.csv" --loss losss
check 'a condition that is none' 2 none "expected COLUMN OPERATOR VALUE with <, <=, >, >=, == or !=, such as 'C<1e21'" "${fit[@]}" "$scratch/named.csv" --where 'C = '

# --- Hostile tables. Every one ends with a word about it, or with JSON that can be read.
# survives NAME STDERR_PATTERN FILE [OPTIONS...]: exit code 0 and whole JSON, or 3 and an error.
survives() {
	local name=$1 pattern=$2 good=1 code patience=60
	shift 2
	case $rung in *san* | *valgrind*) patience=600 ;; esac
	timeout $patience "${fit[@]}" "$@" --json >"$scratch/out" 2>"$scratch/err"
	code=$?
	case $code in
	0) python3 -c 'import json, sys; json.load(open(sys.argv[1]))' "$scratch/out" || good=0 ;;
	3) grep -q '^error: ' "$scratch/err" && says "$pattern" "$scratch/err" || good=0 ;;
	*) good=0 ;;
	esac
	grep -qE 'Sanitizer|runtime error' "$scratch/err" && good=0
	verdict "$name (exit code $code)" "$good"
}
h="$scratch/hostile.csv"
hostile() { # NAME STDERR_PATTERN TEXT, with escapes
	printf '%b' "$3" >"$h"
	survives "$1" "$2" "$h"
}
hostile 'an empty file' 'the file is empty; expected a header line' ''
hostile 'a header alone' 'no row to fit: 0 rows' 'N,D,loss\n'
hostile 'one row' '' 'N,D,loss\n1e6,1e8,3\n'
hostile 'infinite and negative losses' "3 bad rows: line 2, column loss: found 'inf'.*line 3, column loss: found '-2'.*line 4, column loss: found '0'" 'N,D,loss\n1e6,1e8,inf\n1e6,1e8,-2\n1e6,1e8,0\n'
hostile 'doubles that end' "found '1e999', expected a finite number" 'N,D,loss\n1e999,1e8,3\n'
hostile 'zero bytes' 'byte 3 is zero, so this is no text' 'N,D\0loss\n1,2,3\n'
hostile 'UTF-16' 'UTF-16 text, expected UTF-8' '\0377\0376N\0,\0D\0'
hostile 'two columns of one name' "fields 2 and 3 are both called 'D'" 'N,D,D,loss\n1,2,2,3\n'
hostile 'fields that are missing at the end' 'line 2: found 2 fields, expected 3 as in the header' 'N,D,loss\n1e6,1e8\n'
hostile 'a quote that never closes' 'line 2: a field opens with a quote that is never closed' 'N,D,loss\n1e6,"1e8,3\n1e6,1e8,3\n'
hostile 'line ends inside quotes' '' '"N","D\n","loss"\n"1e6","1e8","3\n"\n'
hostile 'JSON that is cut off' '1 bad row: line 2: character [0-9]+: not valid JSON' '{"N":1e6,"D":1e8,"loss":3}\n{"N":1e6,"D":1e'
hostile 'a list where lines are due' "a whole object on every line; 'jq -c .\[\]' writes them so" '[{"N":1e6,"D":1e8,"loss":3}]'
{ echo N,D,loss; yes 1e6,1e8,3 | head -n 200; } >"$h"
survives 'equal rows' '' "$h"
runs 'N,D,C,loss' '%.0f,%.0f,%.0f,3' >"$h"
survives 'equal losses' '' "$h"
for scale in 1e-290 1e290; do
	"${fit[@]}" "$scratch/noisy.csv" --loss-scale $scale --json >"$scratch/b.json" 2>/dev/null
	holds "losses of $scale: the same surface" same_surface "$scratch/once.json" "$scratch/b.json" $scale 0 0
	"${fit[@]}" "$scratch/noisy.csv" --N-scale $scale --D-scale 1e-9 --C-scale 1e-9 --json >"$scratch/b.json" 2>/dev/null
	holds "sizes of $scale: the same surface" same_surface "$scratch/once.json" "$scratch/b.json" 1 $scale 1e-9
done
awk -F, 'NR == 1 {print; next} {print $1 "," $2 "," $3 "," (NR % 2 ? "1e300" : "1e-300")}' "$scratch/named.csv" >"$h"
survives 'losses of 1e300 beside 1e-300' '' "$h"
awk -F, 'NR == 1 {print "N,D,loss"; next} {print (NR % 2 ? "1e-300" : "1e300") "," $2 "," $4}' "$scratch/named.csv" >"$h"
survives 'sizes of 1e300 beside 1e-300' 'expected a number that a double can hold' "$h"
{ head -c 10000000 /dev/zero | tr '\0' 'x'; echo; echo 1; } >"$h"
survives 'ten megabytes on one line' "there is no column 'loss'; found: x{40}\.\.\." "$h"
{ head -c 1000000 /dev/zero | tr '\0' ','; echo; echo 1; } >"$h"
survives 'a million columns' "there is no column 'loss'" "$h"
head -c 5000000 /dev/zero | sed 's/\x0/{"a":/g' >"$scratch/deep.jsonl"
survives 'objects in objects, five million deep' 'at most 500' "$scratch/deep.jsonl"
survives 'a folder that is no lab' "there is no points.csv in this folder; is it a lab" "$scratch"
awk -F, -v OFS=, 'NR == 9 {$NF = "1e300"} {print}' "$scratch/named.csv" >"$scratch/absurd.csv"
check 'one loss of 1e300 spoils no fit' 0 'converged: 25 of 25' '' "${fit[@]}" "$scratch/absurd.csv"
check 'a full disk behind stdout' 1 '' 'cannot write to standard output: No space left on device' sh -c '"$@" >/dev/full' - "${fit[@]}" "$scratch/named.csv"
check 'a file that cannot be written' 2 'L\(N, D\) = E' 'cannot write /dev/full: it is not a regular file' "${fit[@]}" "$scratch/named.csv" --out /dev/full

# --- Size.
awk -F, -v OFS=, 'NR == 1 {print; next} {for (k = 0; k < 205; k++) print $1, $2, $3, sprintf("%.9f", $4 * (1 + 0.01 * sin(NR * 205 + k * k)))}' "$scratch/named.csv" >"$scratch/long.csv"
check 'ten thousand rows' 0 '10045 points.*' '' "${fit[@]}" "$scratch/long.csv"
cp "$scratch/out" "$scratch/summary"
holds 'converge' grep -q 'converged: ' "$scratch/summary"
{ cat "$scratch/named.csv"; yes 1e6,1e8,6e14,9.5 | head -n 1000000; } >"$scratch/million.csv"
check 'a million rows are read, and 49 used' 0 'left out: 1000000 not loss<9' '' "${fit[@]}" "$scratch/million.csv" --where 'loss<9'
echo "1..$number"
