#!/usr/bin/env bash
# System calls and allocations that fail, one after the other: a selection of what `make faults` tries.
. "$(dirname "$0")/tap.sh"
scripts/faults.sh 41 "$(dirname "$rung")"
