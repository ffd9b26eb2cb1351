#!/usr/bin/env bash
# Installs what rung needs from Debian's packages; with --tools also what those who work on it use (make lint, fuzz, coverage);
# with --check it only says what is missing for a build.
set -euo pipefail

# What proves that a package is there (a header, a command, a file, or what pkg-config knows), and the package.
build_needs=(
	"module openblas libopenblas-dev" # other packages have a cblas.h, too
	"header cjson/cJSON.h libcjson-dev"
	"header zstd.h libzstd-dev"
	"header xxhash.h libxxhash-dev"
	"header zlib.h zlib1g-dev"
	"header lzma.h liblzma-dev"
	"file /usr/share/javascript/chart.js libjs-chart.js"
	"command pkg-config pkg-config"
)
other_needs=(
	"header cmocka.h libcmocka-dev"
	"command gcc gcc"
	"command gnuplot gnuplot-nox"
	"command python3 python3"
	"command xz xz-utils"
	"command zstd zstd"
)

tools=(
	"command clang clang"
	"command clang-format clang-format"
	"command clang-tidy clang-tidy"
	"command cppcheck cppcheck"
	"command valgrind valgrind"
	"command gcovr gcovr"
	"fuzzer - libclang-rt-dev"
	"openmp - libomp-dev"
)
[ "${1:-}" != --tools ] || other_needs+=("${tools[@]}")

has() {
	case $1 in
	header)
		local flags
		flags=$(pkg-config --cflags openblas libcjson 2>/dev/null || true)
		# cmocka's header wants these three before it
		printf '#include <stdarg.h>\n#include <stddef.h>\n#include <stdint.h>\n#include <setjmp.h>\n#include <%s>\n' "$2" |
			"${cc:-gcc}" $flags -E -x c - >/dev/null 2>&1
		;;
	command) command -v "$2" >/dev/null ;;
	file) [ -e "$2" ] ;;
	module) pkg-config --exists "$2" 2>/dev/null ;;
	fuzzer) echo 'int LLVMFuzzerTestOneInput(void){return 0;}' | clang -fsanitize=fuzzer,address -x c -o /dev/null - 2>/dev/null ;;
	openmp) echo 'int main(void){return 0;}' | clang -fopenmp -x c -o /dev/null - 2>/dev/null ;;
	esac
}

missing() {
	local need
	for need in "$@"; do
		# shellcheck disable=SC2086
		set -- $need
		has "$1" "$2" || printf '%s ' "$3"
	done
}

if [ "${1:-}" = --check ]; then
	packages=$(missing "${build_needs[@]}")
	[ -z "$packages" ] && exit 0
	echo "error: rung cannot be built without: $packages" >&2
	echo "hint: 'make setup' installs them, or: sudo apt-get install ${packages% }" >&2
	exit 1
fi

packages=$(missing "${other_needs[@]}" "${build_needs[@]}")
if [ -z "$packages" ]; then
	exit 0
fi
if [ "$(id -u)" = 0 ]; then
	as_root=()
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
	as_root=(sudo -n)
elif command -v sudo >/dev/null && [ -t 0 ]; then
	as_root=(sudo)
else
	echo "error: these packages are missing and installing them needs root: $packages" >&2
	echo "type:  su -c 'apt-get update && apt-get install -y --no-install-recommends ${packages% }'" >&2
	exit 1
fi
echo "installing: $packages" >&2
export DEBIAN_FRONTEND=noninteractive
# A machine may hold stale lists; if the update fails the install below says what is wrong.
"${as_root[@]}" apt-get update -qq || echo "warning: apt-get update failed; trying with the lists that are here" >&2
# shellcheck disable=SC2086
"${as_root[@]}" apt-get install -y -qq --no-install-recommends $packages >/dev/null
packages=$(missing "${other_needs[@]}" "${build_needs[@]}")
if [ -n "$packages" ]; then
	echo "error: still missing after the installation: $packages" >&2
	exit 1
fi
