// SPDX-License-Identifier: Apache-2.0
// roundtrip: is everything in the artefact, and is it what was meant to be written?
//
// FAIL      a tensor of which nothing is stored; a stored tensor that the artefact lacks, or whose
//           bytes differ from those handed to the serializer, which for a kept tensor are those of
//           the original: the host's digests, of 128 bits, say so; an artefact that is a program
//           and does not run, gives outputs of other shapes than the simulation, or values that are
//           not finite where the original's are; one that claims the simulation's arithmetic and is
//           less than 40 dB from it
//
// 40 dB     The two add the same products in another order: 2^-24 of a value for each addition, so
//           1000 of them, all in one direction, are 84 dB. Where activations are rounded, a value
//           in the middle between two codes may fall to either side, one step of range / 255: with
//           values of a tenth of the range and one in 100 off by a step, 48 dB. What is wrong (a
//           scale of another channel, a sign) lies near 0 dB.
#include <cmath>
#include <cstring>
#include <string>

#include "../common/built_in.hpp"
#include "../common/text.hpp"
#include <detent/sdk/library.hpp>

namespace detent::validators {
namespace {

class Roundtrip final : public BuiltIn {
 public:
  static constexpr const char* id = "roundtrip";
  static constexpr const char* name = "Round trip";
  static constexpr const char* description =
      "Every stored tensor is there and has the bytes that were written; kept tensors equal the "
      "original; a program that was written runs and gives the outputs that were intended";

  explicit Roundtrip(const sdk::Config&) {}

  sdk::Status check(const detent_check_input& input, const sdk::Findings& out,
                    const sdk::Call&) override {
    const std::string target = input.target;
    if (input.n_stored == 0)
      return fail(out, "stored_tensors", 0,
                  "nothing is stored for " + quoted(target) + "; the serializer lost it");
    for (uint64_t i = 0; i < input.n_stored; ++i)
      if (const sdk::Status s = check_stored(input.stored[i], target, out); !s.ok()) return s;
    return {};
  }

  sdk::Status check_output(const detent_output_input& in, const sdk::Findings& out) override {
    if (in.how == DETENT_OUTPUT_FAILED)
      return fail(out, "program_runs", 0,
                  std::string("the artefact does not run: ") + in.why +
                      "; use another form of the serializer, or keep the layer that it names");
    if (in.how != DETENT_OUTPUT_ARTIFACT) return {};
    if (in.non_finite > 0)
      return fail(out, "program_output_finite", static_cast<double>(in.non_finite),
                  "the artefact's output has " + counted(in.non_finite, "value") +
                      " that are not finite where the original's are");
    if (in.intended_samples == 0) return {};
    if (in.intended_mismatch[0] != '\0')
      return fail(out, "program_shapes", 0,
                  std::string("the artefact gives other outputs than were intended: ") +
                      in.intended_mismatch);
    return check_distance(in, out);
  }

  sdk::Status finish(const detent_run_summary&, const sdk::Findings& out) override {
    return out.report({"stored_tensors_verified", static_cast<double>(verified_)});
  }

 private:
  static constexpr double kExactDb = 40;

  static sdk::Status check_distance(const detent_output_input& in, const sdk::Findings& out) {
    const double db = in.intended_sqnr_db;
    const bool judged = in.exact != 0 && !std::isnan(db);  // NaN: no floating-point output
    sdk::Finding finding{"program_sqnr_db", db};
    if (judged) finding.threshold = kExactDb;
    if (judged && db < kExactDb) {
      finding.severity = DETENT_FINDING_FAIL;
      finding.message = "the artefact's output is " + decimal(std::floor(db * 100) / 100) +
                        " dB from what its numbers give in the original program, below " +
                        decimal(kExactDb) + ": it does not compute what was intended";
    }
    return out.report(finding);
  }

  sdk::Status check_stored(const detent_stored_tensor& stored, const std::string& target,
                           const sdk::Findings& out) {
    const std::string what =
        quoted(stored.name) + (stored.name == target ? "" : " (of " + quoted(target) + ")");
    if (stored.digest_found[0] == '\0')
      return fail(
          out, "stored_tensor_found", 0,
          "the artefact has no tensor " + what + " of the dtype and shape that were written");
    if (std::strcmp(stored.digest_found, stored.digest_intended) != 0)
      return fail(out, "digest_equal", 0,
                  "tensor " + what +
                      " was read back with other bytes than were written: " + stored.digest_found +
                      ", not " + stored.digest_intended + "; check the disk, then the serializer");
    ++verified_;
    return {};
  }

  static sdk::Status fail(const sdk::Findings& out, const char* metric, double value,
                          std::string message) {
    return out.report({metric, value, DETENT_FINDING_FAIL, std::move(message)});
  }

  uint64_t verified_ = 0;
};

}  // namespace
}  // namespace detent::validators

DETENT_LIBRARY(detent::validators::Roundtrip);
