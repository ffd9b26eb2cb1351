#!/usr/bin/env bash
# rung fit without a surface: tables of optima, approaches 1 and 2, designs, conventions of counting.
# shellcheck source=tests/tap.sh
source "$(dirname "$0")/tap.sh"

# exponents FILE KEY DIGITS: the numbers of a JSON file under KEY, rounded, on one line.
exponents() { grep -oE "\"$2\": [0-9.e-]+" "$1" | awk -v digits="$3" '{printf "%.*f ", digits, $2}'; }

# Tables of optima: exact powers in two groups, one with a row without a minimum.
{
	echo kind,flops,best,std
	awk 'BEGIN {for (i = 0; i < 5; i++) {C = 10 ^ (17 + i / 2); print "x," C "," 3 * C ^ 0.4 ",0.1"; print "\"y, z\"," C "," 2 * C ^ 0.6 ",0.2"}}'
	echo x,1e20,nan,nan
} >"$scratch/optima.csv"
optima=("$rung" fit "$scratch/optima.csv" --law allocation --N best --C flops)
check 'groups of optima have an exponent each' 0 'in 2 groups' '' "${optima[@]}" --by kind
tr -s ' \n' ' ' <"$scratch/out" >"$scratch/line"
holds 'printed with their names' grep -q '5 0.400000 0.4000 to 0.4000 x 5 0.600000 0.6000 to 0.6000 y, z' "$scratch/line"
check 'a row without an optimum is left out and told' 0 '1 row left out: no optimum' '' "${optima[@]}" --by kind
check 'JSON has a member for each group' 0 '"kind": "y, z"' '' "${optima[@]}" --by kind --weight-from-std std --json
cp "$scratch/out" "$scratch/groups.json"
holds 'no exponent stands for all groups together' grep -q '^	"parameters": null' "$scratch/groups.json"
check 'a standard error that is none is named' 3 '' "optima.csv: line 2, column kind: found 'x', expected the standard error" "${optima[@]}" --weight-from-std kind
check 'a column that is not there is offered its neighbour' 3 '' "no column 'knd'.* --by kind" "${optima[@]}" --by knd
check 'one budget has no exponent, and says so' 0 'single_C' '' "$rung" fit <(printf 'N,C\n1e6,1e15\n2e6,1e15\n') --law allocation
check 'an unknown law' 2 '' '--law alocation: expected' "$rung" fit "$scratch/optima.csv" --law alocation

# Designs: what a ladder would tell before it is trained.
if [ -n "${memcheck:-}" ]; then
	echo "ok $((number += 1)) - a preset is judged from standard input # SKIP valgrind cannot start what measures for rung plan"
else
	check 'a preset is judged from standard input' 0 '20 points planned, 5 sizes, 4 token counts' '' \
		sh -c "'$rung' plan --preset demo --json | '$rung' fit --design - --noise 0.005"
fi
echo '{"depth": 2, "horizons": [1e6, "4M", 16e6, 64e6], "rungs": [{"width": 32}, {"width": 64}, {"width": 128}, {"width": 256}]}' >"$scratch/plan.json"
check 'a plan with the surface it will meet' 0 '"not_determined": \[\]' '' \
	"$rung" fit --design "$scratch/plan.json" --noise 0.001 --surface 1.2,20,190,0.3,0.35 --json
awk 'BEGIN {print "params,tokens"; for (i = 0; i < 12; i++) print 1e6 * 2 ^ i "," 20e6 * 2 ^ i}' >"$scratch/line.csv"
check 'a table of one line is named' 0 'one_line: D is a function of N' '' \
	"$rung" fit --design "$scratch/line.csv" --N params --D tokens --noise 0.005
check 'what it leaves open is no number' 0 'alpha +0.3400 +not determined +not determined' '' \
	"$rung" fit --design "$scratch/line.csv" --N params --D tokens --noise 0.005
check 'no noise, no answer' 2 '' '--design needs --noise' "$rung" fit --design "$scratch/line.csv"
check 'a surface of four numbers' 2 '' 'expected E,A,B,alpha,beta' "$rung" fit --design tests/data/tiny-plan.json --noise 0.01 --surface 1,2,3,0.3
check 'a surface that falls the wrong way' 3 '' 'above zero' "$rung" fit --design tests/data/tiny-plan.json --noise 0.01 --surface 1,2,3,-0.3,0.3
check 'no such plan' 3 '' 'there is no such plan or table' "$rung" fit --design "$scratch/nowhere.json" --noise 0.01
check 'a plan beside a table' 2 '' 'judges that file alone' "$rung" fit "$scratch/line.csv" --design tests/data/tiny-plan.json --noise 0.01

