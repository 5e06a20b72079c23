// SPDX-License-Identifier: Apache-2.0
// StridedTensor: a tensor of PyTorch where it lies in a file, and its values read into compact
// row-major order.
#pragma once
#include <cstddef>
#include <cstdint>
#include <detent/abi/base.h>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/file.hpp"

namespace detent {

struct Extent {  // of a file
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
};

struct StridedTensor {
  detent_dtype dtype = 0;
  std::vector<std::int64_t> shape;
  std::vector<std::int64_t> strides;  // in elements, from 0 on
  std::uint64_t first = 0;            // offset of the first element in the file
  std::uint64_t nbytes = 0;           // of the compact tensor

  // Entries [begin, begin + count) of axis 0.
  StridedTensor slice(std::int64_t begin, std::int64_t count) const;
};

// A tensor whose first element is element `offset` of the storage. Refused, with the reason as
// std::runtime_error, unless every element lies in the storage and the sizes do not overflow.
StridedTensor place_tensor(detent_dtype dtype, std::vector<std::int64_t> shape,
                           std::vector<std::int64_t> strides, std::uint64_t offset, Extent storage);

// A file that stays as it was when it was opened.
struct SteadyFile {
  File file;
  File::Stamp stamp;
};

// out.size() == tensor.nbytes. Takes at most 8 MiB of memory beside out. Thread-safe.
// Errors  Error{io}: cannot be read, was changed meanwhile (name says which tensor)
void read_strided(const SteadyFile& source, const StridedTensor& tensor, const std::string& name,
                  std::span<std::byte> out);

}  // namespace detent
