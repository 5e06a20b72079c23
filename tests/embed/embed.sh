#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# embed.sh install BUILD PREFIX                  installs what an embedding program needs, and moves it
# embed.sh tensors SOURCE PREFIX WORK            builds the tutorial without LibTorch and runs it
# embed.sh module SOURCE PREFIX WORK TORCH_DIR   the same with LibTorch
# The compiler and generator are those of $CXX and $CMAKE_GENERATOR; $CMAKE is the program.
set -eu
export DETENT_NO_CACHE=1 # the cache of whoever runs this is left alone
cmake=${CMAKE:-cmake}

fail() {
  echo "$1"
  exit 1
}

install_all() {
  build=$1 prefix=$2
  rm -rf "$prefix" "$prefix.first"
  for component in sdk framework plugins; do
    "$cmake" --install "$build" --component $component --prefix "$prefix.first" >/dev/null
  done
  if [ -f "$build/sdk/torch/cmake_install.cmake" ]; then
    "$cmake" --install "$build" --component sdk_torch --prefix "$prefix.first" >/dev/null
  fi
  mv "$prefix.first" "$prefix"
  if grep -rl "$prefix.first" "$prefix"; then fail "files that know where they were installed first"; fi
  library=$(find "$prefix" -name 'libdetent.so' | head -1)
  [ -n "$library" ] || fail "no library was installed"
  # Of our own code nothing but the API is to be seen from outside.
  hidden=$(nm -DC --defined-only "$library" | grep -E ' [TW] detent::' |
    grep -vE 'detent::(Error::|quantize\(|open_artifact\(|run\(|to_string\(detent::ErrorCode|format_problem)' |
    grep -vE 'detent::QuantizedModel::(tensors|find|aliases|warnings|dequantize)\b' || true)
  [ -z "$hidden" ] || fail "the library exports: $hidden"
}

# More of the prefix than the package of an embedding program is not needed: no Boost, no fmt.
configure() {
  source=$1 prefix=$2 work=$3
  shift 3
  rm -rf "$work"
  "$cmake" -S "$source" -B "$work" -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_BUILD_TYPE=Release \
    -DCMAKE_FIND_USE_PACKAGE_REGISTRY=OFF -DCMAKE_CXX_FLAGS="${CXXFLAGS:-} -Wall -Wextra -Werror" "$@" >/dev/null
  case $(grep '^detent_DIR' "$work/CMakeCache.txt") in
    *"$prefix"/*) ;;
    *) fail "another detent package was found" ;;
  esac
}

# Builds and runs a program in an environment that tells it nothing of plugins.
output_of() {
  work=$1 program=$2
  "$cmake" --build "$work" --target "$program" >"$work/build.log" 2>&1 || { cat "$work/build.log"; exit 1; }
  env -u DETENT_PLUGIN_PATH XDG_DATA_HOME=/nonexistent "$work/$program"
}

expect() {
  [ "$1" = "$2" ] || fail "the program says:
$1
and was expected to say:
$2"
}

for file in "$2"/*.cpp; do
  [ "$1" = install ] || [ "$(wc -l <"$file")" -lt 60 ] || fail "$file is too long for an example"
done
case $1 in
  install) install_all "$2" "$3" ;;
  tensors)
    configure "$2" "$3" "$4"
    # sin(1) = 0.84147; the largest of row 0 is |sin(11)| = 0.99999: 0.84147 / 0.99999 * 127 = 106.87
    expect "$(output_of "$4" quantize_tensors)" "fc.bias: int8: bias stays in floating point
  fc.bias, 32 bytes
fc.weight: int8
  fc.weight, 256 bytes
  fc.weight_scale, 32 bytes
code 107 is 0.8425, was 0.8415"
    ;;
  module)
    configure "$2" "$3" "$4" -DTorch_DIR="$5"
    output=$(output_of "$4" quantize_module)
    # INT8 weights of a small network: about a half percent.
    expect "$(echo "$output" | sed 's/^relative error 0\.00[0-9]*$/small error/')" "conv.weight (Conv2d): int8
conv.bias (Conv2d): int8: bias stays in floating point
fc.weight (Linear): int8
fc.bias (Linear): int8: bias stays in floating point
codes are Char
original unchanged
small error"
    ;;
  *) exit 2 ;;
esac
