// SPDX-License-Identifier: Apache-2.0
// open_program: a TorchScript archive in a worker process, as a Program.
#include <algorithm>
#include <fmt/format.h>
#include <limits>

#include "program/program.hpp"
#include "program/torch_edit.hpp"
#include "program/worker_process.hpp"

namespace detent {
namespace {

using wire::Channel;
using wire::Message;

bool is_done(const Message& message) { return message.facts.contains("done"); }

std::vector<wire::Part> parts_of(std::span<const NamedTensor> tensors) {
  std::vector<wire::Part> parts;
  for (const NamedTensor& t : tensors) parts.push_back({t.name, t.view});
  return parts;
}

json::Value to_json(const ActivationParams& p) {
  const detent_qspec& q = p.target.spec;
  return json::Object{
      {"dynamic", p.dynamic},
      {"symmetric", q.symmetric != 0},
      {"axis", q.granularity == DETENT_PER_CHANNEL ? std::int64_t{q.axis} : std::int64_t{-1}},
      {"qmin", q.qmin},
      {"qmax", q.qmax},
      {"symmetric_zero", q.qdtype == DETENT_U8 ? 128 : 0},
      {"min_scale", q.min_scale},
      {"rules", q.affine_rules}};
}

class TorchProgram final : public Program {
 public:
  TorchProgram(const std::filesystem::path& file, const ProgramOptions& options)
      : process_(file, options) {
    const auto take = [&](Message& message) {
      if (message.facts.contains("no_sandbox"))
        throw Error(ErrorCode::io,
                    "a TorchScript model is code, and this system cannot keep it in a sandbox: " +
                        wire::text_of(message.facts, "no_sandbox"),
                    "if you trust the file, run again with --trust-model", {.file = file.string()});
      read_facts(message.facts);
      return true;
    };
    process_.exchange({}, take, ErrorCode::io, "loading the model");
  }

  const ProgramFacts& facts() const override { return facts_; }

  Outputs run(std::span<const NamedTensor> inputs, const Watch* watch) override {
    json::Object request{{"do", "run"}, {"mode", "watch"}};
    static const std::vector<std::string> kNone;
    const auto& in = watch != nullptr ? watch->inputs : kNone;
    const auto& out = watch != nullptr ? watch->outputs : kNone;
    request.set("inputs", json::Array(in.begin(), in.end()));
    request.set("outputs", json::Array(out.begin(), out.end()));
    return run(std::move(request), inputs, watch);
  }

  void simulate(std::span<const SimulatedWeight> weights) override {
    for (const SimulatedWeight& w : weights) simulate_one(w);
  }

  Outputs run_simulated(std::span<const NamedTensor> inputs) override {
    return run({{"do", "run"}, {"mode", "simulated"}}, inputs, nullptr);
  }

  std::map<std::string, LocalError> measure_local(std::span<const NamedTensor> inputs) override {
    std::map<std::string, LocalError> result;
    const auto take = [&](Message& message) {
      const json::Value* errors = message.facts.find("errors");
      if (errors == nullptr || errors->if_object() == nullptr) throw Channel::Broken("no errors");
      for (const json::Member& m : *errors->if_object()) {
        const json::Array* sums = m.value.if_array();
        LocalError& e = result[m.key];
        if (sums == nullptr || sums->size() != 2 || !read_number((*sums)[0], &e.signal) ||
            !read_number((*sums)[1], &e.noise))
          throw Channel::Broken("no sums");
      }
      return true;
    };
    request({{"do", "run"}, {"mode", "local"}}, inputs, take, ErrorCode::quantization,
            "running the model");
    return result;
  }

  std::unique_ptr<ProgramEdit> begin_edit() override { return open_edit(process_, ++edits_); }

 private:
  static bool read_number(const json::Value& value, double* out) {
    if (value.to_double(out)) return true;
    const std::string* text = value.if_string();  // "inf", "nan": see json::number
    if (text == nullptr) return false;
    *out = *text == "nan" ? std::numeric_limits<double>::quiet_NaN()
                          : std::numeric_limits<double>::infinity();
    return true;
  }

  static std::map<std::string, std::string> texts(const json::Object& facts, std::string_view key) {
    std::map<std::string, std::string> result;
    const json::Value* value = facts.find(key);
    if (value == nullptr || value->if_object() == nullptr)
      throw Channel::Broken("facts are missing");
    for (const json::Member& m : *value->if_object())
      if (const std::string* text = m.value.if_string()) result.emplace(m.key, *text);
    return result;
  }

  void read_facts(const json::Object& facts) {
    for (const json::Value& value : wire::list_of(facts, "inputs")) {
      const json::Object* input = value.if_object();
      if (input == nullptr) throw Channel::Broken("an input is no object");
      facts_.inputs.push_back({wire::text_of(*input, "name"), wire::text_of(*input, "type"),
                               wire::flag_of(*input, "has_default")});
    }
    for (const json::Value& value : wire::list_of(facts, "uses")) {
      const json::Object* use = value.if_object();
      if (use == nullptr) throw Channel::Broken("a use is no object");
      facts_.uses.push_back({wire::text_of(*use, "weight"), wire::text_of(*use, "op"),
                             wire::text_of(*use, "method"), wire::flag_of(*use, "replaceable")});
    }
    facts_.other_readers = texts(facts, "other_readers");
    facts_.out_of_reach = texts(facts, "out_of_reach");
    facts_.not_editable = wire::text_of(facts, "not_editable");
    facts_.runtime = wire::text_of(facts, "runtime");
    facts_.isolation = wire::text_of(facts, "isolation");
  }

