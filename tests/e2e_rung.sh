#!/usr/bin/env bash
# The program's own door: help, version, mistyped commands, a standard output that cannot be written, and doctor.
. "$(dirname "$0")/tap.sh"
to_full() { "$@" >/dev/full; }
on_small_stack() (ulimit -s 512 && "$@")
in_small_space() (ulimit -v 400000 && "$@") # enough to start in, too little for the threads of OpenBLAS
closed() { "$@" >&-; }

check 'no command: usage on stderr' 2 none '^usage: rung COMMAND' "$rung"
for word in --help help -h; do check "$word" 0 '^usage: rung COMMAND' none "$rung" "$word"; done
check '--version' 0 '^rung [^ ]+$' none "$rung" --version
check 'a mistyped command' 2 none "^error: there is no command 'rung docter'; did you mean 'rung doctor'\?" "$rung" docter
check 'an unknown command' 2 none "^error: there is no command 'rung zebra'; 'rung --help' lists" "$rung" zebra
check 'an unknown option' 2 none '^error: there is no option --jsn; did you mean --json\?' "$rung" doctor --jsn
check 'a number out of range' 2 none '^error: --seconds is 1e9, but must lie between 0.01 and 60' "$rung" doctor --seconds 1e9
check 'too small a stack' 1 none '^error: the stack may grow to 512 KiB only.*ulimit -s 1024' on_small_stack "$rung" --version
case $rung in
*san*) # whose own memory takes terabytes
	echo "ok $((number += 1)) - too small an address space # SKIP the sanitizers do not start there"
	;;
*) check 'too small an address space' 1 none '^error: the address space may grow to 400000 KiB only.*ulimit -v [0-9]+$' \
	in_small_space timeout 60 "$rung" doctor --seconds 0.05 ;;
esac
check 'a full disk is no success' 1 none '^error: cannot write to standard output: No space left' to_full "$rung" --help
check 'a closed standard output is no success' 1 none '^error: cannot write to standard output' closed "$rung" --help
check 'doctor --help shows defaults' 0 '--seconds S .*\[0.5\]' none "$rung" doctor --help
check 'doctor' 0 '^peak +[0-9.]+ GFLOP/s on one core' none "$rung" doctor --seconds 0.05
check 'doctor: who would compute a wide model' 0 '^kernels +at width 512 (avx|portable)' none "$rung" doctor --seconds 0.05
check 'doctor: denormals are flushed in main' 0 '"denormals_flushed": true' none "$rung" doctor --json --seconds 0.05

# Every command in the list answers --help, and its help names it.
while read -r command; do
	check "$command --help" 0 "usage: rung $command" none "$rung" "$command" --help
done < <("$rung" --help | awk '/^  [a-z]/{print $1}')

# A command that waits for its input, before it has begun to watch for signals itself.
mkfifo "$scratch/pipe"
for signal in INT TERM HUP; do
	case $rung in
	*tsan*) # which hands a signal on after the call that it interrupts
		echo "ok $((number += 1)) - SIG$signal in the first moments # SKIP ThreadSanitizer holds signals back"
		continue
		;;
	esac
	check "SIG$signal in the first moments" 130 none '^error: interrupted; the same command begins anew' \
		signalled "$signal" '' env --default-signal=HUP "$rung" fit "$scratch/pipe"
done

check 'an empty argument' 2 none '^error: argument 1 is empty' "$rung" fit ''
check 'an empty file name' 2 none '^error: --corpus FILE is empty: ' "$rung" train --corpus '' --out "$scratch/run"
check 'an empty folder name' 2 none '^error: --out DIR is empty: ' "$rung" train --corpus x --out ''

number=$((number + 1))
if ! command -v python3 >/dev/null; then
	echo "ok $number - doctor --json is JSON # SKIP python3 is not installed"
elif "$rung" doctor --json --seconds 0.05 | python3 -c 'import json, sys
found = json.load(sys.stdin)
assert found["blas_agrees"] is True and found["cores"] >= 1 and found["peak_gflops"] > 0' 2>/dev/null; then
	echo "ok $number - doctor --json is JSON"
else
	echo "not ok $number - doctor --json is JSON"
fi
echo "1..$number"
