#!/usr/bin/env bash
# A ladder as a user runs it: planned, swept, run again, stopped in every way and gone on with, and asked for wrongly.
. "$(dirname "$0")/tap.sh"
plan=$PWD/tests/data/tiny-plan.json

# ------------------------------------------------------------------------------------------------ a ladder from end to end

"$rung" plan --plan "$plan" >"$scratch/table" 2>/dev/null
holds 'plan: the shapes' grep -qE '^ +32 +2 +24\.6k +384 +8\.2k +16\.4k +384 +256 +0\.008$' "$scratch/table"
holds 'plan: the cost' grep -qE '^ +32 +2 +4 +40k-320k +156-1250 +6\.11e\+10 ' "$scratch/table"
holds 'plan: no line is wider than a terminal' awk 'length > 80 && !/^corpus/ {exit 1}' "$scratch/table"
holds 'plan: short horizons are announced' grep -qE '^note: 3 of 12 runs have fewer than 200 steps' "$scratch/table"
check 'sweep' 0 '^12 of 12 runs done, 12 of them now' '^done +d 32 +L 2 +D 320k +loss 2\.' \
	"$rung" sweep --plan "$plan" --lab "$scratch/lab"
cp "$scratch/lab/points.csv" "$scratch/expected.csv"
weights() { grep -ohE '"weights_hash":\s*"[0-9a-f]{16}"' "$scratch/$1"/runs/*/run.json; }
weights lab >"$scratch/weights"
holds 'every run and trunk has a hash of its weights' test "$(wc -l <"$scratch/weights")" -eq 15
for workers in 1 4; do
	"$rung" sweep --plan "$plan" --lab "$scratch/w$workers" --workers $workers --quiet >/dev/null 2>&1
	holds "$workers workers: the same points, byte for byte" cmp "$scratch/expected.csv" "$scratch/w$workers/points.csv"
	holds "$workers workers: the same weights" cmp "$scratch/weights" <(weights "w$workers")
done

if command -v python3 >/dev/null; then
	holds 'points.csv says what the records say, by the declared rule' python3 - "$scratch/lab" <<'END'
import csv, json, math, sys
lab = sys.argv[1]
rows = list(csv.DictReader(open(lab + "/points.csv")))
entropy = json.load(open(lab + "/corpus.json"))["entropy"]
assert len(rows) == 12 and len({row["id"] for row in rows}) == 12
assert list(rows[0]) == ("id width depth context vocab batch_tokens seed N N_matmul N_all D steps C C_6ND loss loss_error"
                         " bits_per_byte fit reason").split()
for row in rows:
    run = json.load(open(f"{lab}/runs/{row['id']}/run.json"))
    d, L, T, V, D = (float(row[k]) for k in ("width", "depth", "context", "vocab", "D"))
    N = 12 * L * d * d
    assert run["kind"] == "run" and run["status"] == "done" and run["id"] == row["id"]
    assert (float(row["N"]), float(row["N_matmul"]), float(row["N_all"])) == (N, N + V * d, N + 2 * V * d)
    assert D == float(row["steps"]) * float(row["batch_tokens"]) == run["result"]["tokens"]
    assert abs(D - run["config"]["tokens"]) <= float(row["batch_tokens"]) / 2
    assert float(row["C"]) == D * (6 * (N + V * d) + 12 * L * d * (T + 1) / 2) and float(row["C_6ND"]) == 6 * N * D
    assert float(row["loss"]) == run["result"]["loss"] and float(row["loss_error"]) == run["result"]["loss_error"]
    assert row["bits_per_byte"] == "nan"
    reason = "short" if int(row["steps"]) < 200 else "" if float(row["loss"]) < entropy["bigram"] else "above_bigram"
    assert row["reason"] == reason and row["fit"] == str(int(not reason)), (row, entropy)
    # No model can know more than the source does.
    assert float(row["loss"]) > entropy["rate"] - 5 * float(row["loss_error"])
# Losses fall along every rung, and from rung to rung at every horizon.
losses = [[float(row["loss"]) for row in rows[first:first + 4]] for first in (0, 4, 8)]
for row in losses + list(zip(*losses)):
    assert list(row) == sorted(row, reverse=True), losses
END
	holds 'samples.json: the largest run, and the true continuation' python3 - "$scratch/lab" <<'END'
import csv, json, sys
lab = sys.argv[1]
sample = json.load(open(lab + "/samples.json"))
row = list(csv.DictReader(open(lab + "/points.csv")))[-1]
assert (sample["id"], sample["width"], sample["depth"], sample["tokens"]) == (row["id"], 32, 2, 320000)
assert len(sample["prompt"].split()) == 16 and len(sample["held_out"].split()) == 32
assert sample["generated"] and sample["generated"] != sample["held_out"]
END
	holds 'plan.json is frozen with every default' python3 - "$scratch/lab" "$plan" <<'END'
import json, sys
frozen, asked = json.load(open(sys.argv[1] + "/plan.json")), json.load(open(sys.argv[2]))
assert len(frozen["rungs"]) == len(asked["rungs"]) and frozen["corpus"] == asked["corpus"]
for rung, wanted in zip(frozen["rungs"], asked["rungs"]):
    assert rung["horizons"] == asked["horizons"] and rung["seeds"] == [1] and rung["cooldown"] == 0.2
    assert (rung["width"], rung["depth"], rung["rate"]) == (wanted["width"], wanted["depth"], asked["rate"])
END
	"$rung" plan --plan "$plan" --json >"$scratch/again.json"
	holds 'plan --json: a plan again, with its cost as a comment' python3 - "$scratch/again.json" "$plan" <<'END'
import json, sys
printed, asked = json.load(open(sys.argv[1])), json.load(open(sys.argv[2]))
cost = printed.pop("_cost")
assert printed == asked
assert cost["runs"] == 12 and cost["trunks"] == 3 and cost["short_runs"] == 3 and cost["seconds"] > 0
# 80 % of the largest horizon for the trunk, 20 % of each for the cooldowns (d, L as in the plan, V = 12, T = 32).
flops = sum((0.8 * 320e3 + 0.2 * 600e3) * (6 * (12 * L * d * d + 12 * d) + 12 * L * d * 33 / 2)
            for d, L in ((16, 1), (32, 1), (32, 2)))
assert abs(cost["flops"] / flops - 1) < 0.01, (cost["flops"], flops)
END
	check 'sweep: the printed plan is the same plan' 0 '0 of them now' '' \
		"$rung" sweep --plan "$scratch/again.json" --lab "$scratch/lab"
else
	echo "ok $((number += 1)) - points.csv, samples.json, plan.json # SKIP python3 is not installed"
fi

# ----------------------------------------------------------------------------------------------------- nothing is done twice

find "$scratch/lab" -type f ! -name lock ! -name points.csv -printf '%p %T@ %s\n' | sort >"$scratch/before"
touch "$scratch/lab/points.csv.123-0.tmp" "$(dirname "$(ls "$scratch"/lab/runs/*/run.json | head -n 1)")/state.99-1.tmp" # of killed processes
check 'sweep again: nothing to do' 0 '^12 of 12 runs done, 0 of them now' '' "$rung" sweep --lab "$scratch/lab"
find "$scratch/lab" -type f ! -name lock ! -name points.csv -printf '%p %T@ %s\n' | sort >"$scratch/after"
holds 'no record is touched' cmp "$scratch/before" "$scratch/after"
rm "$scratch/lab/points.csv"
check 'sweep --json: the summary' 0 '"runs": 12, "done": 12, "new": 0, "diverged": 0, "failed": 0' '' \
	"$rung" sweep --lab "$scratch/lab" --json
