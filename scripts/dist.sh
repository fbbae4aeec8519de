#!/usr/bin/env bash
# Makes what is released, in target/dist: a Debian package with its debug symbols, an archive, an offline bundle with the
# models, and SHA256SUMS, signed if there is a key.
#
#     scripts/dist.sh [--program FILE] [--output DIR]
#
#     --program FILE  packs this program instead of compiling one, such as target/release/padan, for a test
#     --output DIR    where the files go
#
# From the environment:
#     PADAN_SIGNING_KEY  the file of the builder's SSH key; of a key in an agent or on a device, its public part
#     PADAN_MAINTAINER   the package's maintainer, as "Name <address>"
#     SOURCE_DATE_EPOCH  the time of every packed file; if it is not set, that of the last commit
#
# The same commit, built twice by the same compiler on Debian 12, gives the same bytes: packed files are sorted, have one
# time and one owner, and the program names no folder of the machine that compiled it.
# shellcheck source=scripts/paths.sh
. "$(dirname -- "$0")/paths.sh"

program='' output=$PWD/target/dist
while [ $# -gt 0 ]; do
  case "$1" in
    --program) program=$2 ;;
    --output) output=$2 ;;
    *) fail "unknown argument $1: see the head of this script" ;;
  esac
  shift 2
done

for tool in dpkg-deb dpkg-shlibdeps objcopy fakeroot; do
  command -v "$tool" >/dev/null || fail "$tool is missing: as root on Debian run: apt-get install dpkg-dev fakeroot binutils"
done
version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
architecture=$(dpkg --print-architecture)
maintainer=${PADAN_MAINTAINER:-Padan maintainers <padan@packages.invalid>}
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH TZ=UTC LC_ALL=C
umask 022
work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
mkdir -p "$output"
rm -f -- "$output"/padan* "$output"/SHA256SUMS*

# build_program: compiles the program in a folder of its own, since other flags compile every crate again.
build_program() {
  local sources=${CARGO_HOME:-$HOME/.cargo}/registry/src
  say "building padan $version for a release; this takes as long as the first build"
  RUSTFLAGS="--remap-path-prefix=$PWD=/padan --remap-path-prefix=$sources=/crates" CFLAGS="-ffile-prefix-map=$sources=/crates" \
    CARGO_TARGET_DIR=$PWD/target/dist-build cargo build --release --locked --package padan
  program=$PWD/target/dist-build/release/padan
}

