// SPDX-License-Identifier: Apache-2.0
// JSON strings: the little JSON that a writer of safetensors headers needs.
#pragma once
#include <string>
#include <string_view>

namespace detent::serializers {

// RFC 3629: no overlong forms, no surrogates, nothing beyond U+10FFFF.
bool is_utf8(std::string_view text);

// With its quotes, and escaped as serde_json does it: only what must be. text is UTF-8.
std::string json_quote(std::string_view text);

// The text that a metadata value gets from one JSON value: a string is decoded, so that "pt" reads
// as pt; anything else (an object, a number) is its own JSON text, for json.loads to read.
// Throws sdk::Error INVALID_ARG when it is empty, no UTF-8, or a malformed string.
std::string metadata_text(std::string_view value_json);

}  // namespace detent::serializers
