// SPDX-License-Identifier: Apache-2.0
#include "program/torch_edit.hpp"

namespace detent {
namespace {

using wire::Channel;
using wire::Message;

json::Value to_json(const EditArgument& a) {
  switch (a.kind) {
    case EditArgument::Kind::operand: return json::Object{{"operand", a.operand}};
    case EditArgument::Kind::tensor: return json::Object{{"tensor", a.name}};
    case EditArgument::Kind::prepared: return json::Object{{"prepared", a.name}};
    case EditArgument::Kind::integer: return json::Object{{"int", a.integer}};
    case EditArgument::Kind::real: return json::Object{{"float", json::number(a.real)}};
    case EditArgument::Kind::boolean: return json::Object{{"bool", a.boolean}};
  }
  return {};
}

json::Array to_json(std::span<const EditArgument> arguments) {
  json::Array list;
  for (const EditArgument& a : arguments) list.push_back(to_json(a));
  return list;
}

class TorchEdit final : public ProgramEdit {
 public:
  TorchEdit(WorkerProcess& process, std::int64_t id) : process_(process), id_(id) {
    request({{"do", "begin_edit"}});
  }
  ~TorchEdit() override {
    try {
      if (!written_) request({{"do", "drop_edit"}});
    } catch (...) {  // the process is gone, and the edit with it
    }
  }
  TorchEdit(const TorchEdit&) = delete;
  TorchEdit& operator=(const TorchEdit&) = delete;

  void define(const std::string& source) override {
    request({{"do", "define"}, {"source", source}});
  }

  void prepare(const std::string& name, const std::string& function,
               std::span<const EditArgument> arguments) override {
    request({{"do", "prepare"},
             {"name", name},
             {"function", function},
             {"arguments", to_json(arguments)}});
  }

  void set_tensor(const std::string& name, const detent_tensor& tensor) override {
    const wire::Part part{name, tensor};
    json::Object facts{{"do", "set_tensor"}, {"edit", id_}};
    process_.exchange(
        [&](Channel& channel) {
          channel.send(facts, {&part, 1});
        },
        is_done, ErrorCode::quantization, kDoing);
  }

  void replace_operand(std::size_t use, std::size_t operand, const std::string& function,
                       std::span<const EditArgument> arguments) override {
    request({{"do", "replace_operand"},
             {"use", static_cast<std::int64_t>(use)},
             {"operand", static_cast<std::int64_t>(operand)},
             {"function", function},
             {"arguments", to_json(arguments)}});
  }

  void replace_use(std::size_t use, const std::string& function,
                   std::span<const EditArgument> arguments) override {
    request({{"do", "replace_use"},
             {"use", static_cast<std::int64_t>(use)},
             {"function", function},
             {"arguments", to_json(arguments)}});
  }

  void replace_result(std::size_t use, const std::string& function,
                      std::span<const EditArgument> arguments) override {
    request({{"do", "replace_result"},
             {"use", static_cast<std::int64_t>(use)},
             {"function", function},
             {"arguments", to_json(arguments)}});
  }

  void replace_reads(const std::string& tensor, const std::string& function,
                     std::span<const EditArgument> arguments) override {
    request({{"do", "replace_reads"},
             {"tensor", tensor},
             {"function", function},
             {"arguments", to_json(arguments)}});
  }

  void set_extra_file(const std::string& name, std::string bytes) override {
    const json::Object facts{{"do", "extra_file"}, {"edit", id_}, {"name", name}};
    process_.exchange(
        [&](Channel& channel) { channel.send_raw(facts, std::as_bytes(std::span(bytes))); },
        is_done, ErrorCode::quantization, kDoing);
  }

  void write(const std::function<void(std::span<const std::byte>)>& take) override {
    written_ = true;
    const json::Object facts{{"do", "write"}, {"edit", id_}};
    const auto on_message = [&](const Message& message) {
      if (is_done(message)) return true;
      take(message.bytes);
      return false;
    };
    process_.exchange([&](Channel& channel) { channel.send(facts); }, on_message,
                      ErrorCode::quantization, kDoing);
  }

 private:
  static constexpr const char* kDoing = "rewriting the model";
  static bool is_done(const Message& message) { return message.facts.contains("done"); }

  void request(json::Object facts) {
    facts.set("edit", id_);
    process_.exchange([&](Channel& channel) { channel.send(facts); }, is_done,
                      ErrorCode::quantization, kDoing);
  }

  WorkerProcess& process_;
  std::int64_t id_;
  bool written_ = false;
};

}  // namespace

std::unique_ptr<ProgramEdit> open_edit(WorkerProcess& process, std::int64_t id) {
  return std::make_unique<TorchEdit>(process, id);
}

}  // namespace detent
