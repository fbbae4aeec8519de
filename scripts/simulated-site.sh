#!/usr/bin/env bash
# Measures the scale on a simulated site of real faces, whose photos are in ../shared and not part of the project: by
# `padan calibrate --from-store` and by the live measurement, beside `padan evaluate` with labels. Writes the report and the
# plots into a folder.
#
#     scripts/simulated-site.sh [FOLDER]      default: target/simulated-site
# shellcheck source=scripts/paths.sh
. "$(dirname -- "$0")/paths.sh"

[ -d ../shared/faces ] || fail "../shared/faces does not exist: the people of the site have its photos"
if [ "${1-}" != inside ]; then
  exec "$demo" cluster -- scripts/simulated-site.sh inside "$@"
fi
out=${2-target/simulated-site}
port=${PADAN_SITE_PORT-18780}
# shellcheck source=scripts/site.sh
. scripts/site.sh

mkdir -p "$out"
registry=$(url_of "$PADAN_TEST_DATABASE_URL" registry)
make_site "$registry"
python3 tools/evaluation/simulated_site.py people ../shared/faces "$work" |
  psql --quiet --set ON_ERROR_STOP=1 "$registry"
"$padan" enroll --config "$work/padan.toml" --failures "$work/failures.csv" 2>"$work/enroll.log" || true
tail -n 1 "$work/enroll.log"

echo "--- From templates alone"
"$padan" calibrate --config "$work/padan.toml" --from-store --groups "$work/groups.csv" \
  --duplicates "$work/same-face.csv" --write "$out/own.calibration.toml" --out "$out/report" >"$out/calibrate.txt"
python3 tools/evaluation/simulated_site.py planted "$work"
echo "--- With labels (padan evaluate)"
"$padan" evaluate --config "$work/padan.toml" --identities "$work/portraits.csv" --leave-out "$work/left-out.csv" \
  --json "$work/evaluation.json" >/dev/null 2>"$work/evaluate.log"
python3 tools/evaluation/simulated_site.py labels "$work" "$out/own.calibration.toml"

echo "--- From live traffic"
export PADAN__VERIFICATION__IMPOSTOR_SAMPLE=255 PADAN__HTTP__CONNECTIONS_PER_ADDRESS=0
start_service site "$port" $((port + 1))
python3 tools/evaluation/simulated_site.py send "$work" "$port"
"$padan" calibration live --config "$work/padan.toml" --plot "$out/live.svg"
