#!/usr/bin/env bash
# rung report as a user runs it: on finished, unfinished and bare labs, with figures, and with what goes wrong.
set -uo pipefail
rung=${rung:-./rung}
here=$(cd "$(dirname "$0")" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
number=0
if ! command -v python3 >/dev/null; then
	echo "ok 1 - the report # SKIP python3 makes the labs of this test and is not installed"
	exit 0
fi
lab() { python3 "$here/make_lab.py" "$scratch/$1" "${@:2}" || exit 1; }

# ok NAME COMMAND...: the command must succeed.
ok() {
	local name=$1
	shift
	number=$((number + 1))
	if "$@" >"$scratch/log" 2>&1; then
		echo "ok $number - $name"
	else
		echo "not ok $number - $name"
		sed 's/^/# /' "$scratch/log" "$scratch/out" "$scratch/err" | head -n 40
	fi
}
# says CODE STDOUT STDERR COMMAND...: exit code and extended patterns; '' means that nothing may be printed there.
says() {
	local expected=$1 out=$2 err=$3 code
	shift 3
	"$@" >"$scratch/out" 2>"$scratch/err"
	code=$?
	echo "exit code $code, expected $expected"
	[ "$code" -eq "$expected" ] || return 1
	if [ -n "$out" ]; then grep -qE -- "$out" "$scratch/out" || return 1; else [ ! -s "$scratch/out" ] || return 1; fi
	if [ -n "$err" ]; then grep -qE -- "$err" "$scratch/err"; else [ ! -s "$scratch/err" ]; fi
}

lab text
lab markov --source markov
lab open --unfinished
lab bare --without fit.json,corpus.json,samples.json,plan.json,runs
lab hostile --hostile
lab few --rungs 2 --horizons 3 --without fit.json
lab many --rungs 10 --horizons 30 --rows 400

ok 'a finished lab: page, summary, no notes' says 0 'to the power -0\.322' '' "$rung" report "$scratch/text"
ok 'the page stands in the lab' test -s "$scratch/text/report.html"
ok 'lines of the summary fit 80 columns' awk 'NR > 2 && length($0) > 80 {exit 1}' "$scratch/out"
ok '--out' says 0 "^$scratch/x.html: " '' "$rung" report "$scratch/text" --out "$scratch/x.html"
ok 'the same lab gives the same page' cmp "$scratch/text/report.html" "$scratch/x.html"
ok 'a source with a known floor' says 0 'rate of this source is 1\.190|inside the interval of E' '' "$rung" report "$scratch/markov"
ok 'an unfinished ladder is fitted on the way' says 0 'The curve levels off at E = 1\.(1[89]|2)' "fitted for this page alone; 'rung fit " "$rung" report "$scratch/open"
ok 'it says that runs are open' grep -q "30 of 35 planned runs are finished; 'rung sweep" "$scratch/err"
ok 'and does not keep the fit' test ! -e "$scratch/open/fit.json"
ok 'points.csv alone is enough' says 0 'The lowest held-out loss' 'no records in runs/' "$rung" report "$scratch/bare"
ok 'too few rungs for a law' says 0 'The lowest held-out loss' 'fitted for this page alone' "$rung" report "$scratch/few"
ok 'many runs with long logs' says 0 '300 finished runs, 10 rungs' '' "$rung" report "$scratch/many"
size=$(wc -c <"$scratch/many/report.html")
ok "their page stays small: $size bytes" test "$size" -lt 2500000

ok '--json' says 0 '"report": ?' '' "$rung" report "$scratch/text" --json
ok '--json is JSON with the headline' python3 -c '
import json, sys
answer = json.load(open(sys.argv[1]))
assert answer["report"] == sys.argv[2] + "/report.html", answer
assert len(answer["headline"]) == 4 and not answer["missing"] and not answer["figures"], answer' "$scratch/out" "$scratch/text"

# The document inside the page, read as a browser would: the script element ends at its first end tag.
cat >"$scratch/document.py" <<'END'
import html.parser, json, sys
class Page(html.parser.HTMLParser):
    data, inside, scripts, foreign = "", False, 0, []
    def handle_starttag(self, tag, attributes):
        names = dict(attributes)
        self.inside = names.get("id") == "data"
        self.scripts += tag == "script"
        self.foreign += [v for k, v in attributes if k in ("src", "href") and not v.startswith("#")]
    def handle_endtag(self, tag):
        self.inside = False
    def handle_data(self, data):
        if self.inside: self.data += data
page = Page()
page.feed(open(sys.argv[1], encoding="utf-8").read())
document = json.loads(page.data)
assert page.scripts == 3 and not page.foreign, (page.scripts, page.foreign)
lab = sys.argv[2]
for name in ("fit", "corpus", "samples", "plan"):
    assert document[name] == json.load(open(f"{lab}/{name}.json", encoding="utf-8")), name
assert len(document["points"]) == sum(1 for _ in open(f"{lab}/points.csv")) - 1
END
ok 'the page holds the lab, whole' python3 "$scratch/document.py" "$scratch/text/report.html" "$scratch/text"
ok 'a hostile lab' says 0 'to the power -0' '' "$rung" report "$scratch/hostile"
ok 'its texts stay texts' python3 "$scratch/document.py" "$scratch/hostile/report.html" "$scratch/hostile"

if command -v gnuplot >/dev/null; then
	ok '--figures' says 0 'each as .svg and .pdf' '' "$rung" report "$scratch/text" --figures "$scratch/figures"
	all="learning-curves loss-N loss-D loss-C isoflop residuals profile-E overview"
	whole() {
		local name
		for name in $all; do
			head -c 5 "$scratch/figures/$name.pdf" | grep -q '%PDF-' || { echo "$name.pdf"; return 1; }
			python3 -c 'import sys, xml.dom.minidom as m; m.parse(sys.argv[1])' "$scratch/figures/$name.svg" || return 1
			[ "$(wc -c <"$scratch/figures/$name.svg")" -gt 8000 ] || { echo "$name.svg is nearly empty"; return 1; }
		done
	}
	ok 'every figure is there and well formed' whole
	redraw() { cd "$scratch/figures" && rm loss-C.svg && gnuplot loss-C.gp && test -s loss-C.svg; }
	ok 'a script draws its figure again by hand' redraw
	ok 'figures of a ladder without a law' says 0 'loss-N, loss-D, loss-C' 'note' "$rung" report "$scratch/few" --figures "$scratch/some"
	lab floorless
	python3 -c '
import json, sys
fit = json.load(open(sys.argv[1]))
p = fit["parameters"]
p["E"], fit["profile_E"]["interval"] = 0, [0, 0.4]
for r in fit["residuals"]: r["predicted"] = p["A"] * r["N"] ** -p["alpha"] + p["B"] * r["D"] ** -p["beta"]
json.dump(fit, open(sys.argv[1], "w"))' "$scratch/floorless/fit.json"
	ok 'a law without a floor' says 0 'overview; each' '' "$rung" report "$scratch/floorless" --figures "$scratch/floorless"
	ok 'draws none, on a log axis still' grep -q 'set logscale y' "$scratch/floorless/overview.gp"
	ok 'none that there are no data for' test ! -e "$scratch/some/isoflop.gp"
else
	number=$((number + 1))
	echo "ok $number - figures # SKIP gnuplot is not installed"
fi

lab stale
python3 -c '
import csv, sys
rows = list(csv.DictReader(open(sys.argv[1], newline="")))
for row in rows: row["loss"] = repr(1.3 * float(row["loss"]))
with open(sys.argv[1], "w", newline="") as file:
    writer = csv.DictWriter(file, rows[0].keys())
    writer.writeheader()
    writer.writerows(rows)' "$scratch/stale/points.csv"
ok 'a table that contradicts its records is refused' says 3 '' 'points.csv: line 2: loss is .*, but the record of that run' "$rung" report "$scratch/stale"
rm -r "$scratch/stale/runs"
ok 'a fit of other losses is made anew' says 0 'levels off at E = 1\.' 'not of these points .points.csv, line [0-9]+: loss is .*for this page alone' "$rung" report "$scratch/stale"
ok 'the page says so too' grep -q 'fit.json is not of these points' "$scratch/stale/report.html"
lab damaged
for name in corpus samples fit; do echo '{}' >"$scratch/damaged/$name.json"; done
ok 'damaged files are told' says 0 'levels off at E = 1\.' "corpus.json is damaged: 'held_out.tokens' is missing" "$rung" report "$scratch/damaged"
ok 'every one of them' grep -q "samples.json is damaged: 'prompt' is missing" "$scratch/err"
ok 'and the law is fitted anew' grep -q "fit.json is damaged: 'format' is missing.*for this page alone" "$scratch/err"
lab other
"$rung" fit "$scratch/other" --fix alpha=0.3 --out "$scratch/other/fit.json" >/dev/null 2>&1
ok 'a fit of another kind is not damage' says 0 'levels off at E = 1\.' 'holds another fit, L\(N, D\) = E .*for this page alone' "$rung" report "$scratch/other"

ok '--help' says 0 'usage: rung report LAB' '' "$rung" report --help
ok 'no lab named' says 2 '' 'takes one lab folder, found 0' "$rung" report
ok 'no such lab' says 3 '' 'there is no such lab folder' "$rung" report "$scratch/none"
ok 'a table in the place of its lab' says 3 '' "points.csv is not a folder; 'rung report' takes the lab folder" "$rung" report "$scratch/text/points.csv"
ok 'not a lab' says 3 '' 'no points.csv' "$rung" report "$scratch"
mkdir "$scratch/bad" && echo 'id,width' >"$scratch/bad/points.csv"
ok 'a broken table' says 3 '' "points.csv: line 1: there is no column 'depth'" "$rung" report "$scratch/bad"
ok 'no folder to write to' says 1 '' 'no-such-folder' "$rung" report "$scratch/text" --out "$scratch/no-such-folder/x.html"

# In a browser, where there is one: the script runs to its end and complains of nothing.
browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)
look() {
	timeout 60 "$browser" --headless --no-sandbox --disable-gpu --disable-background-networking --user-data-dir="$scratch/profile" \
		--virtual-time-budget=2000 --enable-logging=stderr --dump-dom "file://$1" >"$scratch/dom" 2>"$scratch/console"
}
if [ -n "$browser" ] && look "$scratch/text/report.html" && grep -q '</html>' "$scratch/dom"; then
	shown() { # the page that was looked at last has this many charts, and nothing went wrong
		! grep -E 'CONSOLE|Uncaught' "$scratch/console" || return 1
		grep -q 'Drawn by rung' "$scratch/dom" || { echo 'the script stopped before the footer'; return 1; }
		! grep -q '<strong>A part of this page could not be drawn' "$scratch/dom" || { echo 'a part is missing'; return 1; }
		[ "$(grep -o '<canvas' "$scratch/dom" | wc -l)" -eq "$1" ] || { echo "expected $1 charts"; return 1; }
	}
	drawn() { look "$scratch/$1/report.html" && shown "$2"; }
	ok 'the page draws its nine charts' shown 9
	ok 'and those of a synthetic source' drawn markov 9
	ok 'and those of an unfinished ladder' drawn open 9
	ok 'and those of too few rungs' drawn few 5
	ok 'and a hostile lab, whose scripts do not run' drawn hostile 9
	ok 'its title is its own' grep -q '<title>hostile · scaling laws</title>' "$scratch/dom"
	lab partial
	python3 -c '
import json, sys
fit = json.load(open(sys.argv[1]))
kept = {key: fit[key] for key in ("format", "law", "parameters", "residuals", "text")}
json.dump({**kept, "laws": [{}], "isoflop": [{"C": 1}], "prediction": {"points": [{}]}}, open(sys.argv[1], "w"))' "$scratch/partial/fit.json"
	partial() {
		"$rung" report "$scratch/partial" && look "$scratch/partial/report.html" && grep -q 'Drawn by rung' "$scratch/dom" &&
			[ "$(grep -o '<canvas' "$scratch/dom" | wc -l)" -ge 5 ]
	}
	ok 'a fit.json with holes takes no other part along' partial
else
	number=$((number + 1))
	echo "ok $number - the page in a browser # SKIP there is no chromium that starts"
fi
echo "1..$number"
