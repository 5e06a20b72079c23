// SPDX-License-Identifier: Apache-2.0
// ProgramModel: a file that open_program takes for a model that runs, without being read.
#pragma once
#include <utility>

#include "model/model.hpp"

namespace detent::test {

class ProgramModel final : public Model {
 public:
  explicit ProgramModel(std::filesystem::path file) : files_{std::move(file)} {}
  std::string format() const override { return "torchscript"; }
  const std::vector<TensorInfo>& tensors() const override { return tensors_; }
  const std::vector<std::pair<std::string, std::string>>& metadata() const override {
    return metadata_;
  }
  const std::vector<std::filesystem::path>& files() const override { return files_; }
  void read(const TensorInfo&, std::span<std::byte>) const override {}
  bool is_program() const override { return true; }

 private:
  std::vector<TensorInfo> tensors_;
  std::vector<std::pair<std::string, std::string>> metadata_;
  std::vector<std::filesystem::path> files_;
};

}  // namespace detent::test
