// SPDX-License-Identifier: Apache-2.0
// FakeProgram: linear layers with ReLU between them, computed here; a program without LibTorch.
#pragma once
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "program/program.hpp"

namespace detent::test {

struct FakeLinear {
  std::string weight;            // "fc1.weight"
  std::int64_t out = 0;          // rows
  std::int64_t in = 0;           // columns
  std::vector<float> values;     // row-major
  std::vector<float> bias = {};  // none: zeros
  bool relu = false;             // behind it
};

// forward(input [n, in]) gives one tensor [n, out of the last layer]. Edits are not supported.
class FakeProgram : public Program {
 public:
  explicit FakeProgram(std::vector<FakeLinear> layers);

  // May change, add or take away outputs of run (not of the simulation), or throw.
  std::function<void(Outputs&)> spoil;
  std::uint64_t runs = 0;            // calls of run
  std::uint64_t simulated_runs = 0;  // calls of run_simulated

  const ProgramFacts& facts() const override { return facts_; }
  Outputs run(std::span<const NamedTensor> inputs, const Watch* watch = nullptr) override;
  void simulate(std::span<const SimulatedWeight> weights) override;
  Outputs run_simulated(std::span<const NamedTensor> inputs) override;
  std::map<std::string, LocalError> measure_local(std::span<const NamedTensor> inputs) override;

  std::unique_ptr<ProgramEdit> begin_edit() override;

 private:
  struct Simulated {
    std::vector<float> values;
    std::optional<ActivationParams> input;
    std::optional<ActivationParams> output;
  };
  struct Batch {
    std::int64_t rows = 0;
    std::vector<float> values;
  };
  static Batch batch_of(std::span<const NamedTensor> inputs);
  static Batch apply(const FakeLinear& layer, const std::vector<float>& weight, const Batch& x);
  Batch apply_simulated(const FakeLinear& layer, const Batch& x) const;
  static void relu(const FakeLinear& layer, Batch& y);
  Outputs outputs(const Batch& y) const;

  std::vector<FakeLinear> layers_;
  std::map<std::string, Simulated> simulated_;
  ProgramFacts facts_;
};

// A tensor of float32 that owns its data, as the input of a program.
class FakeInput {
 public:
  FakeInput(const std::string& name, std::vector<std::int64_t> shape,
            const std::vector<float>& values);
  std::span<const NamedTensor> inputs() const { return {&named_, 1}; }

 private:
  HostTensor tensor_;
  NamedTensor named_;
};

}  // namespace detent::test
