#!/usr/bin/env bash
# Disks that are really full, files that may not grow, and folders that cannot be written: a small file system in memory, which
# nobody but this script sees. Every command ends with a message that names the file, leaves what was there, and does what it
# was to do as soon as there is room.
if [ -z "${inside:-}" ]; then
	if unshare -rm sh -c 'mount -t tmpfs none /mnt' 2>/dev/null; then inside=1 exec unshare -rm bash "$0"; fi
	echo "ok 1 - full disks # SKIP nobody may mount a file system here"
	exit 0
fi
. "$(dirname "$0")/tap.sh"
export OMP_NUM_THREADS=1
disk=$scratch/disk before=$scratch/before after=$scratch/after
mkdir "$disk"
mount -t tmpfs -o size=8m none "$disk"
trap 'umount "$disk"; rm -rf "$scratch"' EXIT

# What a command has to leave: the bytes of files, and of a record the hash of its weights.
digest() {
	(cd "$1" && find . -type f ! -name filler ! -name lock ! -name job.json ! -name speed.json ! -name '*.log' ! -name '*.tmp' \
		! -name run.json ! -name 'branch-*' -exec md5sum {} + | sort -k 2
	find . -name run.json -exec grep -H weights_hash {} + | sort)
}
begin_again() {
	find "$disk" -mindepth 1 -delete
	cp -a "$before/." "$disk/"
}

# Everything that was there before is as it was, or as it was to become.
intact() {
	digest "$before" | cat - "$scratch/expected" >"$scratch/allowed"
	digest "$disk" >"$scratch/now"
	while read -r _ file; do
		grep -qF " $file" "$scratch/now" || return 1
	done < <(digest "$before" | grep -v weights_hash)
	grep -vxFf "$scratch/allowed" "$scratch/now" | grep -vE '/(step-|model\.|log\.jsonl|samples\.json|points\.csv|corpus\.json|kernels\.json)' >"$scratch/strange"
	[ ! -s "$scratch/strange" ]
}

# tried CODE: after a command under some limit. Good when it is done, or has said what is missing and can be done afterwards.
tried() {
	local code=$1
	shift
	if [ "$code" -eq 0 ]; then
		done_count=$((done_count + 1))
		digest "$disk" | cmp -s - "$scratch/expected" || { good=0; echo "# said that it was done"; }
	else
		failed_count=$((failed_count + 1))
		[ "$code" -eq 1 ] || { good=0; echo "# exit code $code"; }
		grep -qE "error: .*$disk.*$reason" "$scratch/err" || { good=0; sed 's/^/# says: /' "$scratch/err"; }
		intact || { good=0; sed 's/^/# strange: /' "$scratch/strange"; }
	fi
	rm -f "$disk/filler"
	"$@" >"$scratch/out" 2>&1 || { good=0; echo "# not afterwards"; }
	digest "$disk" | cmp -s - "$scratch/expected" || { good=0; echo "# other bytes afterwards"; }
}

