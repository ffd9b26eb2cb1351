#!/usr/bin/env bash
# One run as a user meets it: trained, killed at random and resumed, evaluated, sampled, and asked for wrongly.
. "$(dirname "$0")/tap.sh"
cd "$scratch" || exit 1

awk 'BEGIN {
	srand(1)
	count = split("the cat sat on a mat and so did her old dog while rain fell upon green hills beyond our small town", word)
	for (line = 0; line < 8000; line++) {
		for (i = 0; i < 12; i++) printf "%s ", word[1 + int(count * rand())]
		print "."
	}
}' >text.txt
"$rung" data import text.txt --out a.corpus --quiet >/dev/null 2>&1
"$rung" data import text.txt --out bytes.corpus --tokenizer byte --quiet >/dev/null 2>&1
small=(--width 16 --depth 1 --context 64 --batch 2 --tokens 40K --warmup-tokens 4K --eval-tokens 8K --quiet)
train() { "$rung" train --corpus a.corpus "${small[@]}" "$@"; }
member() { tr -d ' ,"' <"$1" | sed -n "s/^\s*$2://p"; }

# ------------------------------------------------------------------------------------------------------- the good way

check 'train' 0 '^held-out loss +[0-9.]+ \+- [0-9.]+ nats per token, [0-9.]+ bits per byte' '' train --out whole
check 'a finished run is not trained again' 0 '^held-out loss' '' train --out whole
check 'train --json' 0 '^\{"event":"done","steps":313,' '' train --out json --json
hash=$(member whole/run.json weights_hash)
holds 'the same config gives the same weights' test "$hash" = "$(member json/run.json weights_hash)"
if command -v flock >/dev/null; then
	mkdir held
	check 'a folder in which somebody trains' 1 '' 'held is in use by another process that trains there' flock -F held \
		"$rung" train --corpus a.corpus "${small[@]}" --out held
	holds 'is left as it is' test -z "$(ls held)"
else
	number=$((number + 1))
	echo "ok $number - a folder in which somebody trains # SKIP flock is not installed"
fi
# Who computes it stands in the record, and others come to another result.
train --out mixed --kernels portable --blas all >/dev/null
holds 'the record names the kernels' grep -q '"name": "portable"' mixed/run.json
holds 'and every product of OpenBLAS' test "$(grep -oE '"(qkv|out|mlp.in|mlp.out|head) (forward|to input|to weight)"' mixed/run.json | wc -l)" = 15
holds 'which changes bits' test "$hash" != "$(member mixed/run.json weights_hash)"
# Stopped after its first checkpoints, and gone on with by a command that does not name them.
begun() { ls begun/step-*.state.safetensors >/dev/null 2>&1; }
"$rung" train --corpus a.corpus "${small[@]}" --out begun --kernels portable --blas all --checkpoint-seconds 0 >/dev/null 2>&1 &
until begun || ! kill -0 $! 2>/dev/null; do :; done
kill -9 $! 2>/dev/null
wait $! 2>/dev/null
# Without its run.json a folder may be another run's, and its only copy.
cp -r begun lost
rm lost/run.json
half=$(basename "$(ls lost/step-*.state.safetensors | tail -n 1)")
mkdir halved weighed finished lab
cp "lost/$half" halved
cp "lost/${half/.state/}" weighed
cp whole/model.safetensors finished
echo '{}' >lab/plan.json
for folder in lost halved weighed finished lab; do
	cp -r $folder $folder.before
	check "a folder with the files of another run, $folder" 3 '' "^error: $folder: holds .*, but no run.json .* take another folder" \
		train --out $folder --rate 0.01
	holds 'is left as it is' diff -r $folder $folder.before
done
check 'its own checkpoints are gone on from without it' 0 '^held-out loss' '' \
	"$rung" train --corpus a.corpus "${small[@]}" --out lost
holds 'to the same weights as ever' test "$(member mixed/run.json weights_hash)" = "$(member lost/run.json weights_hash)"
cp -r whole changed
: >changed/log.jsonl
check 'a finished run whose learning curve was emptied' 3 '' 'remove its folder.*changed/log.jsonl: the hash' train --out changed
cp -r begun noted
state=$(ls noted/step-*.state.safetensors | tail -n 1)
truncate -s 1000 "$state"
check 'a damaged checkpoint is told in JSON, too' 0 '^\{"event":"note","text":"noted/step-[0-9]*.state.safetensors: .*; going on from ' none \
	"$rung" train --corpus a.corpus "${small[@]}" --out noted --json
