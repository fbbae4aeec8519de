#!/usr/bin/env bash
# Compares the dependencies between our crates with the promised arrows, and looks for what must not be named.
# shellcheck source=scripts/paths.sh
. "$(dirname -- "$0")/paths.sh"

wrong=0
complain() {
  say "$*"
  wrong=1
}

# A crate's own arrows; what is not listed here is not allowed. The program may use every crate.
promised() {
  case $1 in
    padan-domain | padan-postgres | padan-testing | padan-load) ;;
    padan-inference) echo padan-domain ;;
    padan-registry | padan-store) echo padan-domain padan-postgres ;;
    padan-kernels) echo padan-domain padan-inference padan-load ;;
    padan-evaluation) echo padan-domain padan-inference ;;
    padan-verification) echo padan-domain padan-inference padan-registry padan-store ;;
    padan-http-api) echo padan-domain padan-verification ;;
    padan) echo padan-domain padan-evaluation padan-http-api padan-inference padan-registry padan-store \
      padan-verification ;;
    padan-scale) echo padan-domain padan-registry padan-store ;;
    padan-benches) echo padan-domain padan-evaluation padan-inference padan-registry padan-store padan-verification \
      padan-http-api ;;
    *) complain "the crate $1 has no place in scripts/check-architecture.sh" ;;
  esac
}

for manifest in crates/*/Cargo.toml benches/Cargo.toml benches/*/Cargo.toml; do
  crate=$(sed -n 's/^name = "\(.*\)"$/\1/p' "$manifest" | head -n 1)
  allowed=" $(promised "$crate" | tr '\n' ' ') "
  found=$(cargo tree --package "$crate" --edges normal,build --depth 1 --prefix none --format '{p}' |
    awk 'NR > 1 && $1 ~ /^padan/ { print $1 }' | sort -u)
  for target in $found; do
    case $allowed in
      *" $target "*) ;;
      *) complain "$crate depends on $target, which is no promised arrow" ;;
    esac
  done
done

# only_in PATTERN WHAT PLACE... : the crates whose manifest has a normal dependency that matches.
only_in() {
  local pattern=$1 manifest crate
  shift
  for manifest in crates/*/Cargo.toml; do
    crate=$(basename -- "$(dirname -- "$manifest")")
    if sed '/^\[dev-dependencies\]/,$d' "$manifest" | grep -qE "^${pattern}[ .]"; then
      case " $* " in
        *" $crate "*) ;;
        *) complain "$manifest names a dependency that only $* may have: $pattern" ;;
      esac
    fi
  done
}
only_in ort inference
only_in sqlx postgres registry store testing
only_in 'actix-[a-z-]+' http-api
only_in anyhow cli

named=$(grep -rlE '\bort::' crates --include='*.rs' || true)
if [ "$named" != crates/inference/src/runtime.rs ]; then
  complain "ort is to be named in crates/inference/src/runtime.rs alone, and is in: ${named//$'\n'/ }"
fi
if grep -rnE '#!?\[allow\(' crates benches --include='*.rs'; then
  complain "use #[expect(lint, reason = \"...\")] instead"
fi
if grep -rnE '^\s*#\[ignore' crates benches --include='*.rs'; then
  complain "no test is ignored"
fi
exit "$wrong"
