#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# new_projects.sh install BUILD PREFIX       program, plugins and SDK of a build, and nothing else
# new_projects.sh all PREFIX WORK            every project of `plugins new` in C++ and C, two at once
# new_projects.sh rust PREFIX WORK           the same in Rust; 77, skipped, where there is no cargo
# new_projects.sh one PREFIX WORK LANG KIND  writes, builds and tests one, with PREFIX/bin in PATH
# $CMAKE is the program; $CC and $CXX are the compilers, for C and C++.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cmake=${CMAKE:-cmake}

install_all() {
  build=$1 prefix=$2
  rm -rf "$prefix"
  for component in program plugins sdk; do
    "$cmake" --install "$build" --component "$component" --prefix "$prefix" >/dev/null
  done
}

one() {
  prefix=$1 work=$2 lang=$3 kind=$4
  name=${kind}_$(echo "$lang" | tr + p)
  folder=$work/$name
  log=$work/$name.log
  PATH=$prefix/bin:$PATH
  export PATH
  rm -rf "$folder"
  mkdir -p "$work"
  cd "$work"
  {
    "$prefix/bin/detent" plugins new "$kind" "$name" --lang "$lang" --id "com.acme.$name" --vendor "Acme & Sons" &&
      "$cmake" -S "$folder" -B "$folder/build" -DCMAKE_FIND_USE_PACKAGE_REGISTRY=OFF \
        -DCMAKE_C_FLAGS=-Werror -DCMAKE_CXX_FLAGS=-Werror -DCMAKE_CXX_FLAGS_RELEASE=-O1 -DCMAKE_C_FLAGS_RELEASE=-O1 &&
      case $(grep '^detent_DIR' "$folder/build/CMakeCache.txt") in *"$prefix"/*) ;; *) echo "another SDK was found"; false ;; esac &&
      "$cmake" --build "$folder/build" &&
      sh "$here/package.sh" symbols "$folder/build/$name.detent.so" &&
      (cd "$folder/build" && "$(dirname "$cmake")/ctest" --output-on-failure --no-tests=error)
  } >"$log" 2>&1 || { echo "== $kind in $lang"; cat "$log"; return 1; }
  grep -E 'tests passed' "$log" | sed "s/^/$kind in $lang: /"
}

all() {
  prefix=$1 work=$2
  for lang in c++ c; do
    for kind in observer quantizer serializer validator; do echo "$lang $kind"; done
  done | xargs -P 2 -L 1 sh "$0" one "$prefix" "$work"
}

rust() {
  command -v cargo >/dev/null || PATH=$PATH:$HOME/.cargo/bin
  export PATH
  command -v cargo >/dev/null || { echo "skipped: there is no cargo"; exit 77; }
  for kind in observer quantizer; do sh "$0" one "$1" "$2" rust "$kind"; done
}

case $1 in
  install) install_all "$2" "$3" ;;
  all) all "$2" "$3" ;;
  rust) rust "$2" "$3" ;;
  one) one "$2" "$3" "$4" "$5" ;;
  *) exit 2 ;;
esac
