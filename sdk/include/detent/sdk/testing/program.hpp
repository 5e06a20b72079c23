// SPDX-License-Identifier: Apache-2.0
// testing::Program: a program for serializers that write one; it records what they do to it.
#pragma once
#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "../program.hpp"
#include "plugin.hpp"
#include "store.hpp"

namespace detent {
namespace sdk DETENT_HIDDEN {
namespace testing {

// One output of a quantizer.
struct ProgramOutput {
  std::string name;  // as the quantizer calls it
  detent_dtype dtype;
  std::vector<int64_t> shape;
};

// One side of an operator. Static parameters are "<site>.input_scale" and so on.
struct ProgramActivation {
  uint64_t mode = DETENT_ACTIVATION_FLOAT;
  detent_qspec qspec = {};
  bool zero_point = false;
};

// Describe the model, give the program to a plugin, look at what it said:
//
//   testing::Program program;
//   program.add_kept("fc.bias", DETENT_F32, {4});
//   program.add_quantized("fc.weight", DETENT_F32, {4, 8}, target, {{"qweight", DETENT_I8, {4, 8}},
//   ...}); program.add_use("linear", "fc.weight"); sdk::testing::use_program(serializer, call,
//   program); program.calls  // {"use 0: f(operand 0, tensor fc.weight, 3)", "reads fc.weight:
//   g(...)"}
class Program {
 public:
  Program() { fill(); }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  operator const detent_program*() noexcept {
    program_.n_uses = uses_.size();
    program_.n_tensors = tensors_.size();
    return &program_;
  }

  void add_kept(const std::string& name, detent_dtype dtype, std::vector<int64_t> shape) {
    Entry& e = add(name, dtype, std::move(shape));
    e.stored.push_back(e.original);
    describe(e, nullptr);
  }
  // The codes are stored under the tensor's name, other outputs under name + "_" + output.
  void add_quantized(const std::string& name, detent_dtype dtype, std::vector<int64_t> shape,
                     const detent_qspec* target, const std::vector<ProgramOutput>& outputs,
                     const char* scheme = "detent.affine/1",
                     const std::map<std::string, std::string>& meta = {}) {
    Entry& e = add(name, dtype, std::move(shape));
    e.meta.meta = meta;
    if (target != nullptr) e.target = *target;
    for (const ProgramOutput& o : outputs) {
      const char* output = keep(o.name);
      e.stored.push_back(spec(o.name == "qweight" ? name : name + "_" + o.name, o.dtype, o.shape));
      e.outputs.push_back(output);
    }
    describe(e, keep(scheme));
    tensors_.back().qspec = target != nullptr ? &e.target : nullptr;
  }
  // The site is the weight's name without its last part.
  void add_use(const std::string& op, const std::string& weight,
               const ProgramActivation& input = {}, const ProgramActivation& output = {},
               bool replaceable = true) {
    const std::string site = weight.substr(0, weight.rfind('.'));
    uses_.push_back({sizeof(detent_program_use), keep(op), keep(weight), keep(site),
                     add(input, site + ".input"), add(output, site + ".output"),
                     replaceable ? uint64_t{1} : uint64_t{0}});
  }

  std::vector<std::string> sources;
  std::vector<std::string> calls;  // in the order of the plugin's calls
  std::map<std::string, std::pair<detent_dtype, std::vector<int64_t>>> tensors;
  std::map<std::string, std::vector<char>> bytes;  // of those tensors
  std::map<std::string, std::string> extra_files;
  std::vector<std::pair<std::string, std::string>> warnings;
  std::string refused_source;  // a text with this in it does not compile
  std::string archive = "archive";

 private:
  struct Entry {
    detent_tensor_spec original{};
    detent_qspec target{};
    std::vector<detent_tensor_spec> stored;
    std::vector<const char*> outputs;
    Store meta;
  };

  static Program& self(const detent_program* p) { return *static_cast<Program*>(p->ctx); }
  const char* keep(const std::string& text) { return texts_.emplace_back(text).c_str(); }
  detent_tensor_spec spec(const std::string& name, detent_dtype dtype, std::vector<int64_t> shape) {
    const auto& kept = shapes_.emplace_back(std::move(shape));
    return {keep(name), kept.empty() ? nullptr : kept.data(), static_cast<int32_t>(kept.size()),
            dtype};
  }
  Entry& add(const std::string& name, detent_dtype dtype, std::vector<int64_t> shape) {
    Entry& e = entries_.emplace_back();
    e.original = spec(name, dtype, std::move(shape));
    return e;
  }
  void describe(const Entry& e, const char* scheme) {
    tensors_.push_back({sizeof(detent_program_tensor), &e.original, scheme, nullptr,
                        scheme != nullptr ? e.meta.source() : nullptr, e.stored.size(),
                        e.stored.data(), scheme != nullptr ? e.outputs.data() : nullptr});
  }
  const detent_program_activation* add(const ProgramActivation& a, const std::string& prefix) {
    const bool stored = a.mode == DETENT_ACTIVATION_STATIC;
    const detent_qspec* qspec = nullptr;
    if (a.mode != DETENT_ACTIVATION_FLOAT) qspec = &qspecs_.emplace_back(a.qspec);
    activations_.push_back({a.mode, qspec, stored ? keep(prefix + "_scale") : nullptr,
                            stored && a.zero_point ? keep(prefix + "_zero_point") : nullptr});
    return &activations_.back();
  }

