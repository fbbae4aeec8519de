#!/usr/bin/env bash
# Checks that crates depend only on allowed crates, and that code follows the other rules below.
# shellcheck source=scripts/paths.sh
. "$(dirname -- "$0")/paths.sh"

wrong=0
report_violation() {
  say "$*"
  wrong=1
}

# allowed_for CRATE: the crates that it may depend on.
allowed_for() {
  case $1 in
    padan-domain | padan-postgres | padan-testing | padan-fuzz-round | padan-load) ;;
    padan-inference) echo padan-domain ;;
    padan-openid-connect) echo padan-domain ;;
    padan-registry | padan-store) echo padan-domain padan-postgres ;;
    padan-covered-faces) echo padan-domain padan-evaluation padan-inference ;;
    padan-hill-climb) echo padan-domain padan-inference ;;
    padan-kernels) echo padan-domain padan-inference padan-load ;;
    padan-evaluation) echo padan-domain padan-inference ;;
    padan-verification) echo padan-domain padan-inference padan-openid-connect padan-registry padan-store ;;
    padan-http-api) echo padan-domain padan-verification ;;
    padan) echo padan-domain padan-evaluation padan-http-api padan-inference padan-registry padan-store \
      padan-verification ;;
    padan-demo) echo padan padan-domain padan-evaluation padan-http-api padan-inference padan-registry padan-store ;;
    # No crate has it as a normal dependency.
    padan-test-service) echo padan-domain padan-http-api padan-inference padan-registry padan-store padan-testing \
      padan-verification ;;
    padan-scale) echo padan-domain padan-registry padan-store ;;
    padan-benches) echo padan-domain padan-evaluation padan-inference padan-registry padan-store padan-verification \
      padan-http-api ;;
    *) report_violation "scripts/check-architecture.sh does not list the crate $1" ;;
  esac
}

for manifest in crates/*/Cargo.toml benches/Cargo.toml benches/*/Cargo.toml tools/*/*/Cargo.toml; do
  crate=$(sed -n 's/^name = "\(.*\)"$/\1/p' "$manifest" | head -n 1)
  allowed=" $(allowed_for "$crate" | tr '\n' ' ') "
  found=$(cargo tree --package "$crate" --edges normal,build --depth 1 --prefix none --format '{p}' |
    awk 'NR > 1 && $1 ~ /^padan/ { print $1 }' | sort -u)
  for target in $found; do
    case $allowed in
      *" $target "*) ;;
      *) report_violation "$crate must not depend on $target" ;;
    esac
  done
done

# only_in PATTERN CRATE... : reports other crates with a normal dependency that matches.
only_in() {
  local pattern=$1 manifest crate
  shift
  for manifest in crates/*/Cargo.toml; do
    crate=$(basename -- "$(dirname -- "$manifest")")
    if sed '/^\[dev-dependencies\]/,$d' "$manifest" | grep -qE "^${pattern}[ .]"; then
      case " $* " in
        *" $crate "*) ;;
        *) report_violation "$manifest has a dependency that only $* may have: $pattern" ;;
      esac
    fi
  done
}
only_in ort inference
only_in ring openid-connect testing
only_in sqlx postgres registry store testing
only_in 'actix-[a-z-]+' http-api
only_in anyhow cli demo

named=$(grep -rlE '\bort::' crates --include='*.rs' || true)
if [ "$named" != crates/inference/src/runtime.rs ]; then
  report_violation "only crates/inference/src/runtime.rs may name ort, found: ${named//$'\n'/ }"
fi
if grep -rnE '#!?\[allow\(' crates benches fuzz/fuzz_targets tools --include='*.rs'; then
  report_violation "use #[expect(lint, reason = \"...\")] instead"
fi
if grep -rnE '^\s*#\[ignore' crates benches tools --include='*.rs'; then
  report_violation "tests must not be ignored"
fi
exit "$wrong"
