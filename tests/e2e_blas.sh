#!/usr/bin/env bash
# The library below: a BLAS that multiplies wrongly is found before anything is trained on it, and named in every record.
. "$(dirname "$0")/tap.sh"
plan=$PWD/tests/data/tiny-plan.json
build=$(dirname "$rung")

check 'doctor: about 200 products, alone and from two threads' 0 \
	'^check +BLAS agrees with plain loops on 2[0-9][0-9] products, alone and from two threads at once' none "$rung" doctor --seconds 0.01
case $build in
*san*) echo "ok $((number += 1)) - a wrong BLAS # SKIP the sanitizers want to be loaded first" ;;
*)
	# wrong HOW NAME: what is wrong, and how the product is named.
	wrong() {
		check "a BLAS with a wrong $1: doctor" 1 '^check +BLAS IS WRONG' "computes a product wrongly: $2.* deviates" \
			env LD_PRELOAD="$build/tests/wrong_blas.so" WRONG="$1" "$rung" doctor --seconds 0.01
		check "a BLAS with a wrong $1: no sweep" 1 none "computes a product wrongly: $2.* deviates" \
			env LD_PRELOAD="$build/tests/wrong_blas.so" WRONG="$1" "$rung" sweep --plan "$plan" --lab "$scratch/lab"
		holds "a BLAS with a wrong $1: no lab was begun" test ! -e "$scratch/lab"
	}
	wrong shape '129 x 31 x 257 \(m, n, k\), A turned'
	wrong nothing '64 x 64 x 0 \(m, n, k\)'
	wrong padding '32 x .* \(m, n, k\)'
	wrong threads '.*, from two threads at once'
	check 'the same library without a mistake' 0 '^check +BLAS agrees' none \
		env LD_PRELOAD="$build/tests/wrong_blas.so" "$rung" doctor --seconds 0.01
	;;
esac

"$rung" data source markov --vocab 12 --tokens 20K --held-out-tokens 4K --out "$scratch/a.corpus" >/dev/null 2>&1
"$rung" train --corpus "$scratch/a.corpus" --width 16 --depth 1 --context 16 --tokens 256 --out "$scratch/run" >/dev/null 2>&1
"$rung" doctor --json --seconds 0.01 >"$scratch/doctor.json"
for member in blas_core blas_version blas_flavour blas_threads; do
	for file in doctor.json run/run.json; do
		holds "$file has $member" grep -qE "\"$member\": (\"[A-Za-z0-9. ]+\"|1)" "$scratch/$file"
	done
done
OPENBLAS_CORETYPE=Nehalem "$rung" doctor --json --seconds 0.01 >"$scratch/other.json"
[ "$(uname -m)" != x86_64 ] || holds 'the kernels that are recorded are those in use' grep -q '"blas_core": "Nehalem"' "$scratch/other.json"
echo "1..$number"