# stage_program FOLDER: the program, the runtime and what is generated from the program, as they lie below /usr.
stage_program() {
  local to=$1 library library_name
  library=$(readlink --canonicalize "$deps/onnxruntime/libonnxruntime.so")
  mkdir -p "$to"/{bin,lib/padan,lib/systemd/system,share/doc/padan,share/man/man1,share/padan} \
    "$to"/share/{bash-completion/completions,zsh/vendor-completions,fish/vendor_completions.d}
  objcopy --strip-unneeded "$program" "$to/bin/padan"
  # With its version in its name, as sbom.py reads it.
  library_name=$(find "$deps/onnxruntime" -name 'libonnxruntime.so.*' -printf '%f\n')
  objcopy --strip-unneeded "$library" "$to/lib/padan/$library_name"
  chmod 644 "$to/lib/padan/$library_name"
  ln -s "$library_name" "$to/lib/padan/libonnxruntime.so"
  "$program" completions bash >"$to/share/bash-completion/completions/padan"
  "$program" completions zsh >"$to/share/zsh/vendor-completions/_padan"
  "$program" completions fish >"$to/share/fish/vendor_completions.d/padan.fish"
  "$program" man "$to/share/man/man1"
  gzip --best --no-name "$to"/share/man/man1/*.1
  cp deploy/systemd/padan* "$to/lib/systemd/system/"
  cp -r deploy/registry deploy/store deploy/prometheus deploy/grafana deploy/haproxy deploy/patroni "$to/share/padan/"
  rm -r "$to/share/padan/prometheus/tests"
}

# stage_documents FOLDER: pages, licences and the list of components.
stage_documents() {
  local to=$1
  cp -r README.md CHANGELOG.md docs models config/default.toml "$to/"
  cp "$deps/onnxruntime/LICENSE" "$to/onnxruntime.LICENSE"
  cp "$deps/onnxruntime/ThirdPartyNotices.txt" "$to/onnxruntime.ThirdPartyNotices.txt"
  python3 -B tools/deploy/sbom.py "$stage/lib/padan" >"$to/sbom.cdx.json"
  python3 -B tools/dist/licences.py >"$to/third-party-licences.txt"
}

# fill TEMPLATE TREE > FILE: a control file for a package with this tree.
fill() {
  sed -e "s|@VERSION@|$version|; s|@ARCHITECTURE@|$architecture|; s|@MAINTAINER@|$maintainer|" \
    -e "s|@SIZE@|$(du --apparent-size --block-size=1024 --summarize "$2" | cut -f 1)|" \
    -e "s|@LIBRARIES@|${libraries-}|; s|@BUILD_ID@|${build_id-}|" "$1"
}

# pack_package TREE NAME: packs a tree with its DEBIAN folder.
pack_package() {
  (cd "$1" && find . -type f -not -path './DEBIAN/*' -printf '%P\0' | sort --zero-terminated | xargs -0 md5sum >DEBIAN/md5sums)
  find "$1" -print0 | xargs -0 touch --no-dereference --date="@$SOURCE_DATE_EPOCH"
  dpkg-deb --root-owner-group -Zxz --build "$1" "$output/$2_${version}_$architecture.deb" >/dev/null
}

# changelog PACKAGE: Debian's form of the changelog, which only refers to ours.
changelog() {
  printf '%s (%s) stable; urgency=medium\n\n  * Release %s: see CHANGELOG.md and docs/upgrades.md in this folder.\n\n -- %s  %s\n' \
    padan "$version" "$version" "$maintainer" "$(date --rfc-email --date="@$SOURCE_DATE_EPOCH")"
}

make_package() {
  local tree=$work/package documents
  mkdir -p "$tree"/{DEBIAN,etc/padan,usr}
  cp -a "$stage/." "$tree/usr/"
  documents=$tree/usr/share/doc/padan
  install -m 644 deploy/debian/copyright "$documents/copyright"
  changelog | gzip --best --no-name >"$documents/changelog.gz"
  mkdir -p "$tree/usr/share/lintian/overrides"
  install -m 644 deploy/debian/lintian-overrides "$tree/usr/share/lintian/overrides/padan"
  install -m 644 config/production.toml "$tree/etc/padan/padan.toml"
  install -m 755 deploy/debian/{postinst,prerm,postrm} "$tree/DEBIAN/"
  install -m 644 deploy/debian/conffiles "$tree/DEBIAN/"
  # dpkg-shlibdeps reads the name of the package from here.
  mkdir -p "$work/shlibs/debian"
  printf 'Source: padan\n\nPackage: padan\nArchitecture: any\n' >"$work/shlibs/debian/control"
  libraries=$(cd "$work/shlibs" && dpkg-shlibdeps -O --ignore-missing-info -l"$tree/usr/lib/padan" \
    "$tree/usr/bin/padan" "$tree"/usr/lib/padan/*.so.* 2>/dev/null | sed -n 's/^shlibs:Depends=//p')
  [ -n "$libraries" ] || fail "dpkg-shlibdeps finds no libraries"
  fill deploy/debian/control "$tree" >"$tree/DEBIAN/control"
  pack_package "$tree" padan
}

# The symbols lie where debuggers and the program's own backtraces look for them.
make_symbols_package() {
  local tree=$work/symbols file
  build_id=$(readelf --notes "$program" | sed -n 's/^ *Build ID: //p')
  [ -n "$build_id" ] || { say "no package of debug symbols: the linker gave the program no build id"; return; }
  file=$tree/usr/lib/debug/.build-id/${build_id:0:2}/${build_id:2}.debug
  mkdir -p "$tree/DEBIAN" "$tree/usr/share/doc" "${file%/*}"
  objcopy --only-keep-debug --compress-debug-sections=zlib "$program" "$file"
  chmod 644 "$file"
  ln -s padan "$tree/usr/share/doc/padan-dbgsym"
  fill deploy/debian/control.debug "$tree" >"$tree/DEBIAN/control"
  pack_package "$tree" padan-dbgsym
}

# pack_archive FOLDER: packs a folder of $work, with a list of the digests of its files.
pack_archive() {
  (cd "$work/$1" && find . -type f -not -name SHA256SUMS -printf '%P\0' | sort --zero-terminated | xargs -0 sha256sum >SHA256SUMS)
  tar --create --directory "$work" --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner \
    --format=gnu "$1" | gzip --no-name >"$output/$1.tar.gz"
}

make_archive() {
  local tree=$work/$archive
  mkdir -p "$tree/etc/padan"
  cp -a "$stage/." "$tree/"
  cp LICENSE "$tree/"
  install -m 644 config/production.toml "$tree/etc/padan/padan.toml"
  install -m 755 deploy/bundle/install.sh "$tree/install.sh"
  install -m 644 deploy/bundle/README.md "$tree/README.md"
  pack_archive "$archive"
}

# The bundle is the archive with the published files of the default model set, unchanged, and their licences.
make_bundle() {
  local tree=$work/$archive-offline
  cp -a "$work/$archive" "$tree"
  mkdir "$tree/models"
  cp "$deps/models/sface.original.onnx" "$tree/models/face_recognition_sface_2021dec.onnx"
  cp "$deps/models/yunet.original.onnx" "$tree/models/face_detection_yunet_2023mar.onnx"
  cp LICENSE "$tree/models/face_recognition_sface.LICENSE"
  cp deploy/bundle/yunet.LICENSE "$tree/models/face_detection_yunet.LICENSE"
  pack_archive "$archive-offline"
}

# Every site has ssh-keygen, which comes with OpenSSH (8.1 or newer).
sign() {
  (cd "$output" && sha256sum -- padan* >SHA256SUMS)
  if [ -z "${PADAN_SIGNING_KEY-}" ]; then
    say "NOT SIGNED: PADAN_SIGNING_KEY names no key, so SHA256SUMS only detects damage, not a change by somebody else"
    return
  fi
  ssh-keygen -q -Y sign -f "$PADAN_SIGNING_KEY" -n padan-release "$output/SHA256SUMS" ||
    fail "cannot sign with $PADAN_SIGNING_KEY"
  say "signed SHA256SUMS by $(ssh-keygen -l -f "$PADAN_SIGNING_KEY" | cut -d ' ' -f 2)"
}

[ -n "$program" ] || build_program
[ -x "$program" ] || fail "$program is no program"
archive=padan-$version-linux-$(uname -m)
stage=$work/stage
stage_program "$stage"
stage_documents "$stage/share/doc/padan"
make_package
make_symbols_package
make_archive
make_bundle
sign
(cd "$output" && du --apparent-size --block-size=1M -- * >&2)
