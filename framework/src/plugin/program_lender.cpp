// SPDX-License-Identifier: Apache-2.0
#include "plugin/program_lender.hpp"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>

#include "base/text.hpp"
#include "plugin/output_folder.hpp"

namespace detent {
namespace {

constexpr std::size_t kMaxNameBytes = 4096;
constexpr std::size_t kMaxSourceBytes = std::size_t{1} << 20;
constexpr std::uint64_t kMaxExtraBytes = std::uint64_t{1} << 30;
constexpr std::uint64_t kMaxArguments = 64;
constexpr std::size_t kMaxWarnings = 256;

using Mistake = ProgramLender::Mistake;

std::string text_of(const char* text, const char* what, std::size_t limit = kMaxNameBytes) {
  if (text == nullptr) throw Mistake{fmt::format("{} is NULL", what)};
  const std::size_t n = ::strnlen(text, limit + 1);
  if (n == 0) throw Mistake{fmt::format("{} is empty", what)};
  if (n > limit) throw Mistake{fmt::format("{} is longer than {} bytes", what, limit)};
  return std::string(text, n);
}

std::string function_of(const char* name) {
  std::string text = text_of(name, "the name of a function");
  const auto is_letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  };
  const bool good = is_letter(text[0]) && std::all_of(text.begin(), text.end(), [&](char c) {
                      return is_letter(c) || (c >= '0' && c <= '9');
                    });
  if (!good) throw Mistake{fmt::format("\"{}\" is no name of a function", printable(text))};
  return text;
}

// 0 for operators that have no operands to speak of.
std::uint64_t operands_of(const std::string& op) {
  if (op == "linear") return 3;
  if (op == "matmul" || op == "embedding") return 2;
  return op.starts_with("conv_transpose") ? 8 : 7;
}

bool is_compact(const detent_tensor& t) {
  std::int64_t expected = 1;
  for (std::int32_t d = t.ndim - 1; d >= 0; --d) {
    if (t.shape[d] != 1 && t.strides[d] != expected) return false;
    if (t.shape[d] == 0) return true;
    expected *= t.shape[d];
  }
  return true;
}

void check_tensor(const std::string& name, const detent_tensor* t) {
  const auto refuse = [&](const char* why) {
    throw Mistake{fmt::format("tensor \"{}\" {}", printable(name), why)};
  };
  if (t == nullptr) return refuse("is NULL");
  if (t->device_type != DETENT_DEVICE_CPU) refuse("is not in the memory of the CPU");
  if (t->ndim < 0 || t->ndim > kMaxDimensions) refuse("has too many dimensions");
  if (t->ndim > 0 && (t->shape == nullptr || t->strides == nullptr))
    refuse("has no shape or no strides");
  const std::span shape(t->shape, static_cast<std::size_t>(t->ndim));
  if (!is_valid_tensor(t->dtype, shape)) refuse("has a shape or dtype that no tensor can have");
  if (DETENT_DTYPE_BITS(t->dtype) < 8) refuse("has elements of less than a byte");
  const std::uint64_t needed = detent_nbytes(t->dtype, t->ndim, t->shape);
  if (needed != 0 && t->data == nullptr) refuse("has elements and no data");
  if (!is_compact(*t)) refuse("is not compact");
  if (t->byte_offset > t->nbytes || t->nbytes - t->byte_offset < needed)
    refuse("does not hold all of its elements");
}

}  // namespace

const ProgramUse& ProgramLender::use_once(std::uint64_t i, std::set<std::uint64_t>& done,
                                          const char* what) {
  if (i >= view_.uses.size())
    throw Mistake{fmt::format("use {} of {}: there is none", i, view_.uses.size())};
  if (!done.insert(i).second) throw Mistake{fmt::format("{} of use {} is replaced twice", what, i)};
  return view_.uses[i];
}

