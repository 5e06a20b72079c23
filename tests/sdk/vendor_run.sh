#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# vendor_run.sh DETENT PLUGINS PIPELINE MODEL WORK: a run whose observer and quantizer are a vendor's,
# found by DETENT_PLUGIN_PATH; DETENT itself has never heard of them.
set -eu
detent=$1 plugins=$2 pipeline=$3 model=$4 work=$5
rm -rf "$work"
mkdir -p "$work"
cp "$pipeline" "$work/pipeline.json"
cp "$model" "$work/model.safetensors"
cd "$work"

fail() { echo "$1"; exit 1; }

status=0
env -u DETENT_PLUGIN_PATH "$detent" run pipeline.json >without.log 2>&1 || status=$?
[ "$status" -eq 2 ] || { cat without.log; fail "without the plugin the exit code is $status, not 2"; }
grep -q 'acme' without.log || { cat without.log; fail "the missing plugin is not named"; }
[ ! -e out/model.safetensors ] || fail "a failed run left an artefact"

DETENT_PLUGIN_PATH=$plugins
export DETENT_PLUGIN_PATH
"$detent" plugins list --json >plugins.json
for id in acme.absmax acme.int3; do
  grep -q "\"$id\"" plugins.json || fail "plugins list does not show $id"
done
"$detent" run pipeline.json
for id in acme.absmax acme.int3; do
  grep -q "$id" out/report.json || fail "the report does not name $id"
done
"$detent" inspect --json out/model.safetensors >inspect.json
grep -q '"I8"' inspect.json || fail "the artefact holds no int8 codes"
grep -q 'fc1.weight_scale' inspect.json || fail "the artefact holds no scales"
cp out/model.safetensors first.safetensors
"$detent" run pipeline.json --overwrite --threads 1
cmp first.safetensors out/model.safetensors || fail "two runs gave different bytes"
