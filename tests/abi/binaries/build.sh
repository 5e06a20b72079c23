#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# build.sh INCLUDE OUT: the build lines of the binaries in this folder. They were run once, with the headers
# of the version that the folder is called after; what they made is kept and never built again.
set -eu
include=$1 out=$2
here=$(cd "$(dirname "$0")" && pwd)/sources
map=$(mktemp)
trap 'rm -f "$map"' EXIT
echo '{ global: detent_entry; local: *; };' >"$map"
common="-O2 -fPIC -shared -fvisibility=hidden -I $include -Wl,--version-script=$map -Wl,-z,now -s"

# build NAME COMPILER SOURCE FLAG...
build() {
  name=$1 compiler=$2 source=$3
  shift 3
  command -v "$compiler" >/dev/null || { echo "no $compiler: $name is left out"; return 0; }
  mkdir -p "$out/$name"
  # shellcheck disable=SC2086 # a list of flags
  "$compiler" "$@" $common -o "$out/$name/compat.detent.so" "$here/$source" -lm
}

build c_gcc gcc plugins.c -std=c11
build c_clang clang-14 plugins.c -std=c17
build cpp_gcc g++ plugins.cpp -std=c++17
build cpp_gcc_static g++ plugins.cpp -std=c++20 -static-libstdc++ -static-libgcc
build cpp_gcc_old_strings g++ plugins.cpp -std=c++17 -D_GLIBCXX_USE_CXX11_ABI=0
build cpp_clang clang++-14 plugins.cpp -std=c++17

# The layer of the SDK for Rust lies beside the headers' folder. Nothing of the machine stays in the binary.
build_rust() {
  command -v cargo >/dev/null || { echo "no cargo: rust is left out"; return 0; }
  crate=$(cd "$include/../rust" && pwd)
  project=$(mktemp -d)
  mkdir -p "$project/src" "$out/rust"
  cp "$here/plugins.rs" "$project/src/lib.rs"
  cat >"$project/Cargo.toml" <<TOML
[package]
name = "compat"
version = "1.0.0"
edition = "2021"
[lib]
crate-type = ["cdylib"]
[dependencies]
detent = { path = "$crate" }
[profile.release]
panic = "unwind"
lto = true
strip = true
TOML
  RUSTFLAGS="--remap-path-prefix=$crate=detent --remap-path-prefix=$project=compat --remap-path-prefix=$HOME=home" \
    cargo build --release --offline --quiet --manifest-path "$project/Cargo.toml"
  cp "$project/target/release/libcompat.so" "$out/rust/compat.detent.so"
  rm -rf "$project"
}
build_rust