EditArgument ProgramLender::argument(const detent_program_arg& arg, std::uint64_t operands) {
  using Kind = EditArgument::Kind;
  EditArgument out;
  switch (arg.kind) {
    case DETENT_ARG_OPERAND:
      if (arg.i < 0 || static_cast<std::uint64_t>(arg.i) >= operands)
        throw Mistake{fmt::format("operand {}: there are {} here", arg.i, operands)};
      out.kind = Kind::operand, out.operand = arg.i;
      return out;
    case DETENT_ARG_TENSOR:
      out.kind = Kind::tensor, out.name = text_of(arg.text, "the name of a tensor");
      mentioned_.insert(out.name);
      return out;
    case DETENT_ARG_PREPARED:
      out.kind = Kind::prepared, out.name = text_of(arg.text, "the name of a prepared value");
      if (!prepared_.contains(out.name))
        throw Mistake{fmt::format("nothing is prepared under \"{}\"", printable(out.name))};
      return out;
    case DETENT_ARG_INT: out.kind = Kind::integer, out.integer = arg.i; return out;
    case DETENT_ARG_FLOAT: out.kind = Kind::real, out.real = arg.f; return out;
    case DETENT_ARG_BOOL:
      if (arg.i != 0 && arg.i != 1) throw Mistake{"a boolean is 0 or 1"};
      out.kind = Kind::boolean, out.boolean = arg.i == 1;
      return out;
    default: throw Mistake{fmt::format("{} is no kind of argument", arg.kind)};
  }
}

std::vector<EditArgument> ProgramLender::arguments(const detent_program_arg* args, std::uint64_t n,
                                                   std::uint64_t operands) {
  if (n > kMaxArguments) throw Mistake{fmt::format("more than {} arguments", kMaxArguments)};
  if (n != 0 && args == nullptr) throw Mistake{"the arguments are NULL"};
  std::vector<EditArgument> out;
  for (std::uint64_t i = 0; i < n; ++i) out.push_back(argument(args[i], operands));
  return out;
}

void ProgramLender::define(const char* source) {
  const std::string text = text_of(source, "a source text", kMaxSourceBytes);
  try {
    edit_->define(text);
  } catch (const Error& e) {
    if (e.code() != ErrorCode::quantization) throw;
    throw Unsupported{e.problems()[0].message};
  }
}

void ProgramLender::prepare(const char* name, const char* function, const detent_program_arg* args,
                            std::uint64_t n) {
  const std::string text = text_of(name, "the name of a prepared value");
  const auto list = arguments(args, n, 0);
  const bool nested = std::any_of(list.begin(), list.end(), [](const EditArgument& a) {
    return a.kind == EditArgument::Kind::prepared;
  });
  if (nested) throw Mistake{"a value is prepared from another one that is"};
  if (!prepared_.insert(text).second)
    throw Mistake{fmt::format("\"{}\" is prepared twice", printable(text))};
  edit_->prepare(text, function_of(function), list);
}

void ProgramLender::set_tensor(const char* name, const detent_tensor* tensor) {
  const std::string text = text_of(name, "the name of a tensor");
  check_tensor(text, tensor);
  if (!set_.insert(text).second)
    throw Mistake{fmt::format("tensor \"{}\" is set twice", printable(text))};
  if (const auto it = originals_.find(text); it != originals_.end()) {
    const PlannedTensor& original = it->second->original;
    const bool same =
        tensor->dtype == original.dtype &&
        std::ranges::equal(std::span(tensor->shape, static_cast<std::size_t>(tensor->ndim)),
                           original.shape);
    if (!same) changed_.insert(text);
  }
  edit_->set_tensor(text, *tensor);
}

void ProgramLender::replace_operand(std::uint64_t i, std::uint64_t k, const char* function,
                                    const detent_program_arg* args, std::uint64_t n) {
  if (k > 1) throw Mistake{fmt::format("operand {} cannot be replaced, 0 and 1 can", k)};
  if (i >= view_.uses.size())
    throw Mistake{fmt::format("use {} of {}: there is none", i, view_.uses.size())};
  if (uses_done_.contains(i))
    throw Mistake{fmt::format("an operand of use {} is replaced after the use itself", i)};
  if (!operands_done_.insert(2 * i + k).second)
    throw Mistake{fmt::format("operand {} of use {} is replaced twice", k, i)};
  edit_->replace_operand(i, k, function_of(function), arguments(args, n, 0));
}

