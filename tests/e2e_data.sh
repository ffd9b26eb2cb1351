#!/usr/bin/env bash
# rung data as a user runs it: texts of every kind in, corpora out, info, compress, and what happens to wrong input.
source "$(dirname "$0")/tap.sh"
here=$PWD/tests
cd "$scratch" || exit 1 # where tap.sh leaves what a command said: out and err

import() { "$rung" data import --quiet "$@"; }
hash_of() { "$rung" data info --json "$1" | sed -nE 's/^\t"hash": *"([0-9a-f]{16})".*/\1/p'; }

# Paragraphs of numbered words: 60 documents as files, as JSON lines, and in one text.
mkdir texts
awk 'BEGIN {
	srand(1)
	for (d = 0; d < 60; d++) {
		file = sprintf("texts/%02d.txt", d)
		json = "{\"text\": \""
		for (p = 0; p < 8; p++) {
			for (w = 0; w < 40; w++) {
				word = "w" int(rand() * rand() * 5000)
				printf "%s%s", word, w % 10 == 9 ? "\n" : " " > file
				json = json word (w % 10 == 9 ? "\\n" : " ")
			}
			printf "\n" > file
			json = json "\\n"
		}
		close(file)
		print json "\"}" > "all.jsonl"
	}
}'
cat texts/*.txt >one.txt
gzip -k one.txt all.jsonl
zstd -q one.txt all.jsonl

cp one.txt own.txt
ln -s own.txt link.txt
for out in own.txt link.txt ./own.txt; do
	check "a text as its own corpus, $out" 2 '' "--out $out: is the text own.txt itself" import own.txt --out "$out"
done
check 'read from standard input' 2 '' '--out own.txt: is the text standard input itself' sh -c "'$rung' data import - --out own.txt <own.txt"
cp -r texts mine
first=$(find mine -type f | sort | head -n 1)
check 'as one of a folder' 2 '' "--out $first: is the text $first itself" import mine --out "$first"
ln -s ../own.txt mine/zz.txt
check 'through a link in a folder' 2 '' '--out own.txt: is the text mine/zz.txt itself' import mine --out own.txt
rm mine/zz.txt
holds 'is left as it was' cmp one.txt own.txt
holds 'and the folder' diff -r texts mine
import mine --out mine/own.corpus >/dev/null 2>&1
check 'a corpus in the folder of its texts can be made again' 0 '' '' import mine --out mine/own.corpus
check 'a folder' 0 '^folder.corpus: char, V = 96$' '' import texts --out folder.corpus
check 'info checks every frame' 0 'frames +[0-9]+ of train, 1 held out: all checked' '' "$rung" data info folder.corpus
wanted=$(hash_of folder.corpus)
for input in all.jsonl all.jsonl.gz all.jsonl.zst; do
	import "$input" --out other.corpus >out 2>err
	verdict "$input gives the same corpus" $([ -n "$wanted" ] && [ "$(hash_of other.corpus)" = "$wanted" ]; echo $((1 - $?)))
done
import --jsonl - --out other.corpus <all.jsonl.zst >out 2>err
verdict 'so do JSON lines on standard input, compressed' $([ "$(hash_of other.corpus)" = "$wanted" ]; echo $((1 - $?)))
import --jsonl --field text - --out other.corpus < <(gzip -dc all.jsonl.gz) >out 2>err
verdict 'and through a pipe' $([ "$(hash_of other.corpus)" = "$wanted" ]; echo $((1 - $?)))

for command in '' import source info compress; do
	holds "data $command --help: no line is wider than a terminal" \
		bash -o pipefail -c '"$@" | awk "length > 80 {wide = 1} END {exit wide || NR < 5}"' - "$rung" data $command --help
done
# A paragraph of its own for every clause: a repeat, a character that folds, one that does not, a byte that is no UTF-8.
mkdir clauses
for i in 1 2 3 4 5 6 7 8 9; do cat one.txt; printf 'caf\303\251 \342\230\203 \351 %d\n' $i; done >clauses/all.txt
: >clauses/nothing.txt
import clauses --out clauses.corpus >report 2>&1
holds 'the report of an import: no line is wider than a terminal' awk 'length > 80 {wide = 1; print} END {exit wide || NR < 5}' report
holds 'the report of an import: what repeats' grep -qE '^ +[0-9]+ that repeat an earlier one; [0-9.]+ .?i?B together$' report
holds 'the report of an import: one of something' grep -qE ' note +1 document had no text$' report

check 'one text: cut, and it says so' 0 '1 of them longer than 1.* KiB, a quarter of the held-out split: cut' '' \
	import one.txt --out one.corpus
wanted=$(hash_of one.corpus)
for input in one.txt.gz one.txt.zst -; do
	import "$input" --out other.corpus <one.txt >out 2>err
	verdict "one text as $input gives the same corpus" $([ "$(hash_of other.corpus)" = "$wanted" ]; echo $((1 - $?)))
done
check 'byte' 0 '^b.corpus: byte, V = 256$' '' import texts --tokenizer byte --out b.corpus
check 'bpe' 0 '^p.corpus: bpe, V = 400$' '' import texts --tokenizer bpe:400 --out p.corpus
import texts --tokenizer bpe:400 --out other.corpus >out 2>err
verdict 'the same corpus again' $([ "$(hash_of other.corpus)" = "$(hash_of p.corpus)" ]; echo $((1 - $?)))
import texts --seed 2 --out other.corpus >out 2>err
verdict 'another seed, another split' $([ "$(hash_of other.corpus)" != "$(hash_of folder.corpus)" ]; echo $((1 - $?)))

cp -r texts twice && cat texts/0[0-4].txt >twice/copy.txt
check 'repeats are counted' 0 'dropped +documents that repeat another: 0,$' '' \
	import twice --held-out 0.3 --out other.corpus
counted=$(grep -A3 dropped out | tr '\n' ' ' | sed -E 's/.*more: +([0-9]+) from train.* ([0-9]+) that repeat.*/\1 \2/')
verdict "all 40 repeated paragraphs are found ($counted)" $([ $((${counted/ /+})) -eq 40 ]; echo $((1 - $?)))
printf '\x89PNG\0\0' >twice/picture.png
check 'what is not text in a folder is skipped, and it says so' 0 '1 file was skipped that is not text, the first is|1 file was skipped that is' '' \
	import twice --out other.corpus
