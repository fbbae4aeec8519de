#!/usr/bin/env bash
# Measures the error rates of both model sets on the pairs of LFW's DevTest, and computes the same figures independently
# with NumPy. Then shows how the service's rules and the pass mark treat selfies and portraits: `make evaluate`. The
# reports are in .deps/evaluation.
# shellcheck source=scripts/paths.sh
. "$(dirname -- "$0")/paths.sh"

faces=../shared/faces
lfw=$faces/lfw-dev
[ -d "$lfw" ] || fail "$lfw does not exist: this evaluation needs its photos (Labeled Faces in the Wild, development view)"
scripts/deps.sh --for-tests
scripts/python-venv.sh oracle

for set in sface mobilefacenet; do
  out=$deps/evaluation/$set
  mkdir -p "$out"
  say "$set on $lfw/pairsDevTest.csv"
  "$padan" evaluate --model "$set" --device cpu --pairs "$lfw/pairsDevTest.csv" --root "$lfw" --gates --out "$out"
  say "the same figures computed with NumPy: printed, computed"
  "$deps/oracle-venv/bin/python" -B tools/evaluation/check_metrics.py "$out/evaluation.json"
done

python3 -B tools/evaluation/make_lists.py "$faces" "$deps/evaluation"
for collection in selfies london usgov; do
  say "sface on $collection"
  "$padan" evaluate --model sface --device cpu --identities "$deps/evaluation/$collection.csv" --gates |
    grep -E '^(photos|pairs|failed) |rejected by a rule|FMR  .*FNMR %$|^  75 '
done