holds 'points.csv is made again from the records' cmp "$scratch/expected.csv" "$scratch/lab/points.csv"

# ---------------------------------------------------------------------------------------------------------- damaged records

# damage TEXT: into the record of the last point; the run must be made again.
damage() {
	local record
	record=$scratch/lab/runs/$(tail -n 1 "$scratch/expected.csv" | cut -d, -f1)/run.json
	echo "$1" >"$record"
	check "a record that says '$1' is set aside" 0 '^12 of 12 runs done, 1 of them now' \
		'^  set aside as .*/run.json.damaged; the run goes on without it$' "$rung" sweep --lab "$scratch/lab"
	holds 'and the run is made again' cmp "$scratch/expected.csv" "$scratch/lab/points.csv"
	holds 'what it said is kept' grep -qxF -- "$1" "$record.damaged"
}
damage garbage
damage ''
damage '{"id": "0123456789abcdef", "status": "done"}'

# The learning curve of a trunk: a fit says so, a sweep trains it again.
trunk=$(dirname "$(grep -lE '"kind":\s*"trunk"' "$scratch"/lab/runs/*/run.json | head -n 1)")
cp "$trunk/log.jsonl" "$scratch/log.jsonl"
sed -i '3s/"held_out": [0-9]/"held_out": 9/; 2s/"loss": [0-9]/"loss": 7/' "$trunk/log.jsonl"
check 'a fit passes over a changed learning curve, and says so' 0 'the records or curves of 1 run are damaged' '' \
	"$rung" fit "$scratch/lab" --replicates 100 --out "$scratch/fit.json"