# Approach 2: groups of equal C on Chinchilla's surface, whose a is 0.28 / 0.62 = 0.4516, and one group with all sizes too large.
isoflop() { # HEADER FORMAT: B stands for the budget, P and T for N and D, L for the loss
	echo "$1"
	awk -v format="$2" 'BEGIN {
		for (b = 0; b < 6; b++) for (i = 0; i < 9; i++) {
			C = 10 ^ (17 + b); best = (0.34 * 406.4 / 0.28 / 410.7) ^ (1 / 0.62) * (C / 6) ^ (0.28 / 0.62)
			N = best * 4 ^ ((i - 4) / 4) * (b == 5 ? 6 : 1); D = C / 6 / N; row = format
			gsub("B", C, row); gsub("P", sprintf("%.8g", N), row); gsub("T", sprintf("%.8g", D), row)
			gsub("L", sprintf("%.9g", 1.69 + 406.4 * N ^ -0.34 + 410.7 * D ^ -0.28), row); print row
		}
	}'
}
isoflop budget,N,D,loss B,P,T,L >"$scratch/isoflop.csv"
check 'isoFLOP groups are recognised' 0 'Approach 2, 6 budgets \(groups of equal C, C = 6 N D\)' '' \
	"$rung" fit "$scratch/isoflop.csv" --replicates 100
cp "$scratch/out" "$scratch/isoflop.txt"
holds 'the budget without a minimum is thrown out and told' grep -q '1 budget thrown out: no minimum inside' "$scratch/isoflop.txt"
holds 'the summary fits 80 columns' awk 'length($0) > 80 {print; bad = 1} END {exit bad}' "$scratch/isoflop.txt"
check 'and by a column of labels' 0 '"source": "a column of budgets"' '' \
	"$rung" fit "$scratch/isoflop.csv" --replicates 100 --budget budget --loss-noise 0.001 --json
cp "$scratch/out" "$scratch/isoflop.json"
if command -v python3 >/dev/null; then
	holds 'approach 2 finds the exponent, and its own bias' python3 -c '
import json, sys
fit = json.load(open(sys.argv[1]))
second = fit["approach2"]
assert second["noise"] == 0.001 and second["noise_source"] == "as given" and second["replicates"] == 100
for name in "parabola", "akima":
    method = second[name]
    low, high = method["a_interval"]
    assert low < 0.28 / 0.62 < high and high - low < 0.3, (name, low, high)
    assert abs(method["a"] + method["b"] - 1) < 1e-7 and method["budgets"] == 5 and method["edges"] == 1
    assert abs(method["bias"]["a"]) < 1e-3 and len(method["bias"]["D"]) == 2
# 15 points within a factor of 4 have -1.30 %; nine have a little more, for they lie farther out on average.
assert -0.019 < second["parabola"]["bias"]["D"][1]["relative"] < -0.013
last = second["budgets"][5]
assert last["C"] == 1e22 and last["akima"]["edge"] and last["akima"]["N"] is None and len(last["points"]) == 9
assert abs(second["surface_a"] - 0.28 / 0.62) < 1e-5
' "$scratch/isoflop.json"
fi
# The compute of a table need not be 6 N D: with three times as much a token its groups are still groups.
isoflop C,N,D,loss 'B,P,T,L' | awk -F, -v OFS=, 'NR > 1 {$1 *= 3; $2 *= $2 ^ 0.2} 1' >"$scratch/counted.csv"
check "groups of the table's own C" 0 'groups of equal C, C of the table' '' "$rung" fit "$scratch/counted.csv" --replicates 100
check 'a budget that is none' 3 '' "line 2, column name: found 'x', expected a budget" \
	"$rung" fit <(sed '1s/$/,name/; 2,$s/$/,x/' "$scratch/isoflop.csv" >"$scratch/named.csv"; cat "$scratch/named.csv") --budget name
check 'budgets that are none' 2 '' '--budgets 1e18,x: expected' "$rung" fit "$scratch/isoflop.csv" --budgets 1e18,x
check 'an unknown way to count' 2 '' '--flops 7ND: expected 6ND or C' "$rung" fit "$scratch/isoflop.csv" --flops 7ND

