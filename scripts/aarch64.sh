#!/usr/bin/env bash
# Compiles the program for aarch64 on x86-64 and runs it under emulation: it compares two photos, and a service verifies
# a sample person. The database servers are those of this machine. Emulated, the program is some ten times slower.
# As root on Debian, the compiler and the emulator are installed where they are missing.
# shellcheck source=scripts/paths.sh
. "$(dirname -- "$0")/paths.sh"

target=aarch64-unknown-linux-gnu
program=${CARGO_TARGET_DIR:-$PWD/target}/$target/release/padan
runtime=$deps/onnxruntime-aarch64/libonnxruntime.so
photos=people/images

if [ "${1-}" != inside ]; then
  [ "$(uname -sm)" = "Linux x86_64" ] || fail "this script is for Linux on x86-64: elsewhere nothing needs to be emulated"
  scripts/deps.sh
  scripts/deps.sh --only-aarch64
  say "building padan for $target; this takes as long as the first build"
  CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc CC_aarch64_unknown_linux_gnu=aarch64-linux-gnu-gcc \
    CXX_aarch64_unknown_linux_gnu=aarch64-linux-gnu-g++ cargo build --release --locked --target $target --package padan
  mkdir -p "$deps/bin"
  cat >"$deps/bin/padan-aarch64" <<SCRIPT
#!/bin/sh
exec qemu-aarch64-static -L /usr/aarch64-linux-gnu $program "\$@"
SCRIPT
  chmod +x "$deps/bin/padan-aarch64"
  exec "$demo" cluster -- scripts/aarch64.sh inside
fi
# shellcheck source=scripts/site.sh
. scripts/site.sh

padan=$deps/bin/padan-aarch64
ready_tries=3000
export PADAN__INFERENCE__RUNTIME_LIBRARY=$runtime PADAN__INFERENCE__MODEL_FOLDER=$deps/models
export PADAN__INFERENCE__DEVICE=cpu PADAN__INFERENCE__WORKERS=1
say "$("$padan" --version), $(file --brief --dereference "$program" | cut -d , -f 2)"
say "comparing a portrait with a selfie of the same person, and with one of another"
"$padan" compare $photos/101_id.jpg $photos/101_s1.jpg
status=0
"$padan" compare $photos/101_id.jpg $photos/110_s1.jpg || status=$?
[ "$status" -eq 1 ] || fail "two persons: exit status $status instead of 1"

say "starting a service and verifying a sample person"
make_site "$(url_of "$PADAN_TEST_DATABASE_URL" registry)"
# Two photos take a minute on a busy machine.
export PADAN__VERIFICATION__BUDGET_MS=300000
start_service service 18680 18690
answer=$(curl --silent --show-error --fail-with-body --max-time 300 --user "load:$PADAN_LOAD_PASSWORD" \
  --header "x-api-key: $PADAN_LOAD_API_KEY" --form nik=3174011403870000 --form "name=Budi Santoso" \
  --form date_of_birth=14-03-1987 --form face_image=@$photos/101_s1.jpg \
  http://127.0.0.1:18680/identity/v1/face-verification)
printf '%s\n' "$answer"
case "$answer" in
  *'"verification_status":true'*) say "the person was verified by the program for aarch64" ;;
  *) fail "the person was not verified" ;;
esac
