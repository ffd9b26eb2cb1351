#!/usr/bin/env bash
# Fetches named Debian packages (no root needed), turns them into clean English prose and writes one stream of documents,
# CACHE/prose.jsonl.zst, whose path goes to standard output. Nothing of the text is part of this repository.
#
#     scripts/corpus.sh [--cache DIR]       DIR: $RUNG_CACHE, or ./cache
#
# Exit codes: 0 done, 1 failed, 2 wrong usage, 3 neither network nor cache.
set -euo pipefail
export LC_ALL=C
trap 'exit 130' INT TERM # otherwise a fetch that was interrupted would be tried again
here=$(cd "$(dirname "$0")" && pwd)
record=$here/corpus.sha256 # per Debian release: package versions and the hash of the uncompressed stream
cache=${RUNG_CACHE:-cache}

say() { echo "corpus: $*" >&2; }
fail() {
	local code=$1
	shift
	echo "error: $*" >&2
	exit "$code"
}
offer_markov() {
	echo "hint: rung has a source of its own that needs no network and whose exact entropy is known:" >&2
	echo "      ./rung data source markov --out markov.corpus" >&2
	echo "      or bring your own text: ./rung data import PATH... --out my.corpus" >&2
	exit 3
}

while [ $# -gt 0 ]; do
	case $1 in
	--cache)
		[ -n "${2:-}" ] || fail 2 "--cache needs a folder"
		cache=$2
		shift 2
		;;
	--cache=*)
		cache=${1#*=}
		shift
		;;
	-h | --help)
		sed -n '2,7s/^# \{0,1\}//p' "$0"
		exit 0
		;;
	*) fail 2 "unknown argument '$1'; usage: scripts/corpus.sh [--cache DIR]" ;;
	esac
done
mkdir -p "$cache" || fail 1 "cannot make the folder $cache; choose another with --cache DIR"
cache=$(cd "$cache" && pwd)
[ -w "$cache" ] || fail 1 "cannot write to $cache; choose another folder with --cache DIR"
stream=$cache/prose.jsonl.zst
manifest=$cache/prose.manifest # what the stream was made from and its hash, as in the record; the hash of extract.py
for tool in python3 zstd sha256sum; do
	command -v "$tool" >/dev/null || fail 1 "$tool is missing; 'make setup' installs it"
done

# The release whose versions are asked for first: this machine's if it is recorded, otherwise the first in the record.
release=debian-$(sed -n 's/^VERSION_ID="\{0,1\}\([0-9]*\).*/\1/p' /etc/os-release 2>/dev/null || true)
grep -q "^$release " "$record" || release=$(awk '$2 == "stream" {print $1; exit}' "$record")
mapfile -t packages < <(awk -v r="$release" '$1 == r && $2 == "package" {print $3}' "$record")
recorded() { sed -n "s/^$1 $2 //p" "$record"; } # what the record says of a release: "package" or "stream" lines
recorded_version() { recorded "$release" package | awk -v p="$1" '$1 == p {print $2}'; }
hash_of() { awk '$1 == "stream" {print $2}' "$1"; }
stream_hash() { zstd -dcq "$1" | sha256sum | cut -d' ' -f1; }
recipe=$(sha256sum "$here/extract.py" | cut -d' ' -f1)

# Compares a manifest with the record. Versions that are not recorded (another Debian release): a warning. The versions of
# a recorded release but other bytes: something is broken, and a corpus that silently differs is worse than none.
check() {
	local known releases package version wanted hash found
	hash=$(hash_of "$1")
	found=$(sed -n 's/^package //p' "$1")
	mapfile -t releases < <(awk '$2 == "stream" {print $1}' "$record")
	for known in "${releases[@]}"; do
		[ "$found" = "$(recorded "$known" package)" ] || continue
		wanted=$(recorded "$known" stream)
		[ "$hash" = "${wanted%% *}" ] || fail 1 "$stream: its text has SHA-256 $hash, recorded for these package" \
			"versions ($known) is ${wanted%% *}; remove $cache and try again, and report it if it stays so"
		say "SHA-256 of the text is the one recorded for $known"
		return
	done
	say "warning: this text is not a recorded one, because packages have other versions:"
	while read -r package version; do
		wanted=$(recorded_version "$package")
		[ "$version" = "$wanted" ] || echo "  $package $version (recorded for $release: $wanted)" >&2
	done <<<"$found"
	say "its SHA-256 is $hash; losses will differ a little from those in the documents"
}

