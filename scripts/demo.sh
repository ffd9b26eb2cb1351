#!/usr/bin/env bash
# What `make demo` runs once ./rung is built: text, ladder, fit, report. Run again, it goes on where it was.
#
#     scripts/demo.sh [--preset NAME] [--lab DIR]      NAME: demo, hour or evening; DIR: labs/NAME
set -euo pipefail
cd "$(dirname "$0")/.."
rung=${RUNG:-./rung}
cache=${RUNG_CACHE:-cache}
preset=demo
lab=""
SECONDS=0 # bash counts

usage() {
	echo "error: $1" >&2
	echo "usage: scripts/demo.sh [--preset demo|hour|evening] [--lab DIR]" >&2
	exit 2
}
while [ $# -gt 0 ]; do
	case $1 in
	--preset | --lab)
		[ -n "${2:-}" ] || usage "$1 needs a value"
		declare "${1#--}=$2"
		shift 2
		;;
	*) usage "unknown argument '$1'" ;;
	esac
done
[ -x "$rung" ] || {
	echo "error: $rung is not built; type 'make' first, or 'make demo' for everything" >&2
	exit 1
}

interrupted() {
	printf '\nStopped after %s. Nothing is lost: run the same command again to go on.\n' "$(elapsed)" >&2
	exit 130
}
trap interrupted INT TERM # runs after the command in the foreground has ended, which gets the signal too

elapsed() { printf '%d min %02d s' $((SECONDS / 60)) $((SECONDS % 60)); }
step=0
banner() { # what, how long
	step=$((step + 1))
	printf '\n=== %d/5 %s (%s)\n' "$step" "$1" "$2" >&2
}
run() {
	local code=0
	printf '    %s\n' "$*" >&2
	"$@" || code=$?
	[ "$code" -ne 130 ] || interrupted
	if [ "$code" -ne 0 ]; then
		printf '\nThe demo stopped: the command above ended with exit code %d.\nRun it again to go on.\n' "$code" >&2
		exit "$code"
	fi
}

case $preset in
demo) ladder_time="under 10 minutes on 2 cores" ;;
hour) ladder_time="about an hour on 2 cores" ;;
evening) ladder_time="a few hours on 2 cores" ;;
*) ladder_time="see the plan" ;;
esac

banner "Text: English prose from Debian packages" "15 s, 1 s when cached"
code=0
stream=$(scripts/corpus.sh --cache "$cache") || code=$?
[ "$code" -ne 130 ] || interrupted

if [ "$code" -eq 0 ]; then
	corpus=$cache/prose.corpus
	lab=${lab:-labs/$preset}
	banner "Corpus: text to tokens, train and held-out" "5 s"
	made_from=$(grep '^stream ' "$cache/prose.manifest")
	if [ -s "$corpus" ] && [ "$(cat "$corpus.from" 2>/dev/null)" = "$made_from" ]; then
		echo "    $corpus is there" >&2
	else
		run "$rung" data import "$stream" --out "$corpus"
		echo "$made_from" >"$corpus.from"
	fi
else
	echo "The text could not be had. Going on with rung's own source:" >&2
	echo "a Markov chain whose entropy is known exactly." >&2
	corpus=$cache/markov.corpus
	lab=${lab:-labs/$preset-markov}
	mkdir -p "$cache"
	banner "Corpus: symbols of known entropy" "5 s"
	if [ -s "$corpus" ]; then
		echo "    $corpus is there" >&2
	else
		# Order 1 would end at the bigram entropy, which points must pass to be fitted; at order 2 and 32 symbols the
		# ladder's sizes and token counts still differ: 3.34 nats at the smallest size, 2.96 in the middle, 2.88 the floor.
		run "$rung" data source markov --order 2 --vocab 32 --tokens 20M --out "$corpus"
	fi
fi

banner "Ladder: all sizes, all token counts" "$ladder_time"
run "$rung" sweep --preset "$preset" --corpus "$corpus" --lab "$lab"

banner "Fit: the scaling law, with intervals" "20 s"
run "$rung" fit "$lab"

banner "Report: the page" "5 s"
run "$rung" report "$lab"

page=$(realpath "$lab/report.html" 2>/dev/null || echo "$lab/report.html")
printf '\nDone in %s. The page: file://%s\n' "$(elapsed)" "$page" >&2