# Approach 1: training curves of ten sizes on the same surface.
{
	echo run,N,D,loss
	awk 'BEGIN {for (r = 0; r < 10; r++) for (k = 0; k < 40; k++) {
		N = 1e7 * 1000 ^ (r / 9); D = 20 * N / 30 * 1000 ^ (k / 39)
		printf "run%d,%.8g,%.8g,%.9g\n", r, N, D, 1.69 + 406.4 * N ^ -0.34 + 410.7 * D ^ -0.28}}'
} >"$scratch/curves.csv"
check 'training curves have a lower edge' 0 'the lower edge of 10 training curves' '' "$rung" fit "$scratch/curves.csv" --curve run --replicates 100
cp "$scratch/out" "$scratch/curves.txt"
holds 'how far the choice moves it is told' grep -qE 'the choice moves a from 0\.39[0-9]* to 0\.4' "$scratch/curves.txt"
holds 'the last rows are the points' grep -q '10 points, 10 sizes' "$scratch/curves.txt"
check 'JSON has both approaches' 0 '"approach1"' '' "$rung" fit "$scratch/curves.csv" --curve run --replicates 100 --json --budgets 1e19,1e20,1e21
cp "$scratch/out" "$scratch/curves.json"
if command -v python3 >/dev/null; then
	holds 'and both come out where the surface has it' python3 -c '
import json, sys
fit = json.load(open(sys.argv[1]))
first, second = fit["approach1"], fit["approach2"]
assert abs(first["a"] - 0.28 / 0.62) < 0.005 and first["a_interval"][0] < 0.28 / 0.62 < first["a_interval"][1]
assert first["curves"] == "curves of the table" and first["final_losses"] is False and first["rows"] == 400
assert first["a_range"][0] < 0.40 < first["a_range"][1] and len(first["choices"]) == 6
assert abs(second["akima"]["a"] - 0.28 / 0.62) < 0.01 and second["source"] == "as listed"
' "$scratch/curves.json"
fi
check 'buckets, for whom likes them' 0 'buckets of the inner sizes, [0-9]+ points; the' '' "$rung" fit "$scratch/curves.csv" --curve run --replicates 100 --envelope buckets
check 'a curve of two sizes is none' 3 '' 'column D: another row of this run has another N|column run: another row of this run has another N' \
	"$rung" fit <(sed '3s/run0,1/run0,2/' "$scratch/curves.csv") --curve run

# Counting: a table that has N and operations in two ways each.
{
	echo N,N_all,C,D,loss
	awk 'BEGIN {srand(1); for (i = 0; i < 6; i++) for (k = 0; k < 6; k++) {
		N = 1e4 * 2.2 ^ i; D = 1e6 * 2.3 ^ k
		printf "%.8g,%.8g,%.8g,%.8g,%.9g\n", N, N + 50 * sqrt(N), 8 * N ^ 1.1 * D, D, (0.8 + 19 * N ^ -0.3 + 190 * D ^ -0.35) * exp(0.001 * sin(7 * i + 3 * k * k + i * k))}}'
} >"$scratch/counts.csv"
check 'the same runs in every convention' 0 'What is counted moves the exponent a from 0' '' \
	"$rung" fit "$scratch/counts.csv" --replicates 100 --count-N hidden=N,all=N_all --count-C exact=C
cp "$scratch/out" "$scratch/counts.txt"
holds 'four of them in a table' test "$(grep -cE '^  (hidden|all) +(6ND|exact) +0\.[0-9]+ +0\.[0-9]+ to 0\.' "$scratch/counts.txt")" -eq 4
check 'JSON has them' 0 '"counting": \[' '' "$rung" fit "$scratch/counts.csv" --replicates 100 --count-C exact=C --json
check 'a convention without a column' 2 '' '--count-N all=: expected NAME=COLUMN' "$rung" fit "$scratch/counts.csv" --count-N all=
check 'a column that is not there' 3 '' "no column 'M'" "$rung" fit "$scratch/counts.csv" --count-N all=M

# A lab: trunks at a constant rate lie 5 % above the final losses in points.csv; records say what attention costs.
mkdir -p "$scratch/lab/runs"
awk -v lab="$scratch/lab" 'BEGIN {
	print "id,N,N_matmul,N_all,D,C,loss" >(lab "/points.csv")
	for (r = 0; r < 6; r++) {
		N = 1e4 * 2.2 ^ r; folder = sprintf("%s/runs/%016x", lab, 100 + r); system("mkdir " folder)
		printf "{\"format\": 1, \"kind\": \"trunk\", \"status\": \"done\", \"shape\": {\"N\": %.8g}}\n", N >(folder "/run.json")
		for (k = 0; k < 30; k++) {
			D = 1e5 * 1.35 ^ k; L = 1.05 * (0.8 + 16 * N ^ -0.3 + 190 * D ^ -0.35)
			held = k % 2 ? "null" : sprintf("%.9g", L)
			printf "{\"step\": %d, \"tokens\": %.8g, \"loss\": %.6g, \"held_out\": %s}\n", k, D, L, held >(folder "/log.jsonl")
		}
		printf "{\"step\": 30, \"tok" >(folder "/log.jsonl")
		for (k = 0; k < 5; k++) {
			D = 1e6 * 2.3 ^ k; id = sprintf("%016x", 10 * r + k); folder = lab "/runs/" id; system("mkdir " folder)
			printf "{\"format\": 1, \"kind\": \"run\", \"status\": \"done\", \"shape\": {\"N\": %.8g, \"attention_flops\": %.8g}}\n", N, 90 * sqrt(N) >(folder "/run.json")
			printf "%s,%.8g,%.8g,%.8g,%.8g,%.8g,%.9g\n", id, N, N + 20 * sqrt(N), N + 40 * sqrt(N), D, (6 * N + 300 * sqrt(N)) * D,
				(0.8 + 16 * N ^ -0.3 + 190 * D ^ -0.35) * exp(0.001 * sin(7 * r + 3 * k * k + r * k)) >(lab "/points.csv")
		}
	}
}'
check 'the trunks of a lab have a lower edge, and it is said what they are' 0 'lower edge of 6 trunks; at a constant rate, so not final losses' '' \
	"$rung" fit "$scratch/lab" --replicates 100 --random-seed 1
