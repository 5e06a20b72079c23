// SPDX-License-Identifier: Apache-2.0
#include "model/model.hpp"

#include <algorithm>

namespace detent {

std::uint64_t TensorInfo::numel() const {
  std::uint64_t product = 1;
  for (const std::int64_t dim : shape) product *= static_cast<std::uint64_t>(dim);
  return product;
}

const std::vector<std::string>& Model::notes() const {
  static const std::vector<std::string> kNone;
  return kNone;
}

const std::vector<std::pair<std::string, std::string>>& Model::aliases() const {
  static const std::vector<std::pair<std::string, std::string>> kNone;
  return kNone;
}

const FileBytes* Model::file_bytes() const { return nullptr; }

const TensorInfo* Model::find(std::string_view name) const {
  const auto& all = tensors();
  const auto it =
      std::find_if(all.begin(), all.end(), [&](const TensorInfo& t) { return t.name == name; });
  return it == all.end() ? nullptr : &*it;
}

std::uint64_t Model::tensor_bytes() const {
  std::uint64_t sum = 0;
  for (const TensorInfo& t : tensors()) sum += t.nbytes;
  return sum;
}

}  // namespace detent
