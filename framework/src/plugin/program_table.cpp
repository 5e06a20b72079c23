// SPDX-License-Identifier: Apache-2.0
// The functions of the detent_program: what is thrown inside becomes a status and a text.
#include <new>

#include "base/error.hpp"
#include "plugin/program_lender.hpp"

namespace detent {
namespace {

template <class T>
T* out_of(T* out) {
  if (out == nullptr) throw ProgramLender::Mistake{"there is nowhere to put the answer"};
  return out;
}

template <class List>
const auto& at(const List& list, std::uint64_t i) {
  if (i < list.size()) return list[i];
  throw ProgramLender::Mistake{"an index is beyond the last one"};
}

}  // namespace

ProgramLender::ProgramLender(ProgramView view, std::unique_ptr<ProgramEdit> edit)
    : view_(std::move(view)), tables_(view_), edit_(std::move(edit)), program_(table(this)) {
  for (const ProgramTensor& tensor : view_.tensors)
    originals_.emplace(tensor.original.name, &tensor);
}

std::int32_t ProgramLender::fail(std::int32_t status, const std::string& text) noexcept {
  if (call_ != nullptr) call_->fail(call_, status, text.data(), text.size());
  return status;
}

void ProgramLender::keep(const std::string& mistake) noexcept {
  try {
    if (mistake_.empty()) mistake_ = mistake;
  } catch (...) {
    // No memory for the text; the status says that it failed.
  }
}

template <class F>
std::int32_t ProgramLender::guarded(const detent_program* program, F f) noexcept {
  auto& self = *static_cast<ProgramLender*>(program->ctx);
  try {
    if (self.failure_ != nullptr) return DETENT_E_INTERNAL;
    if (self.call_ == nullptr) throw Mistake{"the program is used outside a call"};
    if (self.written_) throw Mistake{"the program is used after it was written"};
    f(self);
    return DETENT_OK;
  } catch (const Mistake& m) {
    self.keep(m.text);
    return self.fail(DETENT_E_INVALID_ARG, m.text);
  } catch (const Unsupported& u) {
    return self.fail(DETENT_E_UNSUPPORTED, u.text);
  } catch (const FileFull&) {
    return DETENT_E_IO;
  } catch (const std::bad_alloc&) {
    return DETENT_E_NO_MEMORY;
  } catch (...) {
    self.failure_ = std::current_exception();
    return DETENT_E_INTERNAL;
  }
}

detent_program ProgramLender::table(ProgramLender* self) {
  using P = detent_program;
  using Args = const detent_program_arg*;
  using Text = const char*;
  using U64 = std::uint64_t;
  P p{};
  p.struct_size = sizeof p;
  p.ctx = self;
  p.runtime = self->view_.runtime.c_str();
  p.n_uses = self->tables_.uses().size();
  p.n_tensors = self->tables_.tensors().size();
  p.use_at = [](const P* c, U64 i, const detent_program_use** out) noexcept {
    return guarded(c, [&](ProgramLender& l) { *out_of(out) = &at(l.tables_.uses(), i); });
  };
  p.tensor_at = [](const P* c, U64 i, const detent_program_tensor** out) noexcept {
    return guarded(c, [&](ProgramLender& l) { *out_of(out) = &at(l.tables_.tensors(), i); });
  };
  p.define = [](const P* c, Text source) noexcept {
    return guarded(c, [&](ProgramLender& l) { l.define(source); });
  };
  p.prepare = [](const P* c, Text name, Text function, Args args, U64 n) noexcept {
    return guarded(c, [&](ProgramLender& l) { l.prepare(name, function, args, n); });
  };
  p.set_tensor = [](const P* c, Text name, const detent_tensor* tensor) noexcept {
    return guarded(c, [&](ProgramLender& l) { l.set_tensor(name, tensor); });
  };
  p.replace_operand = [](const P* c, U64 i, U64 k, Text function, Args args, U64 n) noexcept {
    return guarded(c, [&](ProgramLender& l) { l.replace_operand(i, k, function, args, n); });
  };
  p.replace_use = [](const P* c, U64 i, Text function, Args args, U64 n) noexcept {
    return guarded(c, [&](ProgramLender& l) { l.replace_use(i, function, args, n); });
  };
  p.replace_result = [](const P* c, U64 i, Text function, Args args, U64 n) noexcept {
    return guarded(c, [&](ProgramLender& l) { l.replace_result(i, function, args, n); });
  };
  p.replace_reads = [](const P* c, Text tensor, Text function, Args args, U64 n) noexcept {
    return guarded(c, [&](ProgramLender& l) { l.replace_reads(tensor, function, args, n); });
  };
  p.set_extra_file = [](const P* c, Text name, Text bytes, U64 n) noexcept {
    return guarded(c, [&](ProgramLender& l) { l.set_extra_file(name, bytes, n); });
  };
  p.warn = [](const P* c, Text code, Text message) noexcept {
    return guarded(c, [&](ProgramLender& l) { l.warn(code, message); });
  };
  p.write = [](const P* c, const detent_file* file) noexcept {
    return guarded(c, [&](ProgramLender& l) { l.write(file); });
  };
  return p;
}

}  // namespace detent