# limits NAME COMMAND...: from a full disk to one with room enough, from files of no bytes to some of all, and read-only.
limits() {
	local name=$1 room largest free
	shift
	begin_again
	"$@" >"$scratch/out" 2>"$scratch/err" || { verdict "$name, in peace" 0; return; }
	digest "$disk" >"$scratch/expected"
	room=$(($(du -sk "$disk" | cut -f1) - $(du -sk "$before" | cut -f1) + 64))
	largest=$(find "$disk" -type f -printf '%k\n' | sort -n | tail -1)

	good=1 done_count=0 failed_count=0 reason='(No space left on device|needed)'
	for part in 0 3 6 99; do
		begin_again
		free=$((room * part / 8))
		dd if=/dev/zero of="$disk/filler" bs=1k count=$(($(df --output=avail -k "$disk" | tail -1) - free)) 2>/dev/null
		"$@" >"$scratch/out" 2>"$scratch/err"
		tried $? "$@"
	done
	[ "$failed_count" -gt 0 ] && [ "$done_count" -gt 0 ] || good=0
	verdict "$name: a disk that is full, $failed_count times of 4" "$good"

	good=1 done_count=0 failed_count=0 reason='(File too large|needed)'
	for part in 0 2 99; do
		begin_again
		(
			ulimit -f $((largest * part / 3))
			"$@" 2>&1 | cat
			exit "${PIPESTATUS[0]}"
		) | cat >"$scratch/err"
		tried "${PIPESTATUS[0]}" "$@"
	done
	[ "$failed_count" -gt 0 ] && [ "$done_count" -gt 0 ] || good=0
	case $rung in
	*tsan*) echo "ok $((number += 1)) - $name: files that may not grow # SKIP ThreadSanitizer needs larger files than that" ;;
	*) verdict "$name: files that may not grow, $failed_count times of 3" "$good" ;;
	esac

	good=1 done_count=0 failed_count=0 reason='Read-only file system'
	begin_again
	mount -o remount,ro "$disk"
	"$@" >"$scratch/out" 2>"$scratch/err"
	code=$?
	mount -o remount,rw "$disk"
	tried $code "$@"
	[ "$failed_count" -eq 1 ] || good=0
	verdict "$name: a disk that cannot be written" "$good"
}

inputs=$scratch/in
mkdir "$inputs"
seq 1 20000 | sed 's/$/ green bottles hanging on the wall/' >"$inputs/text.txt"
seq 1 4000 | sed 's/$/ sheep/' >"$inputs/old.txt"
"$rung" data source markov --vocab 12 --tokens 30K --held-out-tokens 4K --out "$inputs/m.corpus" >/dev/null 2>&1
echo '{"name": "n", "corpus": {"source": "markov", "vocab": 12, "tokens": 30000, "held_out_tokens": 4000}, "context": 16, "batch": 2,
"warmup_tokens": 64, "eval_tokens": 64, "curve_tokens": 32, "horizons": [128, 192], "sample": {"prompt": 4, "tokens": 8},
"rungs": [{"width": 32, "depth": 2}]}' >"$inputs/plan.json"

mkdir "$before"
"$rung" data import "$inputs/old.txt" --out "$before/a.corpus" --quiet >/dev/null 2>&1
limits 'import' "$rung" data import "$inputs/text.txt" --out "$disk/a.corpus" --quiet

rm -rf "$before" && mkdir -p "$before"
limits 'train' "$rung" train --corpus "$inputs/m.corpus" --width 32 --depth 2 --context 16 --batch 2 --tokens 256 --eval-tokens 64 \
	--curve-tokens 32 --warmup-tokens 64 --checkpoint-seconds 0 --out "$disk/run" --quiet

limits 'sweep' "$rung" sweep --plan "$inputs/plan.json" --lab "$disk/lab" --workers 1 --checkpoint-seconds 0 --quiet

"$rung" sweep --plan "$inputs/plan.json" --lab "$before/lab" --workers 1 --quiet >/dev/null 2>&1
awk 'BEGIN {print "id,width,depth,N,D,C,loss,fit,reason"; for (i = 1; i <= 3; i++) for (j = 1; j <= 3; j++) {
	N = 1000 * 4^i; D = 1e5 * 3^j; printf "%016x,%d,1,%d,%d,%g,%.6f,1,\n", i * 16 + j, i, N, D, 6 * N * D, 1.5 + 5 / N^0.3 + 20 / D^0.35}}' \
	>"$before/lab/points.csv"
"$rung" fit "$before/lab" --replicates 100 >/dev/null 2>&1
fit=("$rung" fit --fix E=1.5 --replicates 100) # a quick one
"${fit[@]}" "$before/lab" --random-seed 9 --out "$before/fixed.json" >/dev/null 2>&1
limits 'fit' "${fit[@]}" "$disk/lab" --out "$disk/fixed.json"
echo old >"$before/lab/report.html"
limits 'report' "$rung" report "$disk/lab" --out "$disk/lab/report.html"
echo "1..$number"
