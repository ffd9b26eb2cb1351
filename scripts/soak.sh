#!/usr/bin/env bash
# What `make soak` runs: a ladder killed at random moments until there were enough kills and enough minutes.
#
#     scripts/soak.sh KILLS MINUTES SEED [BUILD]
#
# In memory where there is such a file system: there are a lot of checkpoints.
set -euo pipefail
cd "$(dirname "$0")/.."
build=$(realpath "${4:-build/gcc}")
parent=${TMPDIR:-/tmp}
[ ! -w /dev/shm ] || parent=/dev/shm
folder=$(mktemp -d "$parent/rung-soak-XXXXXX")
trap 'rm -rf "$folder"' EXIT
"$build/tests/soak" "$build/rung" "$folder" "$1" "$2" "$3" || {
	trap - EXIT
	echo "error: kept for looking at: $folder" >&2
	exit 1
}
