#!/usr/bin/env bash
# Trains the ladder's rungs with rung and with PyTorch, side by side, and prints one table.
#
#     scripts/bench_peers.sh [--rounds N] [--seconds S] [--cpu-time] [--widths 16,64] [--json FILE]
#
# Installs python3-torch (Debian) when it is missing and we are root. About three minutes.
set -euo pipefail
cd "$(dirname "$0")/.."
python=/usr/bin/python3 # Debian's own: python3-torch is no use to another

case ${1:-} in
-h | --help)
	sed -n '2,6s/^# \{0,1\}//p' "$0"
	exit 0
	;;
esac
if ! "$python" -c 'import torch' 2>/dev/null; then
	if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
		echo "error: PyTorch for $python is missing: the Debian package python3-torch" >&2
		echo "type:  sudo apt-get install --no-install-recommends python3-torch" >&2
		exit 1
	fi
	echo "installing python3-torch" >&2
	export DEBIAN_FRONTEND=noninteractive
	apt-get update -qq || echo "warning: apt-get update failed; trying with the lists that are here" >&2
	apt-get install -y -qq --no-install-recommends python3-torch >/dev/null
fi
if [ -z "${RUNG:-}" ]; then
	make --no-print-directory -s rung
	RUNG=$PWD/rung
fi
exec "$python" scripts/peers.py --rung "$RUNG" "$@"
