#!/usr/bin/env bash
# Makes the packages of `make dist` twice and tries them: `make dist-check`. Needs root, and Debian's packages lintian
# and debootstrap. The arguments are those of scripts/dist.sh.
#
# It checks that both runs give the same bytes, that lintian finds nothing, that the signature holds, how the Debian package
# is installed, upgraded, removed and purged in a fresh Debian, and that the offline bundle, where there is no network,
# installs a program that passes `padan doctor` and verifies a person.
# shellcheck source=scripts/paths.sh
. "$(dirname -- "$0")/paths.sh"

checkout=$PWD
dist=$PWD/target/dist
[ "$(id -u)" -eq 0 ] || fail "run it as root: it installs the package in a folder of its own, by chroot"
for tool in lintian debootstrap; do
  command -v "$tool" >/dev/null || fail "$tool is missing: as root on Debian run: apt-get install lintian debootstrap"
done
check=$(mktemp -d)
trap 'rm -rf -- "$check"' EXIT

key=$check/key
ssh-keygen -q -t ed25519 -N '' -C '' -f "$key"
PADAN_SIGNING_KEY=$key scripts/dist.sh "$@"
program=$dist/../dist-build/release/padan
if [ "${1-}" = --program ]; then program=$2; fi
scripts/dist.sh --program "$program" --output "$check/again" 2>"$check/log"
grep --quiet 'NOT SIGNED' "$check/log" || fail "without a key, dist.sh does not say that nothing is signed"
cmp "$dist/SHA256SUMS" "$check/again/SHA256SUMS" || fail "the second run gave other bytes"
say "two runs give the same bytes"

(cd "$dist" && sha256sum --check --quiet SHA256SUMS)
printf 'padan-release %s\n' "$(cat "$key.pub")" >"$check/builder"
verify() { ssh-keygen -q -Y verify -f "$check/builder" -I padan-release -n padan-release -s "$dist/SHA256SUMS.sig"; }
verify <"$dist/SHA256SUMS" >/dev/null
if sed 's/^./f/' "$dist/SHA256SUMS" | verify >/dev/null 2>&1; then fail "the signature holds for a changed list"; fi
say "the signature holds"

lintian --allow-root --fail-on error,warning "$dist"/*.deb
say "lintian finds neither errors nor warnings"

# A fresh Debian, kept for the next time.
root=$check/debian
if [ ! -e "$deps/debian.tar" ]; then
  say "installing a fresh Debian into .deps/debian.tar, which takes a minute"
  # shellcheck source=/dev/null
  debootstrap --variant=minbase --include=adduser,ca-certificates,libstdc++6,zlib1g \
    "$(. /etc/os-release && echo "$VERSION_CODENAME")" "$root" >"$check/log" 2>&1 || fail "debootstrap: $(tail -n 3 "$check/log")"
  tar --create --file "$deps/debian.tar" --directory "$root" .
else
  mkdir "$root"
  tar --extract --file "$deps/debian.tar" --directory "$root"
fi
package=$(echo "$dist"/padan_*.deb)
cp "$package" "$root/padan.deb"
# The same package with a later version, for an upgrade.
dpkg-deb --raw-extract "$package" "$check/next"
sed --in-place 's/^Version: .*/&+next/' "$check/next/DEBIAN/control"
echo '# A new line of the next release.' >>"$check/next/etc/padan/padan.toml"
dpkg-deb --root-owner-group -Zgzip --build "$check/next" "$root/next.deb" >/dev/null
bundle=$(echo "$dist"/padan-*-offline.tar.gz)
scripts/dist-check/package.sh "$root" "$bundle"
scripts/dist-check/bundle.sh "$checkout" "$bundle" "$demo"
