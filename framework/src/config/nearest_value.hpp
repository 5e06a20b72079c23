// SPDX-License-Identifier: Apache-2.0
// nearest_allowed: what a number that a schema refuses was probably meant to be.
#pragma once
#include <optional>

#include "json/value.hpp"

namespace detent {

// The number nearest to `value` that obeys enum, minimum, maximum, exclusiveMinimum,
// exclusiveMaximum and multipleOf of the schema, the lower of two that are equally near; nullopt
// when there is none, or none that is nearest (an open end without a step). Numbers of a schema
// whose type is integer are integers.
std::optional<json::Value> nearest_allowed(const json::Value& value, const json::Object& schema);

}  // namespace detent