check 'a changed learning curve is made again' 0 '^12 of 12 runs done, 0 of them now' \
	'log.jsonl: the hash of its bytes is [0-9a-f]{16}, but the run.s record says' "$rung" sweep --lab "$scratch/lab"
holds 'to the same bytes' cmp "$scratch/log.jsonl" "$trunk/log.jsonl"
holds 'what it was is kept' grep -q '"loss": 7' "$trunk/log.jsonl.damaged"

# The built-in source: it can be made again.
printf x | dd of="$scratch/lab/source.corpus" bs=1 seek=20 conv=notrunc 2>/dev/null
check 'a damaged source names the way out' 3 '' 'remove .*/source.corpus to have it made again: ' "$rung" sweep --lab "$scratch/lab"
rm "$scratch/lab/source.corpus"
check 'and is made again' 0 '^12 of 12 runs done, 0 of them now' '' "$rung" sweep --lab "$scratch/lab"
mv "$scratch/lab/source.corpus" "$scratch/kept"
"$rung" data source markov --vocab 12 --tokens 2000 --held-out-tokens 500 --out "$scratch/lab/source.corpus" >/dev/null 2>&1
check 'nor is another in its place believed' 3 '' 'remove .*/source.corpus to have it made again: .*its hash is' \
	"$rung" sweep --plan "$plan" --lab "$scratch/lab"
check 'nor by the plan that has its hash' 3 '' 'remove .*/source.corpus to have it made again: .*its hash is' \
	"$rung" sweep --plan "$scratch/lab/plan.json" --lab "$scratch/lab"
mv "$scratch/kept" "$scratch/lab/source.corpus"
check 'the plan of the lab by its name' 0 '^12 of 12 runs done, 0 of them now' '' \
	"$rung" sweep --plan "$scratch/lab/plan.json" --lab "$scratch/lab"

# The table: a loss that no record knows, and a row that is gone.
sed -i '3s/,2\.[0-9]*,/,1.5,/' "$scratch/lab/points.csv"
check 'no fit to a table that contradicts its records' 3 '' "points.csv: line 3: loss is 1.5, but the record of that run, runs/" \
	"$rung" fit "$scratch/lab" --replicates 100 --out "$scratch/fit.json"
sed 3d "$scratch/expected.csv" >"$scratch/lab/points.csv"
check 'a row that is gone is told' 0 '' '1 run of .*lab is finished but not in its points.csv' \
	"$rung" fit "$scratch/lab" --replicates 100 --out "$scratch/fit.json"
check 'the table is made again' 0 '' '' "$rung" sweep --lab "$scratch/lab"
holds 'from the records' cmp "$scratch/expected.csv" "$scratch/lab/points.csv"

# ------------------------------------------------------------------------------------------------------ stopped in every way

