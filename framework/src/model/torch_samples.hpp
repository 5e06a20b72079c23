// SPDX-License-Identifier: Apache-2.0
// Samples that torch.save wrote: what calibration and evaluation feed a model with. Read without
// running anything of the file's.
#pragma once
#include <cstddef>
#include <cstdint>
#include <detent/abi/base.h>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace detent {

// Samples stacked on axis 0.
struct SampleTensor {
  std::string name;  // "input", "target", or the key of the dictionary
  detent_dtype dtype = 0;
  std::vector<std::int64_t> shape;  // at least one axis; shape[0] samples
  std::uint64_t nbytes = 0;

  // The samples [first, first + count), compact and row-major, from the file.
  // out.size() == nbytes / shape[0] * count. Thread-safe. Errors: Error{io}.
  std::function<void(std::int64_t first, std::int64_t count, std::span<std::byte> out)> read;
};

// What belongs together: the inputs of one call of the model, and perhaps its target. All tensors
// have the same number of samples.
struct SampleRecord {
  std::vector<SampleTensor> tensors;  // in the order of the file, names are unique

  std::int64_t samples() const { return tensors.front().shape.front(); }  // at least 1
  const SampleTensor* find(std::string_view name) const;                  // nullptr: none
};

// By content: a file of torch.save (or something that claims so), whatever its extension.
bool is_torch_file(const std::filesystem::path& path);

// At least one record. What may be in the file:
//
//   tensor                          {"input": tensor}
//   [tensor, tensor]                {"input", "target"}: exactly two tensors are a pair
//   [tensor], [t1, t2, t3, ...]     one {"input"} for each tensor
//   [[input, target], ...]          a record for each; tuples and lists mean the same; [input]
//                                   alone will do
//   {"name": tensor, ...}           a record with these names
//   [{"name": tensor, ...}, ...]    a record for each
//
// Axis 0 of every tensor counts samples, except where a record holds a number or a tensor of no
// axes: it is then one sample ((image, 7) from a data set), and every tensor gets an axis of 1. A
// number is a tensor: I64 for int, F64 for float, BOOL for bool.
//
// Errors  Error{io}: as open_model for corrupt and hostile files; something else than tensors, with
//         its place ("[3][1]"); tensors of one record that differ in their number of samples; no
//         samples
std::vector<SampleRecord> read_torch_samples(const std::filesystem::path& path);

}  // namespace detent
