// SPDX-License-Identifier: Apache-2.0
// Service: what the process that runs a model answers to the host. See program/program_process.cpp
// for the other end.
#pragma once
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "program/wire.hpp"
#include "torch/editor.hpp"
#include "torch/loaded_model.hpp"
#include "torch/run_program.hpp"

namespace detent::torch_worker {

class Service {
 public:
  Service(wire::Channel& channel, std::string isolation)
      : channel_(channel), isolation_(std::move(isolation)) {}

  void open(int model_fd, std::uint64_t bytes);
  // Answers requests until the host hangs up. What a request throws is sent as its answer.
  void serve();
  void send_error(const std::exception& e);

 private:
  void answer(const wire::Message& request);
  static void refuse_violation();
  json::Object facts() const;
  void run(const wire::Message& request);
  void show(const std::string& weight, bool output, const at::Tensor& x);
  void simulate(const wire::Message& request);
  void build_simulation();
  void edit(const std::string& what, const wire::Message& request);
  void write(const wire::Message& request);
  Editor& editor_of(const json::Object& facts);
  std::vector<c10::IValue> inputs_of(const wire::Message& request) const;
  void send_outputs(const c10::IValue& result);

  wire::Channel& channel_;
  std::string isolation_;
  std::unique_ptr<LoadedModel> model_;
  Uses uses_;
  std::string not_editable_;                                           // why; empty when it is
  using Shown = std::pair<at::ScalarType, std::vector<std::int64_t>>;  // type and shape
  std::optional<Shown> shown_;  // the activation that was sent last in this run
  std::map<std::string, SiteChange> changes_;
  std::unique_ptr<torch::jit::Module> simulated_;
  std::map<std::int64_t, std::unique_ptr<Editor>> editors_;
};

}  // namespace detent::torch_worker
