#!/usr/bin/env bash
# Makes the scales of the shipped model sets anew, from the photo collections in ../shared/faces: `make calibrate`.
# shellcheck source=scripts/paths.sh
. "$(dirname -- "$0")/paths.sh"

faces=../shared/faces
[ -d "$faces" ] || fail "$faces is not there: the calibration needs its photos"
scripts/deps.sh --for-tests
lists=$deps/evaluation
python3 -B tools/evaluation/make_lists.py "$faces" "$lists"
sources=()
for source in lfw-train london usgov utk; do sources+=(--identities "$lists/$source.csv"); done
# On the plain kernels, which all that the processors can do is compared with.
for set in sface mobilefacenet; do
  "$padan" calibrate --model "$set" --device cpu "${sources[@]}" --leave-out "$lists/left-out.csv" \
    --write "models/$set.calibration.toml" --out "$lists/$set-calibration"
done
say "the new scales are compiled in when the program is built again"