workers() { cat "/proc/$sweep/task/$sweep/children" 2>/dev/null; }
# holds_trunk: stops the workers where one of them has left the first branch of its trunk; else lets them go on.
holds_trunk() {
	local worker run branches
	for worker in $(workers); do kill -STOP "$worker" 2>/dev/null; done
	for run in $(for worker in $(workers); do tr '\0' '\n' <"/proc/$worker/cmdline" | sed -n 's|/job.json$||p'; done 2>/dev/null); do
		branches=$(compgen -G "$run/branch-*.state.safetensors" | wc -l)
		[ "$branches" -ne 1 ] || return 0
	done
	for worker in $(workers); do kill -CONT "$worker" 2>/dev/null; done
	return 1
}
# start LAB: a sweep in the background, its process in $sweep, held while a trunk has left a branch and has more to come: the workers
# are stopped, and `go` lets them see what was sent to them meanwhile. As in a terminal, it leads a process group.
start() {
	setsid "$rung" sweep --plan "$plan" --lab "$1" >"$scratch/sweep.out" 2>"$scratch/sweep.err" &
	sweep=$!
	until holds_trunk; do
		kill -0 "$sweep" 2>/dev/null || return
	done
	held=$(workers)
}
go() { kill -CONT $held; }
# ends NAME EXPECTED_CODE STDERR_PATTERN: waits for the sweep in the background.
ends() {
	local code good=1
	wait "$sweep"
	code=$?
	[ "$code" -eq "$2" ] || good=0
	grep -qE -- "$3" "$scratch/sweep.err" || good=0
	verdict "$1 (exit code $code)" "$good"
}
goes_on() {
	check "$1: it goes on" 0 '^12 of 12 runs done' '' "$rung" sweep --lab "$scratch/$2"
	holds "$1: the same points, byte for byte" cmp "$scratch/expected.csv" "$scratch/$2/points.csv"
}

start "$scratch/stopped"
check 'a second sweep of the lab is refused' 1 '' "in use by another sweep \(process $sweep on " \
	"$rung" sweep --lab "$scratch/stopped"
kill -INT -- "-$sweep"
go
ends 'Ctrl-C' 130 'interrupted; nothing is lost. Go on with: rung sweep --lab'
holds 'Ctrl-C: the runs stopped after a checkpoint' grep -q 'interrupted at step' "$scratch"/stopped/runs/*/stderr.log
goes_on 'Ctrl-C' stopped

start "$scratch/orphaned"
kill -KILL $held
ends 'killed workers' 1 'trunk .*: ended by signal 9 \(Killed\); its messages: .*/stderr.log'
holds 'killed workers: the line at once has the reason' \
	grep -qE '^failed +d .* trunk +: ended by signal 9 \(Killed\)$' "$scratch/sweep.err"
holds 'killed workers: what waited for them is named' grep -qE 'trunk .*: not begun without it: D [0-9]+k' "$scratch/sweep.err"
holds 'killed workers: what may have happened, and how to go on' \
	grep -qE 'memory ran out .*--workers.* Try again with: rung sweep --lab .*orphaned' "$scratch/sweep.err"
goes_on 'killed workers' orphaned