  static std::string text_of(const detent_program_arg& a) {
    switch (a.kind) {
      case DETENT_ARG_OPERAND: return "operand " + std::to_string(a.i);
      case DETENT_ARG_TENSOR: return "tensor " + std::string(a.text);
      case DETENT_ARG_PREPARED: return "prepared " + std::string(a.text);
      case DETENT_ARG_INT: return std::to_string(a.i);
      case DETENT_ARG_FLOAT: return std::to_string(a.f);
      default: return a.i != 0 ? "True" : "False";
    }
  }
  int32_t record(const std::string& what, const char* function, const detent_program_arg* args,
                 uint64_t n) {
    std::string text = what + ": " + function + "(";
    for (uint64_t i = 0; i < n; ++i) text += (i != 0 ? ", " : "") + text_of(args[i]);
    calls.push_back(text + ")");
    return DETENT_OK;
  }
  int32_t define_text(const std::string& text) {
    if (!refused_source.empty() && text.find(refused_source) != std::string::npos)
      return DETENT_E_UNSUPPORTED;
    sources.push_back(text);
    return DETENT_OK;
  }
  int32_t set(const std::string& name, const detent_tensor& t) {
    tensors[name] = {t.dtype, {t.shape, t.shape + t.ndim}};
    const char* data = static_cast<const char*>(t.data) + t.byte_offset;
    bytes[name].assign(data, data + detent_nbytes(t.dtype, t.ndim, t.shape));
    return DETENT_OK;
  }

  void fill() {
    using P = const detent_program*;
    using Args = const detent_program_arg*;
    using Text = const char*;
    program_.struct_size = sizeof program_;
    program_.ctx = this;
    program_.runtime = "LibTorch 0.0";
    program_.use_at = [](P p, uint64_t i, const detent_program_use** out) -> int32_t {
      if (i >= self(p).uses_.size()) return DETENT_E_INVALID_ARG;
      *out = &self(p).uses_[i];
      return DETENT_OK;
    };
    program_.tensor_at = [](P p, uint64_t i, const detent_program_tensor** out) -> int32_t {
      if (i >= self(p).tensors_.size()) return DETENT_E_INVALID_ARG;
      *out = &self(p).tensors_[i];
      return DETENT_OK;
    };
    program_.define = [](P p, Text text) -> int32_t { return self(p).define_text(text); };
    program_.prepare = [](P p, Text name, Text f, Args a, uint64_t n) -> int32_t {
      return self(p).record("prepare " + std::string(name), f, a, n);
    };
    program_.set_tensor = [](P p, Text name, const detent_tensor* t) -> int32_t {
      return self(p).set(name, *t);
    };
    program_.replace_operand = [](P p, uint64_t i, uint64_t k, Text f, Args a,
                                  uint64_t n) -> int32_t {
      return self(p).record("operand " + std::to_string(k) + " of use " + std::to_string(i), f, a,
                            n);
    };
    program_.replace_use = [](P p, uint64_t i, Text f, Args a, uint64_t n) -> int32_t {
      return self(p).record("use " + std::to_string(i), f, a, n);
    };
    program_.replace_result = [](P p, uint64_t i, Text f, Args a, uint64_t n) -> int32_t {
      return self(p).record("result of use " + std::to_string(i), f, a, n);
    };
    program_.replace_reads = [](P p, Text name, Text f, Args a, uint64_t n) -> int32_t {
      return self(p).record("reads of " + std::string(name), f, a, n);
    };
    program_.set_extra_file = [](P p, Text name, Text text, uint64_t n) -> int32_t {
      self(p).extra_files[name] = std::string(text, n);
      return DETENT_OK;
    };
    program_.warn = [](P p, Text code, Text message) -> int32_t {
      self(p).warnings.emplace_back(code, message);
      return DETENT_OK;
    };
    program_.write = [](P p, const detent_file* file) -> int32_t {
      const std::string& text = self(p).archive;
      return File(file).write(0, text.data(), text.size()) ? DETENT_OK : DETENT_E_IO;
    };
  }

  std::deque<std::string> texts_;  // addresses stay
  std::deque<std::vector<int64_t>> shapes_;
  std::deque<Entry> entries_;
  std::deque<detent_qspec> qspecs_;
  std::deque<detent_program_activation> activations_;
  std::deque<detent_program_use> uses_;
  std::deque<detent_program_tensor> tensors_;
  detent_program program_{};
};

// Lends the program as a host does before begin. DETENT_E_UNSUPPORTED when the serializer does not
// write programs.
inline int32_t use_program(const Serializer& serializer, const detent_call* call,
                           Program& program) {
  const detent_serializer_vtbl* vtbl = serializer.operator->();
  if (!DETENT_HAS(vtbl, detent_serializer_vtbl, get_extension)) return DETENT_E_UNSUPPORTED;
  const void* found = vtbl->get_extension(serializer, DETENT_EXT_PROGRAM_WRITER);
  if (found == nullptr) return DETENT_E_UNSUPPORTED;
  return static_cast<const detent_program_writer*>(found)->use_program(serializer, call, program);
}

}  // namespace testing
}  // namespace DETENT_HIDDEN
}  // namespace detent
