// SPDX-License-Identifier: Apache-2.0
#include "api/memory_model.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <unordered_set>

#include "base/dtype.hpp"
#include "json/value.hpp"
#include "model/infer_layers.hpp"
#include "plugin/tensor_store.hpp"

namespace detent {
namespace {

[[noreturn]] void refuse(const LentTensor& tensor, const std::string& why,
                         const std::string& hint) {
  throw Error(ErrorCode::config, fmt::format("\"{}\": {}", tensor.name, why), hint,
              {.tensor = tensor.name});
}

std::uint64_t checked_bytes(const LentTensor& tensor) {
  if (!is_valid_tensor(tensor.dtype, tensor.shape))
    refuse(tensor, "no tensor has this dtype and shape", "extents are not negative");
  const std::uint64_t expected = detent_nbytes(
      tensor.dtype, static_cast<std::int32_t>(tensor.shape.size()), tensor.shape.data());
  if (tensor.bytes.size() != expected)
    refuse(
        tensor,
        fmt::format("{} of shape [{}] takes {} bytes, and {} are given", dtype_name(tensor.dtype),
                    fmt::join(tensor.shape, ", "), expected, tensor.bytes.size()),
        "the data are row-major and have no gaps: make a contiguous copy");
  return expected;
}

std::string layer_of(const std::string& name) {
  const std::size_t dot = name.rfind('.');
  return dot == std::string::npos ? "" : name.substr(0, dot);
}

}  // namespace

MemoryModel::MemoryModel(std::span<const LentTensor> tensors) {
  std::unordered_set<std::string_view> names;
  std::map<std::string, std::string> types;
  for (const LentTensor& tensor : tensors) {
    if (tensor.name.empty()) refuse(tensor, "a tensor without a name", "give it one");
    if (!names.insert(tensor.name).second)
      refuse(tensor, "two tensors have this name", "give each its own");
    TensorInfo info;
    info.name = tensor.name;
    info.dtype = tensor.dtype;
    info.shape = tensor.shape;
    info.nbytes = checked_bytes(tensor);
    info.offset = data_.size();
    infos_.push_back(std::move(info));
    data_.push_back(tensor.bytes);
    if (!tensor.layer_type.empty()) types.emplace(layer_of(tensor.name), tensor.layer_type);
  }
  std::vector<std::string> notes;
  infer_layers(infos_, json::Value(), {}, &notes, types);
}

const std::vector<std::pair<std::string, std::string>>& MemoryModel::metadata() const {
  static const std::vector<std::pair<std::string, std::string>> kNone;
  return kNone;
}

void MemoryModel::read(const TensorInfo& tensor, std::span<std::byte> out) const {
  std::ranges::copy(data_.at(tensor.offset), out.begin());
}

}  // namespace detent
