// SPDX-License-Identifier: Apache-2.0
// Weight: a quantized tensor of the model as the functions of sources.hpp need to know it.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include <detent/sdk/program.hpp>

namespace detent::torchscript {

struct Weight {
  enum class Codes {
    affine,  // 8 bits, one scale or one for each channel
    int4,    // two to a byte, one scale for each group
    cast     // no codes: a smaller floating-point type
  } codes = Codes::affine;
  std::string name;  // of the tensor, and of its codes in the archive
  std::vector<int64_t> shape;
  detent_dtype dtype = 0;  // of the original
  detent_dtype code_dtype = 0;
  std::string scale;  // name; empty after a cast
  std::string zero;   // name; empty: zero_code is the zero point
  int64_t zero_code = 0;
  int64_t axis = -1;    // of the channels; -1: one scale for all
  int64_t columns = 0;  // int4: of the matrix, and of a group
  int64_t group = 0;

  bool symmetric() const { return zero.empty() && zero_code == 0; }
};

// Throws sdk::Error UNSUPPORTED for a mapping that none of the functions undoes.
Weight read_weight(const sdk::ProgramTensor& tensor);

// The number of the type in c10::ScalarType, as TorchScript writes it; throws likewise.
int64_t type_number(detent_dtype dtype, std::string_view tensor);

}  // namespace detent::torchscript
