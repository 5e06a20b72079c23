// SPDX-License-Identifier: Apache-2.0
#include "rewrite.hpp"

#include <string_view>

#include "sources.hpp"

namespace detent::torchscript {
namespace {

using sdk::Argument;
using sdk::Arguments;

// -1: the type of the scales, float32 unless somebody makes the whole model half.
int64_t result_type(const Weight& w) {
  return w.dtype == DETENT_F32 && w.codes != Weight::Codes::cast ? -1
                                                                 : type_number(w.dtype, w.name);
}

bool is(const detent_program_use& use, std::string_view op) { return op == use.op; }

bool is_matrix(const Weight& w) { return w.shape.size() == 2; }

Argument number(int64_t value) { return Argument::integer(value); }

// "q, scale[, zero | zero_code]", the beginning of most calls.
Arguments codes_of(const Weight& w, bool constant_zero) {
  Arguments arguments{Argument::tensor(w.name), Argument::tensor(w.scale)};
  if (!w.zero.empty()) {
    arguments.push_back(Argument::tensor(w.zero));
  } else if (constant_zero) {
    arguments.push_back(number(w.zero_code));
  }
  return arguments;
}

const char* zero_suffix(const Weight& w) { return w.zero.empty() ? "" : "_zero"; }

}  // namespace

void Rewrite::run() {
  read_weights();
  refuse_other_activations();
  define_sources();
  for (const auto& [name, weight] : weights_) replace_reads(weight);
  for (uint64_t i = 0; i < program_.use_count(); ++i)
    if (const detent_program_use* use = program_.use(i)) replace_use(i, *use);
  warn_of_portable();
}

void Rewrite::read_weights() {
  for (uint64_t i = 0; i < program_.tensor_count(); ++i) {
    const detent_program_tensor* raw = program_.tensor(i);
    if (raw == nullptr || raw->scheme == nullptr) continue;
    Weight weight = read_weight(sdk::ProgramTensor(raw));
    weights_.emplace(weight.name, std::move(weight));
  }
}

// "static" is a promise: nothing is computed from the data, and something is quantized.
void Rewrite::refuse_other_activations() const {
  if (form_ != Form::statical) return;
  bool any = false;
  for (uint64_t i = 0; i < program_.use_count(); ++i) {
    const detent_program_use& use = *program_.use(i);
    for (const detent_program_activation* a : {use.input, use.output}) {
      any = any || a->mode == DETENT_ACTIVATION_STATIC;
      if (a->mode != DETENT_ACTIVATION_DYNAMIC) continue;
      throw sdk::Error(DETENT_E_UNSUPPORTED,
                       "\"form\": \"static\", and the activation of \"" + std::string(use.site) +
                           "\" is quantized with the parameters of each run" +
                           "\ngive its rule an activation observer, or use \"form\": \"portable\"");
    }
  }
  if (any) return;
  throw sdk::Error(DETENT_E_UNSUPPORTED,
                   "\"form\": \"static\", and no activation is quantized"
                   "\ngive a rule an activation observer, or use \"form\": \"portable\"");
}

void Rewrite::define_sources() {
  std::string int4;
  bool affine = false, cast = false, activation = false;
  std::set<std::string> shapes;
  for (const auto& [name, w] : weights_) {
    affine = affine || w.codes == Weight::Codes::affine;
    cast = cast || w.codes == Weight::Codes::cast;
    if (w.codes != Weight::Codes::int4) continue;
    if (int4.empty()) int4 = kInt4.text;
    const bool zero = !w.zero.empty();
    if (shapes.insert(int4_name(w.shape.size(), zero)).second)
      int4 += int4_text(w.shape.size(), zero);
  }
  for (uint64_t i = 0; i < program_.use_count(); ++i)
    for (const detent_program_activation* a : {program_.use(i)->input, program_.use(i)->output})
      activation = activation || a->mode != DETENT_ACTIVATION_FLOAT;
  if (affine) must(program_.define(kAffine.text));
  if (cast) must(program_.define(kCast.text));
  if (!int4.empty()) must(program_.define(int4));
  if (activation) must(program_.define(kActivation.text));
}

void Rewrite::replace_reads(const Weight& w) {
  Arguments arguments;
  std::string function;
  if (w.codes == Weight::Codes::cast) {
    function = "detent_cast";
    arguments = {Argument::tensor(w.name)};
  } else if (w.codes == Weight::Codes::affine) {
    function = std::string("detent_affine") + zero_suffix(w);
    arguments = codes_of(w, true);
    const auto dimensions = static_cast<int64_t>(w.shape.size());
    arguments.push_back(number(w.axis < 0 ? -1 : dimensions - 1 - w.axis));
  } else {
    function = int4_name(w.shape.size(), !w.zero.empty());
    arguments = codes_of(w, false);
    arguments.push_back(number(w.columns));
    arguments.push_back(number(w.group));
    for (const int64_t extent : w.shape) arguments.push_back(number(extent));
  }
  arguments.push_back(number(result_type(w)));
  must(program_.replace_reads(w.name, function, arguments));
}

void Rewrite::replace_use(uint64_t i, const detent_program_use& use) {
  const auto found = weights_.find(std::string_view(use.weight));
  const Weight* w = found != weights_.end() ? &found->second : nullptr;
  const bool fast = w != nullptr && wants_fast(use, *w);
  // The fast 8-bit operator quantizes its input itself.
  if (!fast || w->codes != Weight::Codes::affine) quantize_activation(i, use, false);
  if (fast) {
    make_fast(i, *w);
  } else if (w != nullptr && use.replaceable != 0) {
    if (is(use, "linear")) replace_linear(i, *w);
    if (is(use, "embedding")) replace_embedding(i, *w);
  }
  quantize_activation(i, use, true);
}

// A gather is as fast as it can be; what else is not fast is noted with the reason.
bool Rewrite::wants_fast(const detent_program_use& use, const Weight& w) {
  if (form_ != Form::fast || is(use, "embedding")) return false;
  const std::string reason = why_not_fast(use, w);
  if (!reason.empty()) portable_[reason].emplace_back(use.site);
  return reason.empty();
}

void Rewrite::replace_linear(uint64_t i, const Weight& w) {
  // Half precision could not hold the sums of products with codes.
  const bool fits = w.codes == Weight::Codes::affine && is_matrix(w) && w.axis <= 0 &&
                    w.symmetric() && w.dtype == DETENT_F32;
  if (!fits) return;
  must(program_.replace_use(i, "detent_affine_linear",
                            {Argument::operand(0), Argument::tensor(w.name),
                             Argument::tensor(w.scale), Argument::operand(2)}));
}

void Rewrite::replace_embedding(uint64_t i, const Weight& w) {
  if (!is_matrix(w)) return;
  Arguments arguments{Argument::operand(0)};
  std::string function = "detent_cast_embedding";
  if (w.codes == Weight::Codes::cast) {
    arguments.push_back(Argument::tensor(w.name));
  } else {
    for (const Argument& a : codes_of(w, w.codes == Weight::Codes::affine)) arguments.push_back(a);
    function = w.codes == Weight::Codes::int4 ? "detent_int4_embedding"
               : w.axis == 0                  ? "detent_affine_embedding_rows"
                                              : "detent_affine_embedding";
    function += zero_suffix(w);
  }
  if (w.codes == Weight::Codes::int4) {
    arguments.push_back(number(w.columns));
    arguments.push_back(number(w.group));
  }
  arguments.push_back(number(result_type(w)));
  must(program_.replace_use(i, function, arguments));
}

void Rewrite::quantize_activation(uint64_t i, const detent_program_use& use, bool output) {
  const detent_program_activation& activation = output ? *use.output : *use.input;
  if (activation.mode == DETENT_ACTIVATION_FLOAT) return;
  if (!output && is(use, "embedding"))
    throw sdk::Error(DETENT_E_UNSUPPORTED, "the input of \"" + std::string(use.site) +
                                               "\" is indices, which cannot be quantized");
  const ActivationCall call = activation_call(activation, use.site);
  must(output ? program_.replace_result(i, call.function, call.arguments)
              : program_.replace_operand(i, 0, call.function, call.arguments));
}

void Rewrite::warn_of_portable() const {
  for (const auto& [reason, sites] : portable_) {
    std::string text = std::to_string(sites.size()) +
                       (sites.size() == 1 ? " operator is" : " operators are") +
                       " in the portable form, because " + reason + ": ";
    constexpr size_t kNamed = 5;
    for (size_t k = 0; k < sites.size() && k < kNamed; ++k) text += (k != 0 ? ", " : "") + sites[k];
    if (sites.size() > kNamed) text += ", ...";
    must(program_.warn("portable_form", text));
  }
}

}  // namespace detent::torchscript
