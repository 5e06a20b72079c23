#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fails when a file includes what its layer may not see. An allow-list for each layer, no exceptions.

    sdk  <-  plugins (-> kernels)        framework  ->  sdk        one dependency, one folder
"""
import re

import tree

STANDARD = re.compile(r"^[a-z_0-9]+(\.h)?$")
POSIX = re.compile(r"^(sys|linux|asm)/[a-z_0-9]+\.h$")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)

# Layer -> what it may include with <>, besides the standard library. The longest prefix counts.
ALLOWED = {
    "sdk/include/": ["detent/"],
    "sdk/torch/": ["detent/", "torch/", "ATen/", "c10/"],
    "sdk/": ["detent/"],
    "plugins/kernels/": ["detent/kernels/", "hwy/"],
    "plugins/": ["detent/"],
    "plugins/serializers/state_dict/": ["detent/", "zlib.h"],
    "framework/include/": ["detent/"],
    "framework/include/detent/torch_module.hpp": ["detent/", "torch/"],
    "framework/src/": ["detent/", "fmt/"],
    "framework/src/json/": ["detent/", "fmt/", "boost/json", "boost/system"],
    "framework/src/plugin/": ["detent/", "fmt/", "boost/dll", "openssl/"],
    "framework/src/base/hash.cpp": ["detent/", "fmt/", "xxhash.h"],
    "framework/src/torch/": ["detent/", "fmt/", "torch/", "ATen/", "c10/", "caffe2/serialize/"],
    "framework/src/base/zip_codec.cpp": ["detent/", "fmt/", "zlib.h"],
    "framework/cli/": ["detent/", "fmt/", "CLI/"],
}
# xxhash.h looks like a header of the standard library.
NOT_STANDARD = {"xxhash.h", "zlib.h", "xxhash"}
# A plugin's business, though the prefix detent/ would let it pass; but for what the host measures itself.
NEVER = {"framework/": ["detent/kernels/"]}
NEVER_BUT = ["framework/src/quantize/"]

# A stage knows itself, its neighbours on the same line, and those before it; run chains them.
STAGES = [
    {"base"},
    {"sandbox"},  # what processes that run others' code are kept in
    {"json"},
    {"model"},
    # config names plugins, plugins declare parameters by config's schemas; isolate runs them elsewhere
    {"plugin", "config", "isolate"},
    {"program"},  # a model that runs; plan asks which activations it can see
    {"plan"},
    {"calibrate"},
    {"quantize"},
    {"artifact", "serialize"},  # what was written is what is read
    {"evaluate"},  # what quantization does to the model's own output
    {"validate"},
    {"report", "run"},  # a report describes a run, which writes it in the end
    {"api"},  # what programs that embed the framework see
]
LEVEL = {stage: level for level, stages in enumerate(STAGES) for stage in stages}

# Names of built-in plugins that mean nothing else: the framework knows none of them.
PLUGIN_IDS = re.compile(r'"(minmax|ema|histogram|movingaverage|kl|int4_groupwise|weight_range|roundtrip)"')
COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)


def layer_of(path):
    return max((layer for layer in ALLOWED if path.startswith(layer)), key=len, default=None)


def stage_of(path):
    parts = path.split("/")
    return parts[2] if path.startswith("framework/src/") and parts[2] in LEVEL else None


def may_include(path, layer, included):
    if included not in NOT_STANDARD and (STANDARD.match(included) or POSIX.match(included)):
        return True
    never = [prefix for area, prefixes in NEVER.items() if layer.startswith(area) for prefix in prefixes]
    if not any(path.startswith(area) for area in NEVER_BUT) and any(included.startswith(prefix) for prefix in never):
        return False
    return any(included.startswith(prefix) for prefix in ALLOWED[layer])


def may_use_stage(path, included):
    """Of an include in quotes, relative to framework/src: only earlier stages."""
    own, other = stage_of(path), included.split("/")[0]
    return own is None or other not in LEVEL or LEVEL[other] <= LEVEL[own]


def violations(root):
    for file, path in tree.files(root, tree.C_AND_CPP):
        text = file.read_text(encoding="utf-8", errors="replace")
        if path.startswith("tests/"):
            if "<catch2/" in text and not path.startswith("tests/support/"):
                yield f"{path}: only tests/support includes Catch2"
            continue
        layer = layer_of(path)
        if layer is None:
            continue
        for quote, included in INCLUDE.findall(text):
            if quote == "<" and not may_include(path, layer, included):
                yield f"{path}: {layer} may not include <{included}>"
            if quote == '"' and not may_use_stage(path, included):
                yield f'{path}: {stage_of(path)} comes before the stage of "{included}"'
            if quote == '"' and path.startswith("plugins/") and "framework" in included:
                yield f'{path}: a plugin may not include "{included}"'
        if path.startswith("framework/"):
            for name in PLUGIN_IDS.findall(COMMENT.sub("", text)):
                yield f'{path}: the framework names the plugin "{name}"'


if __name__ == "__main__":
    tree.main(violations)