start "$scratch/beheaded"
go # before: those who stand still get a hang-up from the kernel when their session ends
kill -KILL "$sweep"
wait "$sweep" 2>/dev/null
flock "$scratch/beheaded/lock" true
holds 'a killed sweep: its workers stop after a checkpoint' \
	grep -q 'interrupted at step' "$scratch"/beheaded/runs/*/stderr.log
goes_on 'a killed sweep' beheaded

# ----------------------------------------------------------------------------------------------------------- asked for wrongly

# wrong NAME EXPECTED_CODE PATTERN SED_SCRIPT: the tiny plan with a mistake in it.
wrong() {
	sed -E "$4" "$plan" >"$scratch/wrong.json"
	check "wrong plan: $1" "$2" '' "$3" "$rung" sweep --plan "$scratch/wrong.json" --lab "$scratch/wrong"
}
wrong 'no JSON' 3 'wrong.json:[0-9]+:[0-9]+: not valid JSON' 's/"batch": 8,/"batch": 8/'
wrong 'width 20' 3 'wrong.json: rungs\[2\]: width is 20; heads are 16 wide' 's/"width": 32, "depth": 2/"width": 20, "depth": 2/'
wrong 'an unknown key' 3 'wrong.json: unknown key "rat"; did you mean "rate"' 's/"rate"/"rat"/'
wrong 'a text for a number' 3 "wrong.json: rate is 'fast'" 's/8e-3/"fast"/'
wrong 'horizons that fall' 3 'wrong.json: horizons\[2\] is 50000 after 80000' 's/160e3/50e3/'
wrong 'more tokens than there are' 3 \
	'rungs\[0\], horizon 1300000: .*train split has 5999.*"epochs" is 1; .*"epochs": 3 in the plan.* --json >my.json' \
	's/160e3, 320e3/900e3, 1300e3/'
wrong 'a name of nothing' 3 '"name" must be some characters' 's/"tiny"/""/'
wrong 'a name of two lines' 3 '"name" must be some characters' 's/"tiny"/"a\\nb"/'
sed -E 's/"context"/"corpus_hash": "0123456789abcdef", "context"/' "$plan" >"$scratch/hash.json"
check 'plan: not the corpus that it was made for' 3 '' 'hash.json was made for the corpus 0123456789abcdef' \
	"$rung" plan --plan "$scratch/hash.json"
mkdir "$scratch/tmp"
check 'plan: temporary files where TMPDIR says' 1 '' "nowhere/rung-plan" env TMPDIR="$scratch/tmp/nowhere" "$rung" plan --plan "$plan"
wrong 'an unknown source' 3 'wrong.json: corpus' 's/markov/markow/'
check 'a plan that is not there' 1 '' 'nowhere.json' "$rung" plan --plan "$scratch/nowhere.json"
sed 's/8e-3/4e-3/' "$plan" >"$scratch/other.json"
check 'another plan for the lab: what differs' 2 '' 'rungs\[0\].rate: 0.008 in .*plan.json, 0.004 in .*other.json' \
	"$rung" sweep --plan "$scratch/other.json" --lab "$scratch/lab"
holds 'and the lab is as it was' cmp "$scratch/expected.csv" "$scratch/lab/points.csv"
check 'no plan at all' 2 '' 'holds no plan yet; say what to run: --preset' "$rung" sweep --lab "$scratch/empty"
holds 'no plan at all: no folder is made' test ! -e "$scratch/empty"
check 'a folder that is no lab' 2 '' 'holds no plan yet' "$rung" sweep --lab "$scratch/tmp"
holds 'a folder that is no lab: nothing is put there' test ! -e "$scratch/tmp/lock"
check 'a preset without a corpus' 2 '' 'preset demo names no corpus; name one: --corpus' \
	"$rung" sweep --preset demo --lab "$scratch/empty"
check 'an unknown preset' 2 '' "no preset 'dem'; there are demo, hour, evening" "$rung" plan --preset dem
check 'preset and plan' 2 '' 'exclude each other' "$rung" plan --preset demo --plan "$plan"
check 'not a corpus' 3 '' 'tiny-plan.json' "$rung" sweep --preset demo --corpus "$plan" --lab "$scratch/empty"
check 'no such corpus' 1 '' 'nowhere.corpus, the "corpus" of preset demo: .*--corpus FILE' "$rung" plan --preset demo --corpus "$scratch/nowhere.corpus"

# --------------------------------------------------------------------------------------------------------- cores and threads

# The last run alone, with four micro-batches a step: spare cores become its threads, and change nothing but the time.
sed -E 's/"context": 32/"context": 128/; s/"horizons": .*,$/"horizons": [80e3],/; /"width": 16|"depth": 1/d' "$plan" >"$scratch/one.json"
for cores in 1 3; do
	check "one run, cores to spare: $cores" 0 '^1 of 1 runs done' '' \
		"$rung" sweep --plan "$scratch/one.json" --lab "$scratch/cores$cores" --workers "$cores"
done
holds 'threads change no bit' cmp "$scratch/cores1/points.csv" "$scratch/cores3/points.csv"
team() { # lab, threads: what the record's core-seconds say
	local seconds
	seconds=$(grep -ohE '"(step|core)_seconds":\s*[0-9.e-]+' "$1"/runs/*/run.json | sed 's/.*://' | tr '\n' ' ')
	awk -v threads="$2" '{ ratio = $2 / $1; exit !(ratio > threads - 0.5 && ratio < threads + 0.001) }' <<<"$seconds"
}
holds 'one core, one thread' team "$scratch/cores1" 1
holds 'three cores, three threads' team "$scratch/cores3" 3
"$rung" plan --plan "$scratch/one.json" --workers 3 >"$scratch/table" 2>/dev/null
holds 'plan: the threads are announced' grep -qE '^ +32 +2 +1 .* 1-3$' "$scratch/table"

