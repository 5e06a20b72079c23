// SPDX-License-Identifier: Apache-2.0
// What an artefact says of the rule by which its scales were made.
#include "artifact/record.hpp"

#include <stdexcept>

#include "json/parse.hpp"
#include "support/catch.hpp"

namespace detent::test {
namespace {

class AnyShape : public StoredShapes {
 public:
  const std::vector<std::int64_t>* shape_of(const std::string&) const override { return &shape_; }

 private:
  std::vector<std::int64_t> shape_{4, 8};
};

TensorRecord record(double min_scale, std::uint64_t rules) {
  TensorRecord r{"fc.weight", "fc", "Linear", DETENT_F32, {4, 8}, {4, 8}, {}};
  r.scheme.quantizer = {"int8", "0.1.0", {}};
  r.scheme.code_dtype = DETENT_I8;
  r.scheme.outputs = {"qweight", "scale"};
  r.scheme.target.emplace();
  r.scheme.target->scheme = "detent.affine/1";
  detent_qspec& q = r.scheme.target->spec;
  q.qdtype = DETENT_I8;
  q.symmetric = 1;
  q.granularity = DETENT_PER_CHANNEL;
  q.qmin = -128;
  q.qmax = 127;
  q.min_scale = min_scale;
  q.affine_rules = rules;
  return r;
}

std::string refusal(const std::string& text) {
  try {
    records_from_json(json::parse(text), AnyShape());
  } catch (const std::runtime_error& e) {
    return e.what();
  }
  return "taken";
}

std::string with(std::string text, const std::string& old, const std::string& now) {
  const std::size_t at = text.find(old);
  REQUIRE(at != std::string::npos);
  return text.replace(at, old.size(), now);
}

}  // namespace

TEST_CASE("the rule of a target is read back from the artefact") {
  for (std::uint64_t rules = 0; rules <= DETENT_AFFINE_ALL; ++rules)
    for (const double least : {0.0, 0x1p-23, 0x1p-126}) {
      const std::string text = json::dump(to_json({record(least, rules)}));
      const auto back = records_from_json(json::parse(text), AnyShape());
      REQUIRE(back.size() == 1);
      CHECK(back[0].scheme.target->spec.affine_rules == rules);
      CHECK(back[0].scheme.target->spec.min_scale == least);
    }
}

TEST_CASE("a target with Detent's own rule says nothing of rules") {
  const std::string text = json::dump(to_json({record(0, 0)}));
  CHECK(text.find("rules") == std::string::npos);
  CHECK(text.find("min_scale") == std::string::npos);
}

TEST_CASE("a rule that is unknown and a least scale that is none are damage") {
  const std::string text = json::dump(to_json({record(0.5, DETENT_AFFINE_HALF_RANGE)}));
  CHECK(refusal(text) == "taken");
  CHECK(refusal(with(text, "half_range", "no_range")).find("rule \"no_range\" is unknown") !=
        std::string::npos);
  CHECK(refusal(with(text, "[\"half_range\"]", "3")).find("\"rules\" is no list") !=
        std::string::npos);
  for (const char* least : {"-1", "1e-40", "1e39", "\"0.5\""})
    CHECK(refusal(with(text, "\"min_scale\":0.5", std::string("\"min_scale\":") + least))
              .find("\"min_scale\" is no scale") != std::string::npos);
}

}  // namespace detent::test
