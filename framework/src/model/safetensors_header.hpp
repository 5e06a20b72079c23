// SPDX-License-Identifier: Apache-2.0
// The header of a safetensors file: 8 bytes with its length, then JSON. Bytes in, tensors out.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/model.hpp"

namespace detent {

inline constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;  // as in the reference reader
inline constexpr std::size_t kMaxTensorsPerFile = 250'000;     // about 300 MB while it is read

struct SafetensorsHeader {
  std::vector<TensorInfo> tensors;  // in the order of their data; offset is that in the file
  std::vector<std::pair<std::string, std::string>> metadata;
};

// The length that the first 8 bytes give, once it is known to fit into the file. first_bytes are
// the file's first 64, or all of it.
//
// Errors  Error{io}
std::uint64_t safetensors_header_length(std::string_view first_bytes, std::uint64_t file_size,
                                        const std::string& file);

// Everything is checked: the tensors fill the data from its first byte to the file's last without
// gap or overlap, so nothing that is read later can lie outside.
//
// Stricter than the reference reader (safetensors 0.8): it also takes white space before the '{',
// "__metadata__": null, duplicate keys, names with NUL, rows of 4-bit values that end within a
// byte, sizes beyond 2^63 beside a size of 0, and -0 in fields that it ignores.
//
// Errors  Error{io} with file, tensor or place, and the rule that is broken
SafetensorsHeader parse_safetensors_header(std::string_view text, std::uint64_t file_size,
                                           const std::string& file);

}  // namespace detent
