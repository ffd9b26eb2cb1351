#!/usr/bin/env bash
# rung predict as a user runs it: written down before the run, scored after it, and whatever may not be done with it.
# shellcheck source=tests/tap.sh
source "$(dirname "$0")/tap.sh"

# rows FIRST LAST: sizes FIRST to LAST of a ladder of six by six, 0.8 + 16 N^-0.3 + 190 D^-0.35 with fixed errors of 0.3 %.
rows() {
	awk -v first="$1" -v last="$2" 'BEGIN {
		split("6144 36864 82944 196608 442368 1000000", N)
		for (i = first; i <= last; i++) for (k = 0; k < 6; k++) {
			D = 1e6 * 2 ^ k; error = 0.003 * sin(7 * i + 3 * k * k + i * k)
			printf "run%d-%d,%d,%d,%.6f\n", i, k, N[i], D, (0.8 + 16 * N[i] ^ -0.3 + 190 * D ^ -0.35) * exp(error)
		}
	}'
}
cd "$scratch" || exit 1
{ echo id,N,D,loss; rows 1 5; } >before.csv
{ echo id,N,D,loss; rows 1 6; } >after.csv
predict=("$rung" predict --replicates 100)

check 'a prediction is written' 0 'predicted +50 % +90 % +power +difference' 'wrote p.json; keep a copy, or its hash' \
	"${predict[@]}" before.csv --at 1M,1M --at 1M,4M --at 1M,32M --at 20M,600M --out p.json
cp out summary
holds 'the summary fits 80 columns' awk 'length($0) > 80 {exit 1} END {if (NR < 10) exit 1}' summary
holds 'the far one is marked' grep -qE '^  20.0M +600M .*\*$' summary
holds 'the summary gives the hash of the file' grep -q "hash $(tail -n 2 p.json | sed -nE 's/.*"xxh64": "(.*)"/\1/p')$" summary
if command -v python3 >/dev/null; then
	holds 'the file has the documented members' python3 -c '
import json, math
p = json.load(open("p.json"))
for key in "format kind made version law formula table input fit rows rows_hash predictions distributions xxh64".split():
    assert key in p, key
assert p["kind"] == "prediction" and p["law"] == "chinchilla" and len(p["rows"]) == 30 and p["fit"]["converged"]
assert list(p["fit"]["parameters"]) == ["E", "A", "B", "alpha", "beta"] and p["fit"]["random_seed"] == 1
q = p["fit"]["parameters"]
for at, of in zip(p["predictions"], p["distributions"]):
    assert abs(at["predicted"] / (q["E"] + q["A"] * at["N"] ** -q["alpha"] + q["B"] * at["D"] ** -q["beta"]) - 1) < 1e-9
    (a, b), (c, d) = at["interval_50"], at["interval_90"]
    assert c < a < at["predicted"] < b < d
    for share, loss in ((.05, c), (.25, a), (.75, b), (.95, d)):
        assert not any(of["law"]["spread"])
        below = sum(m <= math.log(loss) for m in of["law"]["center"]) / 100
        assert abs(below - share) <= .01, (below, share)
    assert at["pure_power"]["predicted"] > 0 and at["last_difference"]["predicted"] > 0
'
fi
cp p.json kept.json
check 'what was written down is never overwritten' 2 none 'p.json is there already' "${predict[@]}" before.csv --at 2M,1M --out p.json
holds 'and is as it was' cmp p.json kept.json
check 'nothing to score yet' 3 '^before.csv: 0 of 4' 'none of the 4 runs that p.json predicts is there' "$rung" predict --score p.json before.csv
check 'as JSON too' 3 '"missing": 4' 'nothing to score yet' "$rung" predict --score p.json before.csv --json

