#!/usr/bin/env bash
# Computes the calibrations of the shipped model sets from the photo collections in ../shared/faces: `make calibrate`.
# shellcheck source=scripts/paths.sh
. "$(dirname -- "$0")/paths.sh"

faces=../shared/faces
[ -d "$faces" ] || fail "$faces does not exist: the calibration needs its photos"
scripts/deps.sh --for-tests
lists=$deps/evaluation
python3 -B tools/evaluation/make_lists.py "$faces" "$lists"
sources=()
for source in lfw-train london usgov utk; do sources+=(--identities "$lists/$source.csv"); done
# On the cpu device, which every processor has and with which the other devices are compared.
for set in sface mobilefacenet; do
  "$padan" calibrate --model "$set" --device cpu "${sources[@]}" --leave-out "$lists/left-out.csv" \
    --write "models/$set.calibration.toml" --out "$lists/$set-calibration"
done
say "the new calibrations are compiled in when the program is built again"