cp "$scratch/out" "$scratch/lab.txt"
holds 'evaluations alone are rows' grep -q '"rows": 90' "$scratch/lab/fit.json"
holds 'nine conventions are compared' test "$(grep -cE '^  (hidden|with head|all) +(6ND|exact|exact, no attention) +0' "$scratch/lab.txt")" -eq 9
holds 'the answer fits 80 columns' awk 'length($0) > 80 {print; bad = 1} END {exit bad}' "$scratch/lab.txt"
echo '{' >"$scratch/lab/runs/0000000000000065/run.json"
check 'a damaged record is passed over and told' 0 'the records or curves of 1 run are damaged' '' "$rung" fit "$scratch/lab" --replicates 100

published=../shared/data
if [ -e "$published/porian_optimal_pairs.csv" ]; then
	check 'published optima of six configurations' 0 '"law": "allocation"' '' "$rung" fit "$published/porian_optimal_pairs.csv" --law allocation \
		--N n_opt --C flops --weight-from-std n_star_std --by dataset,hparams,warmup,decay,param_count,val --json
	cp "$scratch/out" "$scratch/porian.json"
	for of in '0.83530 base long kaplan kaplan train' '0.70647 base long kaplan standard val' '0.60204 base short kaplan standard val' \
		'0.57149 base short chinchilla standard val' '0.49690 tuned short const standard val'; do
		holds "an exponent of $of" sh -c 'tr -d " \t\n" <"$1" | tr "{" "\n" >"$1.lines"; set -- "$1" $2
			grep -A1 "^\"dataset\":\"rw\",\"hparams\":\"$3\",\"warmup\":\"$4\",\"decay\":\"$5\",\"param_count\":\"$6\",\"val\":\"$7\"" "$1.lines" |
				sed -nE "s/.*\"a\":([0-9.]+),.*/\1/p" | awk -v a="$2" "{if (sprintf(\"%.5f\", \$1) == a) found = 1} END {exit !found}"' \
			- "$scratch/porian.json" "$of"
	done
	check 'published optima by convention' 0 'convention' '' "$rung" fit "$published/nanochat_log_jan26.csv" --law allocation \
		--N N_opt --D D_opt --by convention --json
	cp "$scratch/out" "$scratch/nanochat.json"
	holds 'N* grows as the rounded budgets of the table have it' test "$(exponents "$scratch/nanochat.json" a 3)" = '0.536 0.536 0.374 0.374 0.696 0.696 '
	holds 'D* too' test "$(exponents "$scratch/nanochat.json" b 3)" = '0.489 0.489 0.501 0.501 0.406 0.406 '
	# The budgets were 10^18, 10^(18 + 1/3), 10^(18 + 2/3), 10^19: 2.15e18 and 4.64e18 are those, rounded.
	sed 's/2\.15e+18/2.15443469003188e18/; s/4\.64e+18/4.64158883361278e18/' "$published/nanochat_log_jan26.csv" >"$scratch/budgets.csv"
	"$rung" fit "$scratch/budgets.csv" --law allocation --N N_opt --D D_opt --by convention --json >"$scratch/nanochat.json"
	holds 'N* grows as published' test "$(exponents "$scratch/nanochat.json" a 3)" = '0.536 0.536 0.375 0.375 0.697 0.697 '
	holds 'D* grows as published' test "$(exponents "$scratch/nanochat.json" b 3)" = '0.489 0.489 0.501 0.501 0.406 0.406 '
else
	echo "ok $((number += 1)) - published optima # SKIP $published is not here"
fi
echo "1..$number"
