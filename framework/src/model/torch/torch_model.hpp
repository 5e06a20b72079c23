// SPDX-License-Identifier: Apache-2.0
// TorchModel: the tensors of a state dict or a TorchScript archive.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "model/model.hpp"
#include "model/torch/state_dict.hpp"
#include "model/torch/torch_file.hpp"

namespace detent {

class TorchModel final : public Model {
 public:
  // Errors  Error{io}
  TorchModel(TorchFile file, const ModelOptions& options);

  std::string format() const override;
  const std::vector<TensorInfo>& tensors() const override { return tensors_; }
  const std::vector<std::pair<std::string, std::string>>& metadata() const override {
    return metadata_;
  }
  const std::vector<std::filesystem::path>& files() const override { return paths_; }
  const std::vector<std::string>& notes() const override { return notes_; }
  const TensorInfo* find(std::string_view name) const override;
  const std::vector<std::pair<std::string, std::string>>& aliases() const override {
    return aliases_;
  }
  bool is_program() const override { return format_ == TorchFormat::torchscript; }
  void read(const TensorInfo& tensor, std::span<std::byte> out) const override;

 private:
  struct Placed {
    std::string name;
    StridedTensor tensor;
  };
  void place(const TorchFile& file, const TorchPickle& pickle,
             const std::vector<FoundTensor>& found, std::vector<Placed>* placed) const;
  void keep(std::vector<Placed> placed);
  void check_total(std::uint64_t file_size) const;

  TorchFormat format_;
  std::shared_ptr<const SteadyFile> source_;
  std::vector<TensorInfo> tensors_;
  std::vector<StridedTensor> places_;  // of each of tensors_
  std::unordered_map<std::string_view, std::size_t> by_name_;
  std::vector<std::pair<std::string, std::string>> aliases_;
  std::vector<std::pair<std::string, std::string>> metadata_;
  std::vector<std::filesystem::path> paths_;
  std::vector<std::string> notes_;
};

}  // namespace detent