check 'other kernels than those it was begun with' 2 '' 'was begun with the kernels portable, and OpenBLAS for qkv forward' \
	train --out begun --kernels portable
check 'goes on with those it was begun with' 0 '^held-out loss' '' train --out begun
holds 'to the same weights' test "$(member mixed/run.json weights_hash)" = "$(member begun/run.json weights_hash)"
# Eight micro-batches of 256 tokens a step.
large=(--width 16 --depth 1 --context 64 --batch 32 --tokens 80K --warmup-tokens 4K --eval-tokens 8K --quiet)
for threads in 1 2 3 5; do "$rung" train --corpus a.corpus "${large[@]}" --threads $threads --out threads$threads >/dev/null; done
for threads in 2 3 5; do
	holds "$threads threads change no bit of the weights" test -n "$(member threads1/run.json weights_hash)" -a \
		"$(member threads1/run.json weights_hash)" = "$(member threads$threads/run.json weights_hash)"
	holds "$threads threads change no bit of the learning curve" cmp threads1/log.jsonl threads$threads/log.jsonl
done

# Killed after a random number of milliseconds, again and again until it ends; every step leaves a checkpoint.
RANDOM=7
kills=0
for _ in $(seq 40); do
	"$rung" train --corpus a.corpus "${small[@]}" --out killed --checkpoint-seconds 0 >killed.out 2>&1 &
	child=$!
	(
		sleep "0.$(printf %03d $((30 + RANDOM % 170)))"
		kill -KILL $child
	) 2>/dev/null &
	wait $child 2>/dev/null && break
	kills=$((kills + 1))
done
holds 'a run killed at random moments ends at last' sh -c "'$rung' train --corpus a.corpus ${small[*]} --out killed"
holds "and equals the one never touched, after $kills kills" test "$hash" = "$(member killed/run.json weights_hash)"
holds 'its learning curve too' cmp whole/log.jsonl killed/log.jsonl
holds 'it was killed at least once' test "$kills" -ge 1
holds 'no checkpoint of a finished run stays behind' sh -c '! ls killed/step-* 2>/dev/null'

check 'Ctrl-C' 130 '' '^error: interrupted at step [0-9]+ of [0-9]+; the same command goes on' signalled INT stop \
	"$rung" train --corpus a.corpus --width 64 --tokens 30K --out stop --quiet --depth 8 --context 64 --batch 1 --kernels plain
check 'a terminal that hangs up' 130 '' '^error: interrupted at step [0-9]+ of [0-9]+; the same command goes on' signalled HUP stop env --default-signal=HUP \
	"$rung" train --corpus a.corpus --width 64 --tokens 30K --out stop --quiet --depth 8 --context 64 --batch 1 --kernels plain
check 'one that hangs up under nohup' 0 '^held-out loss' '' signalled HUP nohup env --ignore-signal=HUP \
	"$rung" train --corpus a.corpus "${small[@]}" --tokens 10K --kernels plain --out nohup
check 'eval' 0 '^held-out loss +[0-9.]+ \+- ' '' "$rung" eval whole/model.safetensors --tokens 8K
holds 'eval on the same tokens gives the loss of the record' sh -c \
	"'$rung' eval whole/model.safetensors --tokens 8K | grep -q \"\$(printf 'loss   %.4f' $(member whole/run.json loss | head -1))\""
check 'eval of one sequence: no error can be told' 0 '^held-out loss +[0-9.]+ \(error unknown: one sequence\) nats per token' none \
	"$rung" eval whole/model.safetensors --tokens 1
check 'sample' 0 '^The cat' '' "$rung" sample whole/model.safetensors --prompt 'The cat' --tokens 20
"$rung" sample whole/model.safetensors --tokens 50 --seed 3 >one.txt
"$rung" sample whole/model.safetensors --tokens 50 --seed 3 >two.txt
holds 'a seed gives the same text' cmp one.txt two.txt

# -------------------------------------------------------------------------------------------------- asked for wrongly

