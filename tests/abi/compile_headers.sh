#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# compile_headers.sh INCLUDE: each public header alone, as C11, C17 and C++17, and all of them as C++20,
# with each compiler that is here, without a warning.
include=$1
flags="-fsyntax-only -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror"
compiled=0 failed=0

# compile COMPILER LANGUAGE STANDARD HEADER [FLAG]
compile() {
  compiled=$((compiled + 1))
  # The guard has to hold, too: included twice.
  if ! printf '#include <%s>\n#include <%s>\n' "$4" "$4" |
       "$1" -x "$2" "-std=$3" $flags $5 -I "$include" -; then
    echo "failed: $1 -std=$3 $5 $4"
    failed=$((failed + 1))
  fi
}

cd "$include" || exit 1
abi=$(find detent/abi.h detent/abi detent/c.h detent/c -name '*.h' | sort)
sdk=$(find detent/sdk.hpp detent/sdk -name '*.hpp' | sort)
for c in gcc clang clang-14; do
  command -v "$c" >/dev/null || continue
  for header in $abi; do
    for standard in c11 c17; do compile "$c" c "$standard" "$header"; done
  done
done
for cxx in g++ clang++ clang++-14; do
  command -v "$cxx" >/dev/null || continue
  for header in $abi $sdk; do compile "$cxx" c++ c++17 "$header"; done
  for header in detent/abi.h detent/sdk.hpp detent/sdk/testing.hpp; do
    compile "$cxx" c++ c++20 "$header"
  done
  compile "$cxx" c++ c++17 detent/sdk.hpp "-fno-exceptions -fno-rtti"
done
echo "$((compiled - failed)) of $compiled compilations"
[ "$failed" -eq 0 ] && [ "$compiled" -gt 0 ]
