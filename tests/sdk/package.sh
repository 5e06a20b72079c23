#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# package.sh install BUILD PREFIX            installs the component sdk, then moves it: it relocates
# package.sh plugin SOURCE PREFIX WORK NAME  builds a project against PREFIX alone, tests it, and
#                                            looks at WORK/NAME.detent.so
# package.sh symbols FILE                    looks at one plugin file
# The compiler and generator are those of $CXX and $CMAKE_GENERATOR; $CMAKE is the program.
set -eu
cmake=${CMAKE:-cmake}

install_sdk() {
  build=$1 prefix=$2
  rm -rf "$prefix" "$prefix.first"
  "$cmake" --install "$build" --component sdk --prefix "$prefix.first" >/dev/null
  mv "$prefix.first" "$prefix"
  if find "$prefix" -type f | grep -vE '/(include/detent/|cmake/detent/|pkgconfig/detent-sdk\.pc$|share/detent/(template|rust)/)'; then
    echo "files that are no part of the SDK were installed"
    exit 1
  fi
  if grep -rl "$prefix.first" "$prefix"; then
    echo "files that know where they were installed first"
    exit 1
  fi
  if command -v pkg-config >/dev/null; then
    pc=$(find "$prefix" -name detent-sdk.pc)
    flags=$(PKG_CONFIG_PATH=$(dirname "$pc") pkg-config --cflags detent-sdk)
    echo '#include <detent/sdk.hpp>' | "${CXX:-c++}" -std=c++17 -x c++ -fsyntax-only $flags -
  fi
}

# One exported symbol, nothing unique to the process, nothing left to the host to define.
check_symbols() {
  exported=$(nm -D --defined-only "$1" | awk '{print $NF}' | sed 's/@.*//' | grep -v '^detent_entry$' || true)
  [ -z "$exported" ] || { echo "$1 exports: $exported"; exit 1; }
  nm -D --defined-only "$1" | grep -q detent_entry || { echo "$1 has no detent_entry"; exit 1; }
  if readelf -sW "$1" | grep -w UNIQUE; then echo "$1 has symbols that pin it"; exit 1; fi
  if readelf -dW "$1" | grep NEEDED | grep -vE '(ld-linux|lib(stdc\+\+|gcc_s|c|m|c\+\+|c\+\+abi|unwind)\.so)'; then
    echo "$1 needs libraries that no plugin needs"
    exit 1
  fi
}

build_plugin() {
  source=$1 prefix=$2 work=$3 name=$4
  rm -rf "$work"
  mkdir -p "$work"
  # Nothing of this repository may be found but the prefix.
  "$cmake" -S "$source" -B "$work" -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_BUILD_TYPE=Release \
    -DCMAKE_FIND_USE_PACKAGE_REGISTRY=OFF -DCMAKE_CXX_FLAGS="-Wall -Wextra -Wpedantic -Werror" >/dev/null
  case $(grep '^detent_DIR' "$work/CMakeCache.txt") in
    *"$prefix"/*) ;;
    *) echo "another detent package was found"; exit 1 ;;
  esac
  started=$(date +%s%N)
  "$cmake" --build "$work" --target "$name" >"$work/build.log" 2>&1 || { cat "$work/build.log"; exit 1; }
  echo "plugin built in $((($(date +%s%N) - started) / 1000000)) ms"
  "$cmake" --build "$work" >"$work/build.log" 2>&1 || { cat "$work/build.log"; exit 1; }
  check_symbols "$work/$name.detent.so"
  (cd "$work" && "$(dirname "$cmake")/ctest" --output-on-failure)
}

case $1 in
  install) install_sdk "$2" "$3" ;;
  plugin) build_plugin "$2" "$3" "$4" "$5" ;;
  symbols) check_symbols "$2" ;;
  *) exit 2 ;;
esac
