// SPDX-License-Identifier: Apache-2.0
// What plugins declare that they can handle (detent_plugin.capabilities), against what they are
// asked to.
#pragma once
#include <cstdint>
#include <detent/abi.h>
#include <string>
#include <vector>

#include "config/schema.hpp"
#include "plugin/plugin.hpp"

namespace detent {

struct QuantTarget;

// Why the host cannot use such a declaration; empty when it can. Members that it does not know are
// those of a newer one.
std::string wrong_in_capabilities(const json::Value& capabilities);

// {"dtype": "F32", "ndim": 2, "shape": [64, 128]}
json::Object tensor_facts(detent_dtype dtype, const std::vector<std::int64_t>& shape);
// {"dtype": "int8", "symmetric": true, "granularity": "per_channel", "axis": 0, "group_size": 0,
// "qmin": -127, "qmax": 127, "scheme": "detent.affine/1"}
json::Object target_facts(const QuantTarget& target);

// Every limit of capabilities[member] that the facts lie beyond, with the nearest that is allowed
// as the hint. Empty when nothing is declared about it.
std::vector<SchemaProblem> beyond_capabilities(const Plugin& plugin, const char* member,
                                               const json::Object& facts);

}  // namespace detent
