#!/usr/bin/env bash
# Checks the crates by deny.toml: sources, licences, bans, and the advisories of RustSec. It is a part of `make lint`.
#
# The advisories are in a git repository. ADVISORY_DB names another copy of it, as a URL or as the folder of a clone; with
# it, a repository that cannot be reached is an error. Without it, that is only said.
# shellcheck source=scripts/paths.sh
. "$(dirname -- "$0")/paths.sh"

public=https://github.com/RustSec/advisory-db
repository=${ADVISORY_DB:-$public}

deny() { "$deps/bin/cargo-deny" --locked --log-level error check "$@"; }

scripts/deps.sh --only-cargo-deny
deny bans licenses sources

if ! timeout 20 git ls-remote --exit-code "$repository" refs/heads/main >/dev/null 2>&1; then
  if [ -n "${ADVISORY_DB:-}" ]; then fail "ADVISORY_DB is $repository, which is no copy of $public that can be read"; fi
  say "NOT CHECKED: the advisories, because $public cannot be reached. ADVISORY_DB=FOLDER names a clone of it"
  exit
fi
# cargo-deny fetches by this address; git replaces it by that of the copy.
export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0="url.$repository.insteadOf" GIT_CONFIG_VALUE_0=$public
deny advisories
say "no advisory of $repository concerns a crate in Cargo.lock"
