// SPDX-License-Identifier: Apache-2.0
// ProgramWriter: a serializer that writes a model which runs. Derive from it beside Serializer:
//
//   class Mine final : public sdk::Serializer, public sdk::ProgramWriter {
//     static constexpr const char* requirements[] = {DETENT_NEEDS_PROGRAM, nullptr};
//     sdk::Status use_program(const sdk::Program& program) override {   // before begin
//       program_ = program;
//       ...program_.define(source), program_.replace_reads(...)
//     }
//
// The contract of each function, and the order of the calls, are in abi/program.h.
#pragma once
#include <initializer_list>

#include "exchange.hpp"
#include "file.hpp"

namespace detent {
namespace sdk DETENT_HIDDEN {

// An argument of a function that the serializer puts into the program.
class Argument {
 public:
  // The operator's own argument: 0 is what flows in, 1 the weight, 2 the bias.
  static Argument operand(int64_t index) { return {DETENT_ARG_OPERAND, index, 0, {}}; }
  static Argument tensor(std::string name) { return {DETENT_ARG_TENSOR, 0, 0, std::move(name)}; }
  static Argument prepared(std::string name) {
    return {DETENT_ARG_PREPARED, 0, 0, std::move(name)};
  }
  static Argument integer(int64_t value) { return {DETENT_ARG_INT, value, 0, {}}; }
  static Argument real(double value) { return {DETENT_ARG_FLOAT, 0, value, {}}; }
  static Argument boolean(bool value) { return {DETENT_ARG_BOOL, value ? 1 : 0, 0, {}}; }

  // Valid while this lives unchanged.
  detent_program_arg raw() const noexcept {
    const bool named = kind_ == DETENT_ARG_TENSOR || kind_ == DETENT_ARG_PREPARED;
    return {kind_, integer_, real_, named ? text_.c_str() : nullptr};
  }

 private:
  Argument(uint64_t kind, int64_t integer, double real, std::string text)
      : kind_(kind), integer_(integer), real_(real), text_(std::move(text)) {}
  uint64_t kind_;
  int64_t integer_;
  double real_;
  std::string text_;
};
using Arguments = std::vector<Argument>;

// A tensor of the model, and what the artefact holds of it.
class ProgramTensor {
 public:
  explicit ProgramTensor(const detent_program_tensor* raw) noexcept : raw_(raw) {}
  bool quantized() const noexcept { return raw_->scheme != nullptr; }
  std::string_view name() const noexcept { return raw_->original->name; }
  detent_dtype dtype() const noexcept { return raw_->original->dtype; }  // of the original
  std::vector<int64_t> shape() const {
    return {raw_->original->shape, raw_->original->shape + raw_->original->ndim};
  }
  std::string_view scheme() const noexcept { return quantized() ? raw_->scheme : ""; }
  const detent_qspec* qspec() const noexcept { return raw_->qspec; }
  Source meta() const noexcept { return Source(raw_->meta); }
  // What is stored of the quantizer's output, with its name in the artefact; nullptr: nothing.
  const detent_tensor_spec* stored(std::string_view output) const noexcept {
    for (uint64_t i = 0; quantized() && i < raw_->n_stored; ++i)
      if (output == raw_->outputs[i]) return &raw_->stored[i];
    return nullptr;
  }
  const detent_program_tensor& raw() const noexcept { return *raw_; }

 private:
  const detent_program_tensor* raw_;
};

// The program that a serializer is lent, until finish or abort.
class Program {
 public:
  explicit Program(const detent_program* program = nullptr) noexcept : p_(program) {}
  bool valid() const noexcept { return p_ != nullptr; }

  const char* runtime() const noexcept { return p_->runtime; }  // "LibTorch 2.13.0"
  uint64_t use_count() const noexcept { return p_->n_uses; }
  uint64_t tensor_count() const noexcept { return p_->n_tensors; }
  // nullptr when the host refuses; it does so for indices beyond the count only.
  const detent_program_use* use(uint64_t i) const noexcept {
    const detent_program_use* out = nullptr;
    return p_->use_at(p_, i, &out) == DETENT_OK ? out : nullptr;
  }
  const detent_program_tensor* tensor(uint64_t i) const noexcept {
    const detent_program_tensor* out = nullptr;
    return p_->tensor_at(p_, i, &out) == DETENT_OK ? out : nullptr;
  }

  Status define(const std::string& source) const { return p_->define(p_, source.c_str()); }
  Status prepare(const std::string& name, const std::string& function,
                 const Arguments& arguments) const {
    const auto raw = raw_of(arguments);
    return p_->prepare(p_, name.c_str(), function.c_str(), raw.data(), raw.size());
  }
  Status set_tensor(const std::string& name, const TensorView& tensor) const {
    return p_->set_tensor(p_, name.c_str(), &tensor.raw());
  }
  Status replace_operand(uint64_t i, uint64_t operand, const std::string& function,
                         const Arguments& arguments) const {
    const auto raw = raw_of(arguments);
    return p_->replace_operand(p_, i, operand, function.c_str(), raw.data(), raw.size());
  }
  Status replace_use(uint64_t i, const std::string& function, const Arguments& arguments) const {
    const auto raw = raw_of(arguments);
    return p_->replace_use(p_, i, function.c_str(), raw.data(), raw.size());
  }
  Status replace_result(uint64_t i, const std::string& function, const Arguments& arguments) const {
    const auto raw = raw_of(arguments);
    return p_->replace_result(p_, i, function.c_str(), raw.data(), raw.size());
  }
  Status replace_reads(const std::string& tensor, const std::string& function,
                       const Arguments& arguments) const {
    const auto raw = raw_of(arguments);
    return p_->replace_reads(p_, tensor.c_str(), function.c_str(), raw.data(), raw.size());
  }
  Status set_extra_file(const std::string& name, std::string_view bytes) const {
    return p_->set_extra_file(p_, name.c_str(), bytes.data(), bytes.size());
  }
  Status warn(const char* code, const std::string& message) const {
    return p_->warn(p_, code, message.c_str());
  }
  Status write(const File& file) const { return p_->write(p_, file.raw()); }

 private:
  static std::vector<detent_program_arg> raw_of(const Arguments& arguments) {
    std::vector<detent_program_arg> raw;
    raw.reserve(arguments.size());
    for (const Argument& a : arguments) raw.push_back(a.raw());
    return raw;
  }
  const detent_program* p_;
};

class ProgramWriter {
 public:
  virtual ~ProgramWriter() = default;
  // Called before begin; what fails here ends the output. Keep the Program: it is lent until finish
  // or abort returns, and finish writes it.
  virtual Status use_program(const Program& program) = 0;
};

namespace detail {
template <class T>
struct ProgramThunks {
  static int32_t DETENT_CALL use_program(detent_serializer* s, const detent_call* c,
                                         const detent_program* p) noexcept {
    DETENT_TRY { return finish(c, reinterpret_cast<T*>(s)->use_program(Program(p))); }
    DETENT_CATCH_ALL(c)
  }
  static constexpr detent_program_writer writer{sizeof(detent_program_writer), &use_program};

  static const void* DETENT_CALL extension(const detent_serializer*, const char* id) noexcept {
    const bool asked = id != nullptr && std::strcmp(id, DETENT_EXT_PROGRAM_WRITER) == 0;
    return asked ? &writer : nullptr;
  }
};
}  // namespace detail

}  // namespace sdk DETENT_HIDDEN
}  // namespace detent