# ------------------------------------------------------------------------------------------------------------- other corpora

"$rung" data source markov --vocab 12 --tokens 600K --seed 9 --out "$scratch/other.corpus" >/dev/null 2>&1
check 'another corpus for the lab' 3 '' 'plan.json was made for the corpus' \
	"$rung" sweep --lab "$scratch/lab" --corpus "$scratch/other.corpus"
sed -E 's/"corpus": \{[^}]*\}/"corpus": "other.corpus"/; s/"horizons": .*,$/"horizons": [20e3],/' "$plan" >"$scratch/file.json"
check 'a corpus file, named from the plan'\''s folder' 0 '^3 of 3 runs done, 3 of them now' '' \
	"$rung" sweep --plan "$scratch/file.json" --lab "$scratch/file"
mv "$scratch/other.corpus" "$scratch/moved.corpus"
check 'the corpus of a finished lab is gone: it is still finished' 0 '^3 of 3 runs done, 0 of them now' \
	'^note: the corpus .*/other.corpus is gone; what was trained on it is not$' "$rung" sweep --lab "$scratch/file"
rm -r "$(dirname "$(ls "$scratch"/file/runs/*/run.json | head -n 1)")"
check 'the corpus of an unfinished one' 1 '' 'other.corpus, the "corpus" of .*/plan.json: .*where it is now: --corpus FILE' "$rung" sweep --lab "$scratch/file"
check 'the corpus is found again' 0 '1 of them now' '' "$rung" sweep --lab "$scratch/file" --corpus "$scratch/moved.corpus"
cp "$scratch/moved.corpus" "$scratch/third.corpus"
check 'the same plan with the corpus elsewhere is the same plan' 0 '0 of them now' '' \
	"$rung" sweep --plan "$scratch/file.json" --lab "$scratch/file" --corpus "$scratch/third.corpus"
check 'and remembered' 0 '0 of them now' '' "$rung" sweep --lab "$scratch/file"

# Another corpus takes the name of the first while the ladder is under way: its losses are not believed, and with the first one back
# the ladder ends as it would have.
"$rung" data source markov --vocab 12 --tokens 600K --seed 10 --out "$scratch/foreign.corpus" >/dev/null 2>&1
sed -E 's/other.corpus/swapped.corpus/' "$scratch/file.json" >"$scratch/swapped.json"
cp "$scratch/moved.corpus" "$scratch/swapped.corpus"
swap_during_sweep() {
	"$rung" sweep --plan "$scratch/swapped.json" --lab "$scratch/swapped" --workers 1 &
	until [ -e "$scratch/swapped/plan.json" ]; do kill -0 $! || return; done
	mv "$scratch/foreign.corpus" "$scratch/swapped.corpus" # at once, while speeds are still measured
	wait $!
}
check 'another corpus takes the name of the first' 1 '' 'swapped.corpus: its hash is .*, but the ladder was begun with' swap_during_sweep
cp "$scratch/moved.corpus" "$scratch/swapped.corpus"
check 'the first one is back' 0 '^3 of 3 runs done' '' "$rung" sweep --lab "$scratch/swapped"
holds 'and nothing of the other was believed' cmp "$scratch/file/points.csv" "$scratch/swapped/points.csv"

sed -E 's/"rate": 8e-3/"rate": 10, "clip": 0, "warmup_tokens": 0/; /"warmup_tokens": 5e3/d; s/"horizons": .*,$/"horizons": [40e3, 80e3],/' \
	"$plan" >"$scratch/wild.json"
check 'a ladder that diverges: a warning, and points left out' 0 ' runs? done' 'warning: [1-6] runs? diverged' \
	"$rung" sweep --plan "$scratch/wild.json" --lab "$scratch/wild"
holds 'marked in points.csv' grep -qE ',nan,nan,nan,0,diverged$' "$scratch/wild/points.csv"
check 'they are not tried again' 0 '0 of them now' 'warning: [1-6] runs? diverged' "$rung" sweep --lab "$scratch/wild"
# A rate at which nothing is learned in 200 steps: the loss stays where it began, at ln 12, above what pairs of tokens tell.
sed -E 's/"rate": 8e-3/"rate": 1e-9/; s/"horizons": .*,$/"horizons": [51200],/; /"width": 32/d; s/"depth": 1\},/"depth": 1}/' "$plan" >"$scratch/idle.json"
check 'a ladder that learns nothing' 0 '^1 of 1 runs done' '' "$rung" sweep --plan "$scratch/idle.json" --lab "$scratch/idle"
holds 'is left out as well, and it is said why' grep -qE ',2\.4[89][0-9]*,[^,]*,nan,0,above_bigram$' "$scratch/idle/points.csv"

# Lines of many lengths, so that the middle of the held-out text is in the middle of one.
seq 1 4000 | awk '{print $1 " green bottles" substr(" hanging on the wall, and if one of them should fall", 1, $1 * 17 % 50)}' \
	>"$scratch/song.txt"
"$rung" data import "$scratch/song.txt" --out "$scratch/song.corpus" >/dev/null 2>&1
sed -E '/"(corpus|horizons)":/d; /"rungs"/,$d' "$plan" >"$scratch/song.json"
cat >>"$scratch/song.json" <<'END'
  "rungs": [
    {"width": 32, "depth": 1, "horizons": [10e3]},
    {"width": 16, "depth": 1, "horizons": [10e3, 20e3]}
  ]
}
END
check 'text: compressors beside the ladder' 0 '^3 of 3 runs done' '' \
	"$rung" sweep --plan "$scratch/song.json" --corpus "$scratch/song.corpus" --lab "$scratch/song"