# Is there a stream of this very recipe, whole?
if [ -s "$stream" ] && [ -s "$manifest" ] && grep -qx "recipe $recipe" "$manifest"; then
	if [ "$(stream_hash "$stream" 2>/dev/null)" = "$(hash_of "$manifest")" ]; then
		say "using $stream"
		check "$manifest"
		echo "$stream"
		exit 0
	fi
	say "$stream is damaged; making it again"
fi

# ---------------------------------------------------------------------------------------------------------- fetching ---
debs=$cache/debs
mkdir -p "$debs"
# One .deb of a package that is here already: the recorded version rather than another.
find_deb() {
	local version
	version=$(recorded_version "$1")
	local file=$debs/$1_${version//:/%3a}_all.deb
	[ -s "$file" ] || file=$(find "$debs" -name "$1_*.deb" -size +0 | sort | tail -n 1)
	[ -n "$file" ] && dpkg-deb --info "$file" >/dev/null 2>&1 && echo "$file"
}

apt_options=(-q -o APT::Sandbox::User="$(id -un)" -o Acquire::Retries=1 -o Acquire::http::Timeout=20 -o Acquire::https::Timeout=20)
# apt verifies what it downloads against the archive's signatures. Into a fresh folder, so that an interrupted download
# never stands among the finished ones.
fetch() {
	local package version fresh=$debs/fresh
	rm -rf "$fresh"
	mkdir "$fresh"
	for package in "${packages[@]}"; do
		find_deb "$package" >/dev/null && continue
		version=$(recorded_version "$package")
		(cd "$fresh" && {
			apt-get "${apt_options[@]}" download "$package=$version" || apt-get "${apt_options[@]}" download "$package"
		}) >>"$cache/apt.log" 2>&1 || return 1
		mv "$fresh"/*.deb "$debs/"
	done
	rmdir "$fresh"
}

all_here() {
	local package
	for package in "${packages[@]}"; do find_deb "$package" >/dev/null || return 1; done
}

command -v dpkg-deb >/dev/null || {
	echo "error: dpkg-deb is missing: the demo's text comes from Debian packages, and this is no Debian system" >&2
	offer_markov
}
if ! all_here; then
	command -v apt-get >/dev/null || {
		echo "error: apt-get is missing: the demo's text comes from Debian packages, and this is no Debian system" >&2
		offer_markov
	}
	: >"$cache/apt.log"
	say "fetching ${#packages[@]} packages, about 15 MB (log: $cache/apt.log)"
	if ! fetch; then
		# The machine's package lists are missing, out of date or not readable for us: make a private copy of them.
		say "the machine's package lists do not serve; fetching them (about 10 MB)"
		mkdir -p "$cache/apt/lists/partial" "$cache/apt/archives/partial"
		apt_options+=(-o Dir::State="$cache/apt" -o Dir::State::lists=lists/ -o Dir::Cache="$cache/apt"
			-o Dir::State::status=/var/lib/dpkg/status -o Acquire::Languages=none)
		apt-get "${apt_options[@]}" update >>"$cache/apt.log" 2>&1 || true # one broken source need not matter
		if ! fetch; then
			echo "error: cannot fetch the packages ${packages[*]}; apt's last words:" >&2
			grep -E '^(E:|W: Failed)' "$cache/apt.log" | awk '!seen[$0]++ {print "  " $0}' | tail -n 3 >&2
			offer_markov
		fi
		rm -rf "$cache/apt"
	fi
fi

# -------------------------------------------------------------------------------------------------------- extraction ---
work=$(mktemp -d "$cache/work.XXXXXX")
trap 'rm -rf "$work"' EXIT
{
	echo "recipe $recipe"
	for package in "${packages[@]}"; do
		deb=$(find_deb "$package")
		dpkg-deb -x "$deb" "$work/$package"
		echo "package $package $(dpkg-deb -f "$deb" Version)"
	done
} >"$work/manifest"
say "extracting the prose"
python3 "$here/extract.py" "$work" >"$work/prose.jsonl"
hash=$(sha256sum "$work/prose.jsonl" | cut -d' ' -f1)
echo "stream $hash $(stat -c %s "$work/prose.jsonl") bytes" >>"$work/manifest"
zstd -q -10 -T0 "$work/prose.jsonl" -o "$work/prose.jsonl.zst"
sync "$work/prose.jsonl.zst" "$work/manifest"
rm -f "$manifest"
mv "$work/prose.jsonl.zst" "$stream"
mv "$work/manifest" "$manifest"
check "$manifest"
say "$(wc -l <"$work/prose.jsonl") documents, $(stat -c %s "$work/prose.jsonl") bytes of JSON in $stream"
echo "$stream"