void ProgramLender::replace_use(std::uint64_t i, const char* function,
                                const detent_program_arg* args, std::uint64_t n) {
  const ProgramUse& use = use_once(i, uses_done_, "the operator");
  if (!use.replaceable)
    throw Mistake{fmt::format("use {} gets a view of its weight and cannot be replaced", i)};
  if (results_done_.contains(i))
    throw Mistake{fmt::format("use {} is replaced after its result", i)};
  edit_->replace_use(i, function_of(function), arguments(args, n, operands_of(use.op)));
}

void ProgramLender::replace_result(std::uint64_t i, const char* function,
                                   const detent_program_arg* args, std::uint64_t n) {
  use_once(i, results_done_, "the result");
  edit_->replace_result(i, function_of(function), arguments(args, n, 0));
}

void ProgramLender::replace_reads(const char* tensor, const char* function,
                                  const detent_program_arg* args, std::uint64_t n) {
  const std::string text = text_of(tensor, "the name of a tensor");
  if (!originals_.contains(text))
    throw Mistake{fmt::format("\"{}\" is no tensor of the model", printable(text))};
  if (!read_elsewhere_.insert(text).second)
    throw Mistake{fmt::format("reads of \"{}\" are replaced twice", printable(text))};
  edit_->replace_reads(text, function_of(function), arguments(args, n, 0));
}

void ProgramLender::set_extra_file(const char* name, const char* bytes, std::uint64_t n) {
  const std::string text = text_of(name, "the name of an extra file");
  if (!is_safe_relative_path(text))
    throw Mistake{fmt::format("\"{}\" is no name of an extra file", printable(text))};
  if (bytes == nullptr && n != 0) throw Mistake{"the bytes of an extra file are NULL"};
  if (n > kMaxExtraBytes) throw Mistake{"an extra file is larger than 1 GiB"};
  if (!extra_files_.insert(text).second)
    throw Mistake{fmt::format("the extra file \"{}\" is set twice", printable(text))};
  edit_->set_extra_file(text, n != 0 ? std::string(bytes, n) : std::string());
}

void ProgramLender::warn(const char* code, const char* message) {
  if (warnings_.size() >= kMaxWarnings)
    throw Mistake{fmt::format("more than {} warnings", kMaxWarnings)};
  warnings_.push_back({function_of(code), printable(text_of(message, "a warning"))});
}

// Everything that was mentioned is there, and nobody reads what has changed.
void ProgramLender::refuse_loose_ends() const {
  for (const std::string& name : mentioned_) {
    const auto it = originals_.find(name);
    if (!set_.contains(name) && (it == originals_.end() || !it->second->scheme.empty()))
      throw Mistake{fmt::format("tensor \"{}\" is an argument and was not set", printable(name))};
  }
  for (const std::string& name : changed_)
    if (!read_elsewhere_.contains(name))
      throw Mistake{
          fmt::format("tensor \"{}\" has another dtype or shape than the model's, and "
                      "its reads were not replaced",
                      printable(name))};
}

void ProgramLender::write(const detent_file* file) {
  if (file == nullptr || file->pwrite == nullptr) throw Mistake{"there is no file to write to"};
  refuse_loose_ends();
  std::uint64_t offset = 0;
  bool full = false;
  // A disk that is full is not the edit's failure: it is told to stop by an exception of its own.
  try {
    edit_->write([&](std::span<const std::byte> bytes) {
      for (std::size_t done = 0; done < bytes.size();) {
        const std::size_t left = bytes.size() - done;
        const std::int64_t taken = file->pwrite(file, offset, bytes.data() + done, left);
        full = taken <= 0 || static_cast<std::uint64_t>(taken) > left;
        if (full) throw FileFull{};
        done += static_cast<std::size_t>(taken);
        offset += static_cast<std::uint64_t>(taken);
      }
    });
  } catch (...) {
    if (full) throw FileFull{};
    throw;
  }
  written_ = true;
}

}  // namespace detent
