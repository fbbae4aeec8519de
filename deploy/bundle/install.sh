#!/bin/sh
# Installs Padan from the folder of this script. Needs no network.
#
#     ./install.sh [--prefix DIR]
#
# Without --prefix, as root: programs below /usr/local, settings in /etc/padan, models in /var/lib/padan, and the user
# padan, as which the service runs. With --prefix: everything below DIR, for the user who runs this.
#
# Run it again to upgrade: your settings stay as they are, and the new example is written beside them.
set -eu

say() { echo "install.sh: $*" >&2; }
fail() {
    say "$*"
    exit 1
}

from=$(cd -- "$(dirname -- "$0")" && pwd)
prefix='' settings=/etc/padan state=/var/lib/padan
case "${1-}" in
    --prefix)
        [ -n "${2-}" ] || fail "--prefix needs a folder"
        mkdir -p -- "$2" || fail "cannot create $2"
        prefix=$(cd -- "$2" && pwd)
        settings=$prefix/etc/padan state=$prefix/var/lib/padan
        ;;
    '')
        [ "$(id -u)" -eq 0 ] || fail "run it as root, or with --prefix DIR for this user alone"
        ;;
    *) fail "usage: ./install.sh [--prefix DIR]" ;;
esac
for_site=no
if [ -z "$prefix" ]; then
    prefix=/usr/local for_site=yes
fi
case "$prefix$settings" in
    *[!A-Za-z0-9/._-]*) fail "the folder $prefix has characters other than letters, digits, '/', '.', '_' and '-'" ;;
esac

cd "$from"
sha256sum --check --quiet --strict SHA256SUMS ||
    fail "a file is damaged or missing: unpack the archive again, and compare it with SHA256SUMS beside it"

copy_folder() {
    find "$1" -type d -exec mkdir -p "$prefix/{}" \;
    # A program that runs is not overwritten: its file is replaced.
    find "$1" ! -type d | while read -r file; do
        cp -dp "$file" "$prefix/$file.installing"
        mv -f "$prefix/$file.installing" "$prefix/$file"
    done
}
for folder in bin lib share; do copy_folder "$folder"; done
in_place() { sed -e "s|/usr/bin/padan|$prefix/bin/padan|; s|/usr/lib/padan|$prefix/lib/padan|; s|/usr/share|$prefix/share|" \
    -e "s|/etc/padan|$settings|; s|/var/lib/padan/models|$state/models|" "$1"; }
for unit in lib/systemd/system/*; do
    in_place "$unit" >"$prefix/$unit"
done

"$prefix/bin/padan" --version >&2 || fail "the program does not run here: it needs Linux on $(uname -m) and glibc 2.36 or newer"

mkdir -p "$settings" "$state/models"
in_place etc/padan/padan.toml >"$settings/padan.toml.new"
if [ ! -e "$settings/padan.toml" ]; then
    mv "$settings/padan.toml.new" "$settings/padan.toml"
    is_new=yes
else
    is_new=no
    say "$settings/padan.toml stays as it is; the example of this release is $settings/padan.toml.new"
fi
if [ "$for_site" = yes ]; then
    if ! getent passwd padan >/dev/null; then
        useradd --system --user-group --home-dir /nonexistent --no-create-home --shell /usr/sbin/nologin padan
    fi
    if [ "$is_new" = yes ]; then
        chown root:padan "$settings" "$settings/padan.toml"
        chmod 0750 "$settings"
        chmod 0640 "$settings/padan.toml"
    fi
    if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
fi

if [ -d models ]; then
    # The program checks every file by the digest that it knows, prepares it, and checks the result.
    "$prefix/bin/padan" models install sface --from models --to "$state/models" >&2
else
    say "this archive has no models: $prefix/bin/padan models install sface --to $state/models"
    say "downloads them; on a machine without a network add --from and the file or folder that you brought"
fi
say "installed. Next: the steps of $prefix/share/doc/padan/docs/operations.md, from 'Registry' on, and then"
say "    PADAN_CONFIG=$settings/padan.toml $prefix/bin/padan doctor"
