#!/usr/bin/env bash
# The corpus recipe without a network: on small packages with the layout of the real ones, and with an apt that fails.
# shellcheck source=tests/tap.sh
source "$(dirname "$0")/tap.sh"
work=$scratch/work
: >"$scratch/err"
expect() { # exit code, what the output must say, description; the command's code and output are in $code and $scratch/out
	local good=0
	[ "$code" -eq "$1" ] && says "$2" "$scratch/out" && good=1
	verdict "$3 (exit code $code)" $good
}
recipe() {
	PATH=$work/bin:$PATH "$work/scripts/corpus.sh" --cache "$work/cache" "$@" >"$scratch/out" 2>&1
	code=$?
}

if ! command -v dpkg-deb >/dev/null || ! command -v zstd >/dev/null; then
	echo "ok 1 - corpus recipe # SKIP dpkg-deb or zstd is missing"
	echo 1..1
	exit 0
fi
mkdir -p "$work/bin" "$work/scripts" "$work/cache/debs"
cp scripts/corpus.sh scripts/extract.py scripts/corpus.sha256 "$work/scripts/"
# An apt-get that reaches nothing, and says so as the real one does.
cat >"$work/bin/apt-get" <<'END'
#!/bin/sh
echo "W: Failed to fetch http://example.invalid  Temporary failure resolving 'example.invalid'" >&2
exit 100
END
chmod +x "$work/bin/apt-get"

recipe
expect 3 "rung data source markov" "no network and no cache: exit code 3, and another source is offered"
expect 3 "Temporary failure resolving" "apt's reason is shown"
holds "nothing is left behind" test ! -e "$work/cache/prose.jsonl.zst"

holds "small packages are made" python3 tests/make_packages.py build "$work/cache/debs" scripts
sed -i '/^debian-13/d' "$work/scripts/corpus.sha256"
recipe
expect 1 "although|report it" "recorded versions with other bytes are an error"
rm -f "$work/cache/prose."*
hash=$(sed -nE 's/.*its text has SHA-256 ([0-9a-f]{64}).*/\1/p' "$scratch/out")
sed -i "s/^debian-12 stream .*/debian-12 stream $hash 0 bytes/" "$work/scripts/corpus.sha256"
recipe
expect 0 "SHA-256 of the text is the one recorded for debian-12" "made from cached packages without a network"
zstd -dcq "$work/cache/prose.jsonl.zst" >"$work/first.jsonl"
holds "its text is looked at" python3 tests/make_packages.py check "$work/first.jsonl"
cp "$scratch/out" "$scratch/found"
while read -r good what; do verdict "$what" "$good"; done <"$scratch/found"

rm -rf "$work/cache/debs"
recipe
expect 0 "corpus: using .*prose.jsonl.zst" "the finished stream needs neither network nor packages"
sed -i 's/^debian-12 package cfi-en .*/debian-12 package cfi-en 9/' "$work/scripts/corpus.sha256"
recipe
expect 0 "cfi-en 3.0-10.2 \(recorded for debian-12: 9\)" "another version: a warning that names it"
printf 'damage' | dd of="$work/cache/prose.jsonl.zst" bs=1 seek=5000 conv=notrunc 2>/dev/null
recipe
expect 3 "is damaged" "a damaged stream is not used"

python3 tests/make_packages.py build "$work/cache/debs" scripts
recipe
zstd -dcq "$work/cache/prose.jsonl.zst" >"$work/second.jsonl"
holds "made again, the bytes are the same" cmp -s "$work/first.jsonl" "$work/second.jsonl"
recipe --nonsense
expect 2 "unknown argument '--nonsense'" "an unknown option is a usage error"
holds "no working folder is left" test -z "$(find "$work/cache" -name 'work.*')"
echo "1..$number"
