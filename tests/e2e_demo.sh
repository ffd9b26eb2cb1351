#!/usr/bin/env bash
# What scripts/demo.sh does around the program: order of the steps, going on, the way without a network, stopping. The
# program and the corpus recipe are stand-ins that write down how they were called.
# shellcheck source=tests/tap.sh
source "$(dirname "$0")/tap.sh"
work=$scratch/work
mkdir -p "$work/scripts" "$work/bin"
cp scripts/demo.sh "$work/scripts/"

cat >"$work/scripts/corpus.sh" <<'END'
#!/usr/bin/env bash
[ "${CORPUS_FAILS:-0}" -eq 0 ] || { echo "error: no network" >&2; exit "$CORPUS_FAILS"; }
mkdir -p "$2"
echo "stream ${STREAM:-1} 5 bytes" >"$2/prose.manifest"
echo text >"$2/prose.jsonl.zst"
echo "$2/prose.jsonl.zst"
END
cat >"$work/bin/rung" <<'END'
#!/usr/bin/env bash
echo "rung $*" >>"$CALLS"
[ "$1" != "${STOP_AT:-}" ] || exit "$STOP_CODE"
while [ $# -gt 0 ]; do
	case $1 in
	--out) echo corpus >"$2" ;;
	report) mkdir -p "$2" && echo page >"$2/report.html" ;;
	esac
	shift
done
END
chmod +x "$work/scripts/corpus.sh" "$work/bin/rung"

demo() {
	: >"$work/calls"
	CALLS=$work/calls RUNG=$work/bin/rung RUNG_CACHE=$work/cache "$work/scripts/demo.sh" "$@" >"$scratch/out" 2>&1
	code=$?
	sed -i "s|$work/||g" "$work/calls"
	sed 's/^/called: /' "$work/calls" >"$scratch/err"
}
expect() { # description, exit code, what the output says, the calls
	local good=0
	[ "$code" -eq "$2" ] && says "$3" "$scratch/out" && [ "$(cat "$work/calls")" = "$4" ] && good=1
	verdict "$1 (exit code $code)" $good
}
import="rung data import cache/prose.jsonl.zst --out cache/prose.corpus"
rest="rung sweep --preset demo --corpus cache/prose.corpus --lab labs/demo
rung fit labs/demo
rung report labs/demo"

demo
expect "text, ladder, fit, report, in this order" 0 "page: file://.*/labs/demo/report.html" "$import
$rest"
demo
expect "a corpus that is there is not made again" 0 "cache/prose.corpus is there" "$rest"
STREAM=2 demo
expect "another stream of text gives another corpus" 0 "Done in" "$import
$rest"
demo --preset hour --lab other
expect "preset and lab can be chosen" 0 "page: file://.*/other/report.html" "$import
rung sweep --preset hour --corpus cache/prose.corpus --lab other
rung fit other
rung report other"

STOP_AT=sweep STOP_CODE=130 demo
expect "an interrupted ladder ends the demo and says how to go on" 130 "Nothing is lost" "${rest%%$'\n'*}"
STOP_AT=fit STOP_CODE=3 demo
expect "a failing step ends the demo with its exit code" 3 "exit code 3" "${rest%$'\n'*}"
CORPUS_FAILS=130 demo
expect "an interrupted fetch is not a failed one" 130 "Nothing is lost" ""

rm -rf "$work/cache"
CORPUS_FAILS=3 demo
expect "without the text it goes on with a source of its own, in another lab" 0 "The text could not be had" \
	"$(grep 'rung data source markov .*--out cache/markov.corpus' "$work/calls" || echo none)
rung sweep --preset demo --corpus cache/markov.corpus --lab labs/demo-markov
rung fit labs/demo-markov
rung report labs/demo-markov"

rm "$work/bin/rung"
demo
expect "without the program it says how to build it" 1 "type 'make' first" ""
demo --nonsense
expect "an unknown option is a usage error" 2 "unknown argument '--nonsense'" ""
echo "1..$number"