check 'it is scored' 0 '3 of 4 predicted runs measured, 30 of those rows as they were' '' "$rung" predict --score p.json after.csv
cp out score
holds 'the score fits 80 columns' awk 'length($0) > 80 {exit 1} END {if (NR < 10) exit 1}' score
holds 'the law beat both baselines' sh -c 'grep -q "The law beat pure power" score && grep -q "The law beat last difference" score'
holds 'what is not measured is told' grep -q 'not measured: N = 20.0M, D = 600M' score
check 'a score goes into a new file' 0 '"kind": "score"' '' "$rung" predict after.csv --score p.json --json --out s.json
cp out printed
holds 'which holds what was printed' cmp s.json printed
check 'not into an old one' 2 none 's.json is there already' "$rung" predict after.csv --score p.json --out s.json
check 'not into the prediction' 2 none 'p.json is there already' "$rung" predict after.csv --score p.json --out p.json
holds 'scoring alters nothing' cmp p.json kept.json
if command -v python3 >/dev/null; then
	holds 'the score is that of the distributions in the file' python3 -c '
import bisect, json, math
p, s = json.load(open("p.json")), json.load(open("s.json"))
assert s["hash"] == p["xxh64"] and not s["retrospective"] and s["rows"] == s["rows_found"] == 30
for run, at, of in zip(s["runs"], p["predictions"], p["distributions"]):
    law, y = of["law"], run["measured"]
    assert (run["N"], run["D"], run["predicted"]) == (at["N"], at["D"], at["predicted"])
    mean = sum(law["center"]) / 100
    deviation = (sum(m * m + d * d for m, d in zip(law["center"], law["spread"])) / 100 - mean ** 2) ** .5
    assert abs(run["z"] - (math.log(y) - mean) / deviation) < 1e-6
    assert abs(run["error"] - (at["predicted"] / y - 1)) < 1e-12
    losses = [math.exp(m) for m in law["center"]]
    assert losses == sorted(losses) and not any(law["spread"])
    below = lambda x: bisect.bisect_right(losses, x) / 100
    assert abs(run["probability_below"] - below(y)) < 1e-9
    low, high, n, crps = math.exp(mean - 9 * deviation), math.exp(mean + 9 * deviation), 100000, 0
    for k in range(n):
        x = low + (high - low) * (k + .5) / n
        crps += (below(x) - (x >= y)) ** 2 * (high - low) / n
    assert abs(run["crps"] / crps - 1) < 3e-3, (run["crps"], crps)
    assert run["inside_50"] == (at["interval_50"][0] <= y <= at["interval_50"][1])
    assert run["inside_90"] == (at["interval_90"][0] <= y <= at["interval_90"][1])
m = s["summary"]
assert m["scored"] == 3 and m["missing"] == 1 and abs(m["mean_crps"] - sum(r["crps"] for r in s["runs"]) / 3) < 1e-15
assert m["coverage_90"]["inside"] == sum(r["inside_90"] for r in s["runs"]) and m["coverage_50"]["of"] == 3
for name in ("pure_power", "last_difference"):
    b = m["baselines"][name]
    assert abs(b["mean_crps"] - sum(r[name]["crps"] for r in s["runs"]) / 3) < 1e-15
    assert abs(b["ratio"] - m["mean_crps"] / b["mean_crps"]) < 1e-12 and b["beaten"] == (b["ratio"] < 1) == (b["skill"] > 0)
'
fi

# A prediction that was touched.
sed '0,/"predicted": 2/s//"predicted": 3/' kept.json >touched.json
check 'a changed figure is noticed' 3 none "touched.json: .*its bytes have the hash [0-9a-f]{16}, but its member \"xxh64\" says '[0-9a-f]{16}'" \
	"$rung" predict --score touched.json after.csv
head -c -3 kept.json >touched.json
check 'a lost end is noticed' 3 none 'touched.json:.* not valid JSON' "$rung" predict --score touched.json after.csv
check 'another file is none' 3 none 'after.csv:1:1: not valid JSON' "$rung" predict --score after.csv after.csv
check 'nor is none' 3 none 'nowhere.json: there is no such prediction' "$rung" predict --score nowhere.json after.csv
sed 's/^run6-0,1000000,1000000/run1-0,1000000,1000000/' after.csv | grep -v '^run1-0,6144' >renamed.csv
check 'a run that it was made from cannot score it' 3 none 'renamed.csv: line 31 .* is a run that the forecast was made from' \
	"$rung" predict --score p.json renamed.csv

