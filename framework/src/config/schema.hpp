// SPDX-License-Identifier: Apache-2.0
// Parameters of a plugin against the JSON Schema of its descriptor.
//
// The keywords are those that abi.h lists at params_schema, with one rule of our own: an object is
// closed unless it says "additionalProperties": true, so that no misspelt parameter goes unnoticed.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "json/value.hpp"

namespace detent {

struct SchemaProblem {
  std::string pointer;      // into the value
  std::string message;      // what is allowed and what was found
  std::string hint;         // nearest name, or empty
  json::Position position;  // of the value or key
};

// Empty when the host understands every keyword of the schema (see abi.h) and each default obeys
// its own schema; otherwise why not.
std::string unsupported_schema(const json::Value& schema);

// All mistakes at once. `where` names the owner of the parameters in the messages: "0 is less than
// 1, the smallest group_size of <where>". A whole number such as 2.0 is an integer, as in JSON
// Schema.
std::vector<SchemaProblem> check_against_schema(const json::Value& value, const json::Value& schema,
                                                const std::string& where);

// The value with the schema's defaults added, for the role "weight", "activation" or "" (none), in
// the order of the schema; a default of the role goes before the general one. Objects inside get
// theirs too.
json::Object with_defaults(const json::Object& params, const json::Value& schema,
                           std::string_view role);

}  // namespace detent