  void request(const json::Object& facts, std::span<const NamedTensor> tensors,
               const std::function<bool(Message&)>& take, ErrorCode code,
               const std::string& doing) {
    const std::vector<wire::Part> parts = parts_of(tensors);
    process_.exchange([&](Channel& channel) { channel.send(facts, parts); }, take, code, doing);
  }

  Outputs run(json::Object facts, std::span<const NamedTensor> inputs, const Watch* watch) {
    Outputs outputs;
    std::unique_ptr<HostTensor> shown;
    const auto take = [&](Message& message) {
      if (message.facts.contains("seen")) {
        hand_on(message, watch, shown);
        return false;
      }
      if (!is_done(message)) throw Channel::Broken("neither data nor an end");
      outputs = std::move(message.tensors);
      return true;
    };
    request(facts, inputs, take, ErrorCode::quantization, "running the model");
    process_.recycle(nullptr);
    return outputs;
  }

  // shown: the activation that came last; the next one may be the same.
  void hand_on(Message& message, const Watch* watch, std::unique_ptr<HostTensor>& shown) {
    const bool again = message.facts.contains("again");
    if (watch == nullptr || message.tensors.size() != (again ? 0 : 1))
      throw Channel::Broken("an activation that nobody asked for");
    if (!again) {
      process_.recycle(std::move(shown));
      shown = std::move(message.tensors[0]);
    }
    if (shown == nullptr) throw Channel::Broken("an activation is none that was seen");
    const std::string weight = again ? wire::text_of(message.facts, "again") : shown->name();
    const Side side = wire::text_of(message.facts, "seen") == "output" ? Side::output : Side::input;
    const auto& asked = side == Side::input ? watch->inputs : watch->outputs;
    if (std::find(asked.begin(), asked.end(), weight) == asked.end())
      throw Channel::Broken("an activation that nobody asked for");
    const auto& tell = again && watch->again ? watch->again : watch->seen;
    tell(weight, side, shown->read_only());
  }

  void simulate_one(const SimulatedWeight& w) {
    json::Object facts{{"do", "simulate"}, {"weight", w.weight}};
    std::vector<NamedTensor> tensors;
    if (w.dequantized != nullptr) tensors.push_back({w.weight, w.dequantized->read_only()});
    std::vector<std::unique_ptr<HostTensor>> kept;
    const auto add = [&](const char* side, const std::optional<ActivationParams>& params) {
      if (!params) return;
      facts.set(side, to_json(*params));
      if (params->dynamic) return;
      add_values(std::string(side) + "_scale", params->scale, *params, kept);
      const std::vector<float> zero(params->zero_point.begin(), params->zero_point.end());
      add_values(std::string(side) + "_zero_point", zero, *params, kept);
    };
    add("input", w.input);
    add("output", w.output);
    for (const auto& tensor : kept) tensors.push_back({tensor->name(), tensor->read_only()});
    request(
        facts, tensors, [](Message& m) { return is_done(m); }, ErrorCode::quantization,
        "simulating the model");
  }

  static void add_values(const std::string& name, const std::vector<float>& values,
                         const ActivationParams& params,
                         std::vector<std::unique_ptr<HostTensor>>& out) {
    std::vector<std::int64_t> shape;
    if (params.target.spec.granularity == DETENT_PER_CHANNEL)
      shape.push_back(static_cast<std::int64_t>(values.size()));
    auto tensor = std::make_unique<HostTensor>(name, DETENT_F32, shape);
    const auto bytes = std::as_bytes(std::span(values));
    if (bytes.size() != tensor->bytes().size())
      throw Error(ErrorCode::unexpected, "one parameter is needed for a tensor");
    std::copy(bytes.begin(), bytes.end(), tensor->bytes().begin());
    out.push_back(std::move(tensor));
  }

  WorkerProcess process_;
  ProgramFacts facts_;
  std::int64_t edits_ = 0;
};

}  // namespace

const char* to_string(Side side) { return side == Side::input ? "input" : "output"; }

std::string why_not_runnable(const Model& model) {
  const std::string name = model.files().empty() ? "" : model.files()[0].filename().string();
  if (!model.is_program()) return fmt::format("{} holds weights only", name);
  if (worker_executable().empty()) return "this installation has no LibTorch to run a model with";
  return "";
}

std::unique_ptr<Program> open_program(const Model& model, const ProgramOptions& options) {
  if (!why_not_runnable(model).empty()) return nullptr;
  return std::make_unique<TorchProgram>(model.files().at(0), options);
}

}  // namespace detent