# What was trained before cannot be predicted.
check 'a run of the table is refused' 3 none 'before.csv: line 26 has a run of N = 442368, D = 1e\+06 already' \
	"${predict[@]}" before.csv --at 440K,1M --out q.json
check 'unless it is called what it is' 0 'RETROSPECTIVE' '' "${predict[@]}" before.csv --at 440K,1M --retrospective --out q.json
holds 'also in the file' grep -q '"kind": "retrospective"' q.json
check 'the largest size from the smaller ones' 0 'RETROSPECTIVE' '' "${predict[@]}" after.csv --hold-largest --out held.json
check 'and scored on the same table' 0 'RETROSPECTIVE' '' "$rung" predict after.csv --score held.json
check 'all six of it' 0 '6 of 6 predicted runs measured, 30 of those rows as they were' '' "$rung" predict after.csv --score held.json

# A lab whose largest rung is missing, and its plan.
mkdir lab
cp before.csv lab/points.csv
cat >lab/plan.json <<'EOF'
{"name": "six", "depth": 1, "horizons": ["1M", "32M"], "rungs": [{"width": 32}, {"width": 192}, {"width": 288, "horizons": [4e6]}]}
EOF
sed -i 's/^run1-\([0-5]\),6144/run1-\1,12288/' lab/points.csv # width 32, depth 1
check 'a lab is predicted by its plan' 0 '^lab: 1 run, by chinchilla from 30 rows' '4 of its runs are in the table already' \
	"${predict[@]}" lab
holds 'the prediction stands in the lab' grep -q '"N": 995328' lab/prediction.json
check 'with all runs there is nothing to predict' 3 none 'all 4 of its runs are in the table already' \
	"${predict[@]}" lab --out none.json --plan <(echo '{"name": "x", "depth": 1, "horizons": [1e6, 32e6], "rungs": [{"width": 32}, {"width": 192}]}')
echo '{"runs": [{"id": "run6-2", "N": 1e6, "D": 4e6}, {"id": "run6-9", "N": 1e6, "D": 8e6}]}' >list.json
check 'a list of runs is a plan' 0 '2 runs, by' '' "${predict[@]}" before.csv --plan list.json --out listed.json
check 'its runs are known by their ids' 0 'not measured: N = 1.00M, D = 8.00M, id run6-9' '' "$rung" predict after.csv --score listed.json

# Columns of others; the score reads those of the prediction.
sed 's/^id,N,D,loss/name,params,tokens,nats/' before.csv >other.csv
sed 's/^id,N,D,loss/name,params,tokens,nats/' after.csv >other-after.csv
check 'columns are named' 0 'other.csv: 1 run' '' "${predict[@]}" other.csv --N params --D tokens --loss nats --at 1M,1M --out other.json
check 'and remembered' 0 '1 of 1 predicted run' '' "$rung" predict other-after.csv --score other.json
awk -F, -v OFS=, 'NR > 1 {$3 /= 1e6} {print}' before.csv >units.csv
awk -F, -v OFS=, 'NR > 1 {$3 /= 1e6} {print}' after.csv >units-after.csv
check 'units and conditions too' 0 'units.csv: 1 run, by chinchilla from 24 rows' '' \
	"${predict[@]}" units.csv --D-scale 1e6 --where 'N>1e4' --at 1M,1M --where 'D>100' --out units.json
holds 'they stand in the file' grep -q '"where": \["N>1e4", "D>100"\]' units.json
check 'the units hold for the score' 0 '1 of 1 predicted runs measured, 24 of those rows' '' "$rung" predict units-after.csv --score units.json
check 'rows that a condition leaves out are known all the same' 3 none 'units.csv: line 2 has a run' \
	"${predict[@]}" units.csv --D-scale 1e6 --where 'N>1e4' --at 6144,1M --out no.json
