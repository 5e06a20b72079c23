// SPDX-License-Identifier: Apache-2.0
// FunctionProgram: whatever a test wants of a program that is watched. ProgramModel: weights, taken
// for a program.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "model/model.hpp"
#include "program/program.hpp"

namespace detent::test {

// A program that runs a function of the test's. What it is asked to simulate or to rewrite is an
// error: nothing here does.
class FunctionProgram : public Program {
 public:
  // Shows an activation to whoever watches it. What equals the one before is shown again.
  using Show = std::function<void(const std::string& weight, Side side, const detent_tensor& x)>;
  // The model's forward: inputs in, activations shown.
  using Forward =
      std::function<void(std::span<const detent::NamedTensor> inputs, const Show& show)>;

  FunctionProgram(ProgramFacts facts, Forward forward)
      : facts_(std::move(facts)), forward_(std::move(forward)) {}

  const ProgramFacts& facts() const override { return facts_; }
  Outputs run(std::span<const detent::NamedTensor> inputs, const Watch* watch) override;
  void simulate(std::span<const SimulatedWeight>) override;
  Outputs run_simulated(std::span<const detent::NamedTensor>) override;
  std::map<std::string, LocalError> measure_local(std::span<const detent::NamedTensor>) override;
  std::unique_ptr<ProgramEdit> begin_edit() override;

  // Samples of each run: the first extent of its first input.
  std::vector<std::int64_t> batches;

 private:
  ProgramFacts facts_;
  Forward forward_;
};

// A model of weights, taken for a program.
class ProgramModel : public Model {
 public:
  explicit ProgramModel(const std::filesystem::path& weights) : model_(open_model(weights, {})) {}
  std::string format() const override { return "torchscript"; }
  const std::vector<TensorInfo>& tensors() const override { return model_->tensors(); }
  const std::vector<std::pair<std::string, std::string>>& metadata() const override {
    return model_->metadata();
  }
  const std::vector<std::filesystem::path>& files() const override { return model_->files(); }
  void read(const TensorInfo& tensor, std::span<std::byte> out) const override {
    model_->read(tensor, out);
  }
  const TensorInfo* find(std::string_view name) const override { return model_->find(name); }
  bool is_program() const override { return true; }

 private:
  std::unique_ptr<Model> model_;
};

}  // namespace detent::test
