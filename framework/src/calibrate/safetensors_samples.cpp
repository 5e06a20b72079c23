// SPDX-License-Identifier: Apache-2.0
#include "calibrate/safetensors_samples.hpp"

#include <fmt/format.h>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/text.hpp"
#include "model/safetensors_model.hpp"

namespace detent {
namespace {

[[noreturn]] void refuse(const std::filesystem::path& path, const std::string& what,
                         std::string hint, const std::string& tensor = {}) {
  throw Error(ErrorCode::io, fmt::format("{}: {}", path.string(), what), std::move(hint),
              {.file = path.string(), .tensor = tensor});
}

SampleTensor sample_tensor(const std::filesystem::path& path, const File::Stamp& stamp,
                           const TensorInfo& info) {
  const std::string name = printable(info.name);
  if (info.shape.empty())
    refuse(path, fmt::format("\"{}\" has no axes", name),
           "samples are stacked on the first axis of every tensor", info.name);
  if (DETENT_DTYPE_BITS(info.dtype) % 8 != 0)
    refuse(path, fmt::format("the values of \"{}\" are smaller than a byte", name),
           "store what the model takes: floating-point numbers, integers or booleans", info.name);
  SampleTensor tensor{info.name, info.dtype, info.shape, info.nbytes, {}};
  // The file is opened for each slice: there may be more files than a process may hold open.
  tensor.read = [path, stamp, offset = info.offset,
                 row = info.shape[0] > 0
                           ? info.nbytes / static_cast<std::uint64_t>(info.shape[0])
                           : 0](std::int64_t first, std::int64_t, std::span<std::byte> out) {
    const File file = File::open_to_read(path);
    file.read_at(offset + static_cast<std::uint64_t>(first) * row, out);
    if (!(file.stamp() == stamp))
      refuse(path, "was changed by another program while it was in use",
             "run again when nothing writes to it");
  };
  return tensor;
}

}  // namespace

SampleRecord read_safetensors_samples(const std::filesystem::path& path) {
  const SafetensorsFile file = read_safetensors(File::open_to_read(path));
  SampleRecord record;
  for (const TensorInfo& info : file.header.tensors)
    record.tensors.push_back(sample_tensor(path, file.stamp, info));
  if (record.tensors.empty()) refuse(path, "holds no tensors", "one for each input of the model");
  for (const SampleTensor& t : record.tensors)
    if (t.shape.front() != record.samples())
      refuse(path,
             fmt::format("\"{}\" holds {} samples and \"{}\" {}",
                         printable(record.tensors.front().name), record.samples(),
                         printable(t.name), t.shape.front()),
             "every tensor needs as many, stacked on its first axis", t.name);
  return record;
}

}  // namespace detent
