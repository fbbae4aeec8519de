#!/usr/bin/env bash
# Installs, upgrades, removes and purges the Debian package in a Debian root, and then installs the offline bundle there as
# root: package.sh ROOT BUNDLE. The root has padan.deb and next.deb.
set -euo pipefail
root=$1 bundle=$2
say() { printf 'dist-check: %s\n' "$*" >&2; }
fail() {
  say "$*"
  exit 1
}
# The program of a minimal Debian, without a network.
inside() { unshare --net chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive "$@"; }
# has MODE OWNER FILE
has() {
  local found
  found=$(inside stat --format='%a %U:%G' "$3") || fail "$3 is missing"
  [ "$found" = "$1 $2" ] || fail "$3 is $found instead of $1 $2"
}
gone() { [ ! -e "$root/$1" ] || fail "/$1 is still there"; }
kept() { [ -e "$root/$1" ] || fail "/$1 is gone"; }
quietly() {
  local output
  output=$("$@" 2>&1) || fail "$*:"$'\n'"$output"
}

quietly inside dpkg --install /padan.deb
has 755 root:root /usr/bin/padan
has 750 root:padan /etc/padan
has 640 root:padan /etc/padan/padan.toml
[ "$(inside getent passwd padan | cut -d : -f 6,7)" = /nonexistent:/usr/sbin/nologin ] || fail "the user padan may log in"
inside padan --version | grep --quiet '^padan [0-9]' || fail "the program does not run"
inside padan models list >/dev/null 2>&1 || fail "padan models list fails"
# The runtime is found without settings, and its system libraries are there.
if inside ldd /usr/lib/padan/libonnxruntime.so | grep --quiet 'not found'; then fail "a library of ONNX Runtime is missing"; fi
for unit in padan.service padan-audit-heads.timer; do
  kept "lib/systemd/system/$unit"
  gone "etc/systemd/system/multi-user.target.wants/$unit"
done
inside bash -c '. /usr/share/bash-completion/completions/padan && complete -p padan' >/dev/null || fail "no completion in bash"

# What a site adds: a setting, keys, models and exports.
inside sh -c 'sed -i "s/^address = .*/address = \"10.0.0.7\"/" /etc/padan/padan.toml
  for key in person-key audit-keys; do echo secret > /etc/padan/$key; chmod 640 /etc/padan/$key; chown root:padan /etc/padan/$key; done
  mkdir -p /var/lib/padan/models /var/lib/padan-usage && touch /var/lib/padan/models/sface.onnx /var/lib/padan-usage/usage.csv
  chmod 755 /etc/padan'
quietly inside dpkg --force-confdef --force-confold --install /next.deb
grep --quiet '^address = "10.0.0.7"' "$root/etc/padan/padan.toml" || fail "the upgrade has changed the site's settings"
grep --quiet 'next release' "$root/etc/padan/padan.toml.dpkg-dist" || fail "the upgrade does not leave the new example"
has 640 root:padan /etc/padan/padan.toml
has 755 root:padan /etc/padan
has 640 root:padan /etc/padan/audit-keys
kept var/lib/padan/models/sface.onnx

quietly inside dpkg --remove padan
gone usr/bin/padan
for file in etc/padan/{padan.toml,person-key,audit-keys} var/lib/padan/models/sface.onnx var/lib/padan-usage/usage.csv; do
  kept "$file"
done

said=$(inside dpkg --purge padan 2>&1)
gone etc/padan/padan.toml
gone var/lib/padan
for file in etc/padan/{person-key,audit-keys} var/lib/padan-usage/usage.csv; do kept "$file"; done
grep --quiet 'kept.*: /etc/padan' <<<"$said" || fail "purge does not say that it keeps the keys: $said"

quietly inside dpkg --install /padan.deb
has 640 root:padan /etc/padan/audit-keys
quietly inside dpkg --purge padan
say "the package is installed, upgraded, removed and purged; keys and exports of the audit trail stay"

# The bundle for a whole machine: the same twice, as an upgrade.
mkdir "$root/bundle"
tar --extract --gzip --file "$bundle" --directory "$root/bundle" --strip-components=1
rm -r "$root/etc/padan"
quietly inside deluser padan
for _ in 1 2; do quietly inside /bundle/install.sh; done
has 755 root:root /usr/local/bin/padan
has 750 root:padan /etc/padan
has 640 root:padan /etc/padan/padan.toml
kept etc/padan/padan.toml.new
kept var/lib/padan/models/sface.onnx
grep --quiet '^ExecStart=/usr/local/bin/padan serve' "$root/usr/local/lib/systemd/system/padan.service" ||
  fail "the unit does not start the installed program"
grep --quiet '^runtime_library = "/usr/local/lib/padan/' "$root/etc/padan/padan.toml" || fail "the settings name another runtime"
inside /usr/local/bin/padan models verify --set inference.model_folder=/var/lib/padan/models >/dev/null 2>&1 ||
  fail "the models are not verified"
say "install.sh installs the bundle for a whole machine, and again"
