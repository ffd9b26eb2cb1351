#!/usr/bin/env bash
# A ladder that is killed, in every part and at random moments, ends with the bytes of one that nobody touched. `make soak` does
# this for half an hour.
. "$(dirname "$0")/tap.sh"
scripts/soak.sh 20 0 7 "$(dirname "$rung")"