OMP_NUM_THREADS=1 "${predict[@]}" before.csv --at 1M,1M --json --out one.json 2>/dev/null | grep -vE '"made"|"xxh64"' >one
OMP_NUM_THREADS=3 "${predict[@]}" before.csv --at 1M,1M --json --out three.json 2>/dev/null | grep -vE '"made"|"xxh64"' >three
holds 'the number of threads changes nothing' cmp one three
"${predict[@]}" before.csv --at 1M,1M --json --out seed.json --random-seed 2 2>/dev/null | grep -vE '"made"|"xxh64"' >seed
holds 'the seed does' sh -c '! cmp -s one seed'

# One interval, whoever is asked.
for law in chinchilla gadre; do
	"${predict[@]}" before.csv --law $law --at 3M,200M --out same-$law.json >/dev/null 2>&1
	"$rung" fit before.csv --law $law --replicates 100 --predict 3M,200M --json >fit-$law.json 2>/dev/null
	if command -v python3 >/dev/null; then
		holds "rung fit --law $law --predict gives the same intervals" python3 -c '
import json, sys
at, fit = json.load(open(sys.argv[1]))["predictions"][0], json.load(open(sys.argv[2]))
q = fit["predictions"][0]["measurement"]
for own, other in ((at["interval_50"], q["50"]), (at["interval_90"], q["90"])):
    assert all(abs(a / b - 1) < 1e-8 for a, b in zip(own, other)), (own, other)
' same-$law.json fit-$law.json
	fi
done
check 'another law' 0 'before.csv: 1 run, by gadre from 30 rows' '' "${predict[@]}" before.csv --law gadre --at 1M,1M --out gadre.json
check 'is scored as well' 0 'by gadre from 30 rows' '' "$rung" predict after.csv --score gadre.json

# What goes wrong.
{ echo N,D,loss; for n in 1e4 2e4 4e4 8e4 16e4 32e4; do echo "$n,$(awk "BEGIN {print 20 * $n}"),$(awk "BEGIN {print 1 + 16 * $n ^ -0.3}")"; done; } >line.csv
check 'a degenerate design predicts nothing' 3 none 'line.csv: nothing can be predicted from these 6 rows: .*D a function of N' "${predict[@]}" line.csv --at 1M,20M --out no.json
{ echo N,D,loss; for n in 1e4 3e4 9e4 27e4; do for d in 1e6 3e6 9e6 27e6; do echo "$n,$d,2"; done; done; } >flat.csv
check 'nor does a fit that did not converge' 3 none 'flat.csv: the fit did not converge' "${predict[@]}" flat.csv --at 1M,20M --out no.json
check 'a plan that is none' 3 none 'after.csv.*not valid JSON' "${predict[@]}" before.csv --plan after.csv --out no.json
check 'no such table' 3 none 'nowhere.csv' "${predict[@]}" nowhere.csv --at 1M,1M --out no.json
check 'a law of one variable' 2 none 'a law of both' "${predict[@]}" before.csv --law power --at 1M,1M --out no.json
check 'nothing named' 2 none 'Name runs with --at N,D' "${predict[@]}" before.csv --out no.json
check 'half a place' 2 none '--at 1M: expected' "${predict[@]}" before.csv --at 1M --out no.json
check 'score and predict at once' 2 none '--score takes a prediction' "${predict[@]}" before.csv --score p.json --at 1M,1M
check 'two tables' 2 none 'found 2' "${predict[@]}" before.csv after.csv --at 1M,1M
holds 'no file came of all that' test ! -e no.json
check 'nowhere to write' 1 'predicted' 'nowhere/p.json' "${predict[@]}" before.csv --at 1M,1M --out nowhere/p.json
check 'help' 0 'usage: rung predict LAB\|TABLE --at N,D' '' "$rung" predict --help
cp out help
holds 'help fits 80 columns' awk 'length($0) > 80 {exit 1} END {if (NR < 10) exit 1}' help
echo "1..$number"
