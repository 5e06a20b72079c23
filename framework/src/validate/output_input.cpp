// SPDX-License-Identifier: Apache-2.0
#include "validate/output_input.hpp"

namespace detent {
namespace {

std::uint32_t how_of(Evaluated how) {
  switch (how) {
    case Evaluated::simulated: return DETENT_OUTPUT_SIMULATED;
    case Evaluated::artifact: return DETENT_OUTPUT_ARTIFACT;
    case Evaluated::failed: return DETENT_OUTPUT_FAILED;
    default: return DETENT_OUTPUT_NONE;
  }
}

}  // namespace

detent_output_input output_input(const OutputEvaluation& e) {
  const ComparisonResult& r = e.result;
  detent_output_input in{};
  in.struct_size = sizeof in;
  in.how = how_of(e.how);
  in.exact = e.exact ? 1 : 0;
  in.why = e.why.c_str();
  in.samples = r.samples;
  in.judged = r.judged;
  in.output_sqnr_db = r.all.sqnr_db;
  in.max_abs_error = r.all.max_abs_error;
  in.cosine_mean = r.all.cosine_mean;
  in.cosine_min = r.all.cosine_min;
  in.top1_agreement = r.all.top1_agreement;
  in.accuracy_before = r.accuracy_before;
  in.accuracy_after = r.accuracy_after;
  in.non_finite = r.non_finite;
  in.intended_samples = e.intended.samples;
  in.intended_sqnr_db = e.intended.all.sqnr_db;
  in.intended_mismatch = e.intended.mismatch.c_str();
  return in;
}

}  // namespace detent
