#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# northwind.sh PREFIX SOURCE WORK: the vendor's example, built without Rust; what it wrote is read without it.
set -eu
prefix=$1 source=$2 work=$3
here=$(cd "$(dirname "$0")" && pwd)
cmake=${CMAKE:-cmake}
PATH=$prefix/bin:$PATH
rm -rf "$work"
mkdir -p "$work"
cd "$work"
"$cmake" -S "$source/docs/tutorials/vendor" -B build -DCARGO=OFF -DBUILD_TESTING=OFF -DCMAKE_CXX_FLAGS="-Wall -Wextra -Wpedantic -Werror" >/dev/null
"$cmake" --build build >build.log 2>&1 || { cat build.log; exit 1; }
sh "$here/package.sh" symbols build/northwind.detent.so
cp "$source/docs/tutorials/vendor/pipeline.json" .
detent run pipeline.json --plugin-path build --set /model/path="$source/config_examples/digits/model.safetensors"
cp out/model.safetensors first.safetensors
detent run pipeline.json --plugin-path build --set /model/path="$source/config_examples/digits/model.safetensors" --overwrite --threads 1
cmp first.safetensors out/model.safetensors
detent dequantize out/model.safetensors floats.safetensors --plugin-path build
exec "$source/tests/support/run_python.sh" "$source" "$here/northwind.py" out/model.safetensors floats.safetensors