check 'progress goes to stderr' 0 '^other.corpus' '^reading' "$rung" data import texts --out other.corpus

check 'a source' 0 '^  floor     3.371352 nats per token, exact$' '' "$rung" data source markov --tokens 100K --out m.corpus
check 'a source that is too large' 2 '' 'smaller --vocab or --order' "$rung" data source markov --order 9 --out x.corpus
check 'an unknown source' 2 '' "unknown source 'hmm'" "$rung" data source hmm --out x.corpus
check 'no source' 2 '' 'no source is named' "$rung" data source --out x.corpus
check 'compress: no text in symbols' 0 '"compressors": *\[\]' '' "$rung" data compress --json m.corpus
check 'compress' 0 '^  zstd -19 +[0-9.]+ +[0-9.]+$' '' "$rung" data compress one.corpus
"$rung" data compress --json one.corpus >first 2>err && "$rung" data compress --json one.corpus >out 2>err
verdict 'compress gives the same numbers again' $([ -s first ] && cmp -s first out; echo $((1 - $?)))

check 'no text' 2 '' 'no text is named' "$rung" data import --out x.corpus
check 'no output' 2 '' '--out F.corpus is missing' "$rung" data import texts
check 'a mistyped command' 2 '' "did you mean 'rung data import'" "$rung" data inport texts
check 'no command' 2 '' '^usage: rung data' "$rung" data
check 'a wrong tokenizer' 2 '' "choose char, byte, or bpe:V" "$rung" data import texts --tokenizer word --out x.corpus
check 'info of two' 2 '' 'takes one corpus, found 2 arguments' "$rung" data info a.corpus b.corpus
verdict 'nothing on stdout but the answer' $([ ! -s out ]; echo $((1 - $?)))
check 'a missing file' 1 '' 'nowhere.txt' import nowhere.txt --out x.corpus
check 'too little text' 3 '' 'too little text for two splits' import --out x.corpus - < <(echo word)
head -c 500 one.txt.gz >cut.gz
check 'a truncated file' 3 '' 'cut.gz: the gzip data end too soon' import cut.gz --out x.corpus
check 'a corpus is no text' 3 '' "is a corpus already" import one.corpus --out x.corpus
printf '{"text": "a"}\n{"text": 1}\n' >bad.jsonl
check 'bad JSON lines' 3 '' 'bad.jsonl, line 2: there is no string at "text"' import bad.jsonl --out x.corpus
check 'info of what is no corpus' 3 '' 'one.txt: not a corpus' "$rung" data info one.txt
head -c 2000 one.corpus >cut.corpus
check 'info of a truncated corpus' 3 '' 'cut.corpus: truncated: it has 2000 bytes' "$rung" data info cut.corpus
cp one.corpus bad.corpus && printf x | dd of=bad.corpus bs=1 seek=$(($(stat -c %s one.corpus) - 100)) conv=notrunc 2>/dev/null
check 'info of a damaged corpus' 3 '' 'bad.corpus: damaged frame 0 of held_out' "$rung" data info bad.corpus
check 'a folder that is not there' 1 '' 'no/such/folder' import texts --out no/such/folder/x.corpus
verdict 'failures leave nothing behind' $([ ! -e x.corpus ] && ! ls -A | grep -q tmp; echo $((1 - $?)))

# A reader that was written from docs/formats.md agrees with every byte.
"$rung" data source markov --vocab 300 --tokens 150K --held-out-tokens 1000 --out wide.corpus >out 2>err
for corpus in folder b p m wide; do
	sources=()
	[ "$corpus" = b ] && sources=(texts/*.txt)
	if command -v python3 >/dev/null; then
		holds "$corpus.corpus by its description" \
			python3 "$here/reference/read_corpus.py" "$corpus.corpus" "${sources[@]}"
	else
		number=$((number + 1))
		echo "ok $number - $corpus.corpus by its description # SKIP python3 is not installed"
	fi
done

# The JSON that programs read.
if command -v python3 >/dev/null; then
	"$rung" data info --json p.corpus >info.json
	"$rung" data compress --json p.corpus >compress.json
	holds 'JSON of info and compress' python3 - <<'PYTHON'
import json
info = json.load(open("info.json"))
assert info["tokenizer"] == "bpe" and info["vocab"] == 400 and len(info["merges"]) == 144, info["vocab"]
assert info["checked"] is True and info["frames"]["held_out"] == 1
assert info["train"]["tokens"] > 10 * info["held_out"]["tokens"] > 0
assert info["entropy"]["rate"] == "nan" and 0 < info["entropy"]["bigram"] < info["entropy"]["unigram"]
assert sum(row["train_tokens"] for row in info["origins"]) == info["train"]["tokens"]
assert len(info["origins"]) == 60 and info["import"]["documents"] == 60
rows = json.load(open("compress.json"))["compressors"]
assert [row["name"] for row in rows] == ["zstd -19", "xz -9e"]
assert all(0 < row["after_train"] < row["alone"] < 8 for row in rows)
PYTHON
else
	number=$((number + 1))
	echo "ok $number - JSON of info and compress # SKIP python3 is not installed"
fi
echo "1..$number"
