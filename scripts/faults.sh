#!/usr/bin/env bash
# What `make faults` runs: every STRIDE-th system call and allocation of every scenario fails in every way.
#
#     scripts/faults.sh STRIDE [BUILD] [SCENARIO]
#
# In memory where there is such a file system: there are a lot of files.
set -euo pipefail
cd "$(dirname "$0")/.."
build=$(realpath "${2:-build/gcc}")
parent=${TMPDIR:-/tmp}
[ ! -w /dev/shm ] || parent=/dev/shm
folder=$(mktemp -d "$parent/rung-faults-XXXXXX")
trap 'rm -rf "$folder"' EXIT
# The sanitizers want to be the only ones who replace malloc; what counts lines dies when an allocation of its own fails.
starve=$build/tests/starve.so
case $build in *san* | *cov*) starve= ;; esac
"$build/tests/faults" "$build/rung" "$starve" "$folder" "$1" ${3:+"$3"}
