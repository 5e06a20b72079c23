// SPDX-License-Identifier: Apache-2.0
// The fast form: kernels of this PyTorch that other ones may lack.
#include <string_view>

#include "rewrite.hpp"
#include "sources.hpp"

namespace detent::torchscript {
using sdk::Argument;

std::string Rewrite::why_not_fast(const detent_program_use& use, const Weight& w) {
  if (std::string_view(use.op) != "linear")
    return "there is no fast operator for " + std::string(use.op);
  if (use.replaceable == 0) return "the operator gets a view of its weight";
  if (w.shape.size() != 2) return "the weight is no matrix";
  std::string reason;
  switch (w.codes) {
    case Weight::Codes::cast: return "there is no fast operator for half precision";
    case Weight::Codes::affine: reason = why_not_fast_int8(use, w); break;
    case Weight::Codes::int4: reason = why_not_fast_int4(w); break;
  }
  if (!reason.empty()) return reason;
  const auto [known, first] = no_fast_.try_emplace(w.codes);
  if (first) {
    const Source& source = w.codes == Weight::Codes::affine ? kFastInt8 : kFastInt4;
    const sdk::Status defined = program_.define(source.text);
    if (defined.code() == DETENT_E_UNSUPPORTED) {
      known->second = std::string(program_.runtime()) + " lacks the operator";
    } else {
      must(defined);
    }
  }
  return known->second;
}

std::string Rewrite::why_not_fast_int8(const detent_program_use& use, const Weight& w) {
  if (use.input->mode == DETENT_ACTIVATION_FLOAT)
    return "the fast 8-bit operator quantizes its input, which stays in floating point";
  if (use.input->mode == DETENT_ACTIVATION_STATIC)
    return "the fast 8-bit operator computes its input's parameters in each run";
  if (use.input->qspec->granularity != DETENT_PER_TENSOR)
    return "the fast 8-bit operator has one scale for its input";
  if (use.input->qspec->affine_rules != 0 || use.input->qspec->min_scale != 0)
    return "the fast 8-bit operator has a rule of its own for its input's scale";
  if (w.dtype != DETENT_F32) return "the fast 8-bit operator wants a float32 model";
  if (w.code_dtype != DETENT_I8 || w.zero_code != 0 || w.axis > 0)
    return "the fast 8-bit operator wants int8 codes, one scale or one for each row";
  return "";
}

std::string Rewrite::why_not_fast_int4(const Weight& w) {
  if (w.dtype == DETENT_F64) return "the fast 4-bit operator computes in bfloat16, not float64";
  const bool group = w.group == 32 || w.group == 64 || w.group == 128 || w.group == 256;
  if (!group) return "the fast 4-bit operator wants groups of 32, 64, 128 or 256";
  if (w.columns % w.group != 0) return "the fast 4-bit operator wants rows of whole groups";
  if (w.shape[0] % 16 != 0) return "the fast 4-bit operator wants a multiple of 16 outputs";
  return "";
}

void Rewrite::make_fast(uint64_t i, const Weight& w) {
  const std::string packed = w.name + ":packed", scale = w.name + ":packed_scale";
  const std::string suffix = w.zero.empty() ? "" : "_zero";
  const bool int4 = w.codes == Weight::Codes::int4;
  if (packed_.insert(w.name).second) {
    sdk::Arguments scales{Argument::tensor(w.scale)};
    if (!w.zero.empty()) scales.push_back(Argument::tensor(w.zero));
    if (int4) {
      must(program_.prepare(packed, "detent_pack4", {Argument::tensor(w.name)}));
      must(program_.prepare(scale, "detent_pack4_scale" + suffix, scales));
    } else {
      scales.insert(scales.begin(), Argument::tensor(w.name));
      must(program_.prepare(packed, "detent_pack8" + suffix, scales));
    }
  }
  sdk::Arguments arguments{Argument::operand(0), Argument::prepared(packed)};
  if (int4) {
    arguments.push_back(Argument::prepared(scale));
    arguments.push_back(Argument::integer(w.group));
  }
  arguments.push_back(Argument::operand(2));
  must(program_.replace_use(i, int4 ? "detent_linear4" : "detent_linear8", arguments));
}

}  // namespace detent::torchscript