check 'no corpus' 2 '' '^error: --corpus is missing' "$rung" train --out x
check 'no folder' 2 '' '^error: --out is missing' "$rung" train --corpus a.corpus
check 'no such corpus' 1 '' '^error: .*nowhere\.corpus' "$rung" train --corpus nowhere.corpus --out x
check 'not a corpus' 3 '' '^error: text\.txt' "$rung" train --corpus text.txt --out x
head -c 3000 a.corpus >cut.corpus
check 'a truncated corpus' 3 '' '^error: cut\.corpus' "$rung" train --corpus cut.corpus --out x
check 'a width that is no multiple of 16' 2 '' 'the width is 40; .* try 32 or 48' train --out x --width 40
check 'more tokens than the corpus has' 2 '' 'tokens are asked for, but .* --epochs [0-9]+' train --out x --tokens 900M
check 'a number that is none' 2 '' '^error: --tokens' train --out x --tokens many
check 'a mistyped option' 2 '' 'did you mean --width' train --out x --widht 32
check 'kernels that do not exist' 2 '' 'must be auto, avx512' train --out x --kernels gpu
check 'a context longer than the held-out split' 3 '' 'held-out split has [0-9]+ tokens' train --out x --context 60K
echo '{"config": {"width": 32,}' >bad.json
check 'a job file that is no JSON' 3 '' 'bad\.json:1:2[0-9]' "$rung" train --job bad.json
check 'a divergent run' 4 '' 'diverged at step' train --out far --rate 10 --clip 0 --warmup-tokens 0
check 'is remembered' 4 '' 'diverged before, after [0-9]+ steps' train --out far --rate 10 --clip 0 --warmup-tokens 0
check 'another config in the same folder' 3 '' 'whole/run\.json' train --out whole --width 32
check 'a folder that cannot be made' 2 '' 'text\.txt: a file of that name is in the way' train --out text.txt/run
case $rung in
*tsan*) echo "ok $((number += 1)) - a full disk # SKIP ThreadSanitizer needs larger files than that" ;;
*) check 'a full disk' 1 '' '^error: ' sh -c "ulimit -f 20; '$rung' train --corpus a.corpus --width 64 --depth 4 --context 64 --tokens 4K --out full --quiet" ;;
esac
check 'leaves a run that can go on' 0 '^held-out loss' '' \
	"$rung" train --corpus a.corpus --width 64 --depth 4 --context 64 --tokens 4K --out full --quiet
check 'eval without a checkpoint' 2 '' 'expected one checkpoint' "$rung" eval
check 'eval of what is no checkpoint' 3 '' 'a\.corpus' "$rung" eval a.corpus
check 'eval with a corpus of another vocabulary' 3 '' 'vocabulary of 96, but the corpus has 256' \
	"$rung" eval whole/model.safetensors --corpus bytes.corpus
head -c 5000 whole/model.safetensors >cut.safetensors
mkdir -p elsewhere && head -n 4000 text.txt >elsewhere/half.txt
"$rung" data import elsewhere/half.txt --out elsewhere/half.corpus --quiet >/dev/null 2>&1
check 'eval finds the corpus of the training from anywhere' 0 '^held-out loss' '' sh -c "cd elsewhere && '$rung' eval ../whole/model.safetensors --tokens 1K"
mv a.corpus kept.corpus && cp elsewhere/half.corpus a.corpus
check 'eval refuses another corpus in its place' 3 '' 'was trained on a corpus with the hash' "$rung" eval whole/model.safetensors
rm a.corpus
check 'eval says how to name a corpus that has moved' 1 '' '\-\-corpus FILE' "$rung" eval whole/model.safetensors
mv kept.corpus a.corpus
check 'a run that could not begin' 2 '' 'asked for' train --out later --tokens 900M
check 'leaves its folder to another' 0 '^held-out loss' '' train --out later --tokens 4K
"$rung" data source markov --out known.corpus --tokens 20K --held-out-tokens 4K >/dev/null 2>&1
"$rung" train --corpus known.corpus "${small[@]}" --tokens 8K --out symbols >/dev/null 2>&1
check 'symbols keep their spaces' 0 '^1 2 3( [0-9]+){5}$' '' "$rung" sample symbols/model.safetensors --prompt '1 2 3' --tokens 5
check 'symbols need no prompt' 0 '^0( [0-9]+){5}$' '' "$rung" sample symbols/model.safetensors --tokens 5
check 'an interrupted sample' 130 '^The ' '^error: interrupted' \
	signalled INT a.corpus "$rung" sample whole/model.safetensors --tokens 100M
check 'a truncated checkpoint' 3 '' 'cut\.safetensors' "$rung" eval cut.safetensors
check 'an empty prompt is none' 0 '^The ' '' "$rung" sample whole/model.safetensors --prompt '' --tokens 5
echo "1..$number"
