#!/usr/bin/env bash
# Error rates of both model sets on the pairs of LFW's DevTest, and an independent computation of the same figures:
# `make evaluate`. The reports are in .deps/evaluation.
# shellcheck source=scripts/paths.sh
. "$(dirname -- "$0")/paths.sh"

lfw=../shared/faces/lfw-dev
[ -d "$lfw" ] || fail "$lfw is not there: this evaluation needs its photos (Labeled Faces in the Wild, development view)"
scripts/deps.sh --for-tests
scripts/oracle-venv.sh

for set in sface mobilefacenet; do
  out=$deps/evaluation/$set
  mkdir -p "$out"
  say "$set on $lfw/pairsDevTest.csv"
  "$padan" evaluate --model "$set" --pairs "$lfw/pairsDevTest.csv" --root "$lfw" --gates --out "$out"
  say "the same figures by NumPy: printed, computed"
  "$deps/oracle-venv/bin/python" -B tools/evaluation/check_metrics.py "$out/evaluation.json"
done
