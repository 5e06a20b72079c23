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
#include <string>
#include <string_view>
#include <vector>

#include "../common/metadata.hpp"
#include "../common/tensor_list.hpp"

namespace detent::safetensors {

// Every function throws sdk::Error.
class Header {
 public:
  Header();  // with {"format": "pt"}: Python's readers look for it

  // INVALID_ARG for a name used before, reserved or no UTF-8, and after freeze.
  void declare(const detent_tensor_spec& spec);

  serializers::Metadata& metadata() { return metadata_; }

  // Fixes the size and every offset. UNSUPPORTED when the header is larger than readers accept.
  void freeze();
  bool frozen() const { return json_size_ != 0; }

  serializers::TensorList& tensors() { return tensors_; }  // with their offsets, after freeze
  uint64_t data_start() const { return 8 + json_size_; }   // after freeze

  // The bytes in front of the data: data_start() of them.
  std::string bytes() const;

 private:
  std::string json() const;

  serializers::TensorList tensors_;
  serializers::Metadata metadata_;
  std::vector<size_t> order_;  // of the file; after freeze
  uint64_t json_size_ = 0;
};

}  // namespace detent::safetensors