holds 'what they say is in corpus.json' grep -q '"after_train"' "$scratch/song/corpus.json"
check 'a plan without a corpus takes the one of the lab' 0 '0 of them now' '' \
	"$rung" sweep --plan "$scratch/song.json" --lab "$scratch/song"
holds 'the sample is of the largest model' grep -q '"width": 32' "$scratch/song/samples.json"
holds 'and begins where a line does' grep -qE '"prompt": "[0-9]+ green' "$scratch/song/samples.json"

# Characters of one to four bytes, and bytes that are no character.
seq 1 4000 | awk '{printf "%d \303\251t\303\251 \342\202\254 \360\237\230\200 \351\n", $1}' >"$scratch/bytes.txt"
"$rung" data import "$scratch/bytes.txt" --tokenizer byte --out "$scratch/bytes.corpus" >/dev/null 2>&1
sed -E '/"(corpus|horizons)":/d; /"rungs"/,$d' "$plan" >"$scratch/bytes.json"
echo '"rungs": [{"width": 16, "depth": 1, "horizons": [10e3]}]}' >>"$scratch/bytes.json"
check 'bytes: a ladder' 0 '^1 of 1 runs? done' '' \
	"$rung" sweep --plan "$scratch/bytes.json" --corpus "$scratch/bytes.corpus" --lab "$scratch/bytes"
if command -v python3 >/dev/null; then
	holds 'bytes: samples.json is UTF-8, with U+FFFD for what is not' python3 - "$scratch/bytes/samples.json" <<'END'
import json, sys
sample = json.load(open(sys.argv[1], encoding="utf-8"))
assert "\u00e9t\u00e9 \u20ac \U0001f600 \ufffd\n" in sample["held_out"], sample
assert sample["generated"]
END
else
	echo "ok $((number += 1)) - samples.json of bytes # SKIP python3 is not installed"
fi

echo "1..$number"
