// SPDX-License-Identifier: Apache-2.0
// MemoryModel: tensors of the embedding program as a model.
#pragma once
#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "model/model.hpp"
#include <detent/detent.hpp>

namespace detent {

class MemoryModel : public Model {
 public:
  // The data are lent: they live as long as this.
  //
  // Errors  Error{config}: names that are empty or used twice, shapes that no tensor has, more or
  //         fewer bytes than dtype and shape say
  explicit MemoryModel(std::span<const LentTensor> tensors);

  std::string format() const override { return "memory"; }
  const std::vector<TensorInfo>& tensors() const override { return infos_; }
  const std::vector<std::pair<std::string, std::string>>& metadata() const override;
  const std::vector<std::filesystem::path>& files() const override { return files_; }
  void read(const TensorInfo& tensor, std::span<std::byte> out) const override;

 private:
  std::vector<TensorInfo> infos_;
  std::vector<std::span<const std::byte>> data_;            // TensorInfo::offset is its index here
  std::vector<std::filesystem::path> files_{"the memory"};  // what messages call the model
};

}  // namespace detent
