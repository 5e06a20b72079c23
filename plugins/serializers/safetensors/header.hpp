// SPDX-License-Identifier: Apache-2.0
// Header: what stands before the data of a safetensors file.
//
//   u64 little-endian N | N bytes of JSON, padded with spaces | data without gaps
//
// Order     that of the library's writer: __metadata__ (keys sorted), then tensors by dtype, widest
//           first, then by name as bytes; the data in the same order, so that all of it is aligned
// Limits    N is a multiple of 8 and at most 100,000,000: readers refuse more
// Source    https://github.com/huggingface/safetensors, "Format" and `prepare` in tensor.rs
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "dtype.hpp"

namespace detent::safetensors {

struct Entry {
  std::string name;
  detent_dtype dtype;          // as declared
  std::vector<int64_t> shape;  // as declared
  Stored stored;
  uint64_t offset = 0;  // in the data; known after freeze
  bool added = false;
};

// Every function throws sdk::Error.
class Header {
 public:
  Header();  // with {"format": "pt"}: Python's readers look for it

  // INVALID_ARG for a name used before, reserved or no UTF-8, and after freeze.
  void declare(const detent_tensor_spec& spec);

  // After freeze only a key that is there, and no text that is longer once escaped than the one at
  // that time: INVALID_ARG.
  void set_metadata(std::string_view key, std::string_view value_json);

  // Fixes the size and every offset. UNSUPPORTED when the header is larger than readers accept.
  void freeze();
  bool frozen() const { return json_size_ != 0; }

  std::vector<Entry>& entries() { return entries_; }  // in the order of declaration
  const Entry* find(std::string_view name) const;
  uint64_t data_start() const { return 8 + json_size_; }  // after freeze

  // The bytes in front of the data: data_start() of them.
  std::string bytes() const;

 private:
  struct Text {
    std::string escaped;
    size_t room = 0;  // length of `escaped` at freeze
  };
  std::string json() const;

  std::vector<Entry> entries_;
  std::unordered_map<std::string, size_t> index_;
  std::vector<size_t> order_;  // of the file; after freeze
  std::map<std::string, Text, std::less<>> metadata_;
  uint64_t json_size_ = 0;
};

}  // namespace detent::safetensors
