#!/usr/bin/env bash
# Runs the targets in fuzz/ by libFuzzer on mutated input, and prints a table of what each has done and found.
#
#     scripts/fuzz.sh [TARGET...]              all targets, or those that are named
#     scripts/fuzz.sh --minimise [TARGET...]   adds to fuzz/seeds what reaches code that the seeds do not reach
#
#     FUZZ_SECONDS=1800     how long each target runs
#     FUZZ_SANITIZER=none   or address, which finds wrong accesses to memory and is slower
#     FUZZ_FOLDER=fuzz      where inputs are kept (corpus) and those on which a target fails (artifacts)
#
# A target ends at its first failure. The input is kept; fuzz/README.md says how to reproduce it.
# shellcheck source=scripts/paths.sh
. "$(dirname -- "$0")/paths.sh"

cargo_fuzz_version=0.13.2
seconds=${FUZZ_SECONDS:-1800}
sanitizer=${FUZZ_SANITIZER:-none}
folder=$(realpath -- "${FUZZ_FOLDER:-fuzz}")
programs=${CARGO_TARGET_DIR:-fuzz/target}/$(uname -m)-unknown-linux-gnu/release
# libFuzzer needs options of the compiler that are not stable.
export RUSTC_BOOTSTRAP=1
# Files above these sizes, in bytes, are not kept as seeds, and not more than so many of a target.
max_seed_bytes=4096
max_new_seeds=60

need_cargo_fuzz() {
  if [ "$(cargo fuzz --version 2>/dev/null)" = "cargo-fuzz $cargo_fuzz_version" ]; then return; fi
  command -v c++ >/dev/null || fail "a C++ compiler is missing, which compiles libFuzzer: as root on Debian run apt-get install g++"
  say "installing cargo-fuzz $cargo_fuzz_version into .deps/bin; compiling it takes a minute"
  cargo install --locked --quiet --root "$deps" --version "$cargo_fuzz_version" cargo-fuzz
}

# The longest input that is tried: as long as the interesting ones of a target are.
longest_input() {
  case $1 in
    jpeg | png | onnx | manifest | settings) echo 16384 ;;
    form) echo 8192 ;;
    network_outputs | client_file | id_token) echo 4096 ;;
    *) echo 1024 ;;
  esac
}

# fuzz TARGET OPTION... : runs the program of a target.
fuzz() {
  local target=$1
  shift
  local dictionary=fuzz/dictionaries/$target.dict
  "$programs/$target" -max_len="$(longest_input "$target")" -timeout=20 -rss_limit_mb=1024 -malloc_limit_mb=256 \
    -artifact_prefix="$folder/artifacts/$target/" ${dictionary:+-dict="$dictionary"} "$@"
}

run() {
  local target=$1 log=$folder/logs/$1 status=0
  fuzz "$target" -max_total_time="$seconds" -print_final_stats=1 -verbosity=1 "$folder/corpus/$target" \
    "fuzz/seeds/$target" >"$log" 2>&1 || status=$?
  local coverage executions
  coverage=$(sed -n 's/.* cov: \([0-9]*\) ft: \([0-9]*\) .*/\1 \2/p' "$log" | tail -n 1)
  executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  # shellcheck disable=SC2086
  printf '%-16s %12s %9s %7s %7s %7s  %s\n' "$target" "${executions:-?}" "$((${executions:-0} / seconds))" ${coverage:-? ?} \
    "$(find "$folder/corpus/$target" -type f | wc -l)" "$(finding "$target" "$status" "$log")"
  return "$status"
}

# What a target found, for the table.
finding() {
  local target=$1 status=$2 log=$3
  if [ "$status" -eq 0 ]; then
    echo none
  else
    sed -n 's/.*Test unit written to \(.*\)/\1/p' "$log" | tail -n 1 | grep . || echo "failed: see $log"
  fi
}

minimise() {
  local target=$1 merged
  merged=$(mktemp -d)
  cp -- "fuzz/seeds/$target"/* "$merged"
  fuzz "$target" -set_cover_merge=1 -max_len="$max_seed_bytes" "$merged" "$folder/corpus/$target" \
    >"$folder/logs/$target.merge" 2>&1 || fail "$target cannot be minimised: see $folder/logs/$target.merge"
  local kept=0 file
  while read -r file && [ "$kept" -lt "$max_new_seeds" ]; do
    if [ ! -e "fuzz/seeds/$target/${file##*/}" ]; then
      cp -- "$file" "fuzz/seeds/$target/"
      kept=$((kept + 1))
    fi
  done < <(find "$merged" -type f -printf '%s %p\n' | sort -n | cut -d ' ' -f 2-)
  rm -rf -- "$merged"
  say "$target: $kept new seeds"
}

mode=run
if [ "${1:-}" = --minimise ]; then
  mode=minimise
  shift
fi
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
  mapfile -t targets < <(basename --suffix=.rs -- fuzz/fuzz_targets/*.rs)
fi

need_cargo_fuzz
for target in "${targets[@]}"; do
  [ -e "fuzz/fuzz_targets/$target.rs" ] || fail "there is no target $target: see fuzz/fuzz_targets"
  cargo fuzz build --sanitizer "$sanitizer" --codegen-units 16 "$target" >&2
  mkdir -p "$folder/corpus/$target" "$folder/artifacts/$target" "$folder/logs"
done

status=0
if [ "$mode" = run ]; then
  printf '%-16s %12s %9s %7s %7s %7s  %s\n' target executions 'per s' edges features inputs findings
fi
for target in "${targets[@]}"; do "$mode" "$target" || status=1; done
exit "$status"
