// SPDX-License-Identifier: Apache-2.0
#include "report/evaluation_json.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

#include "base/text.hpp"

namespace detent {
namespace {

json::Value known(double value) { return std::isnan(value) ? json::Value() : json::number(value); }

json::Object metrics_to_json(const OutputMetrics& m) {
  return json::Object{{"output_sqnr_db", known(m.sqnr_db)},
                      {"max_abs_error", known(m.max_abs_error)},
                      {"cosine_mean", known(m.cosine_mean)},
                      {"cosine_min", known(m.cosine_min)},
                      {"top1_agreement", known(m.top1_agreement)}};
}

json::Object output_to_json(const OutputEvaluation& e, const OutputFacts& output) {
  const ComparisonResult& r = e.result;
  json::Object o{{"subject", to_string(e.how)}, {"path", output.path.string()}};
  if (!e.why.empty()) o.set("why", e.why);
  o.set("samples", r.samples);
  for (const json::Member& m : metrics_to_json(r.all)) o.set(m.key, m.value);
  o.set("accuracy_before", known(r.accuracy_before));
  o.set("accuracy_after", known(r.accuracy_after));
  o.set("targets", r.judged);
  o.set("non_finite", r.non_finite);
  json::Array outputs;
  for (const OutputMetrics& m : r.outputs) {
    json::Object one{{"output", m.output}};
    for (const json::Member& member : metrics_to_json(m)) one.set(member.key, member.value);
    outputs.push_back(std::move(one));
  }
  o.set("outputs", std::move(outputs));
  if (e.intended.samples > 0)
    o.set("intended", json::Object{{"samples", e.intended.samples},
                                   {"output_sqnr_db", known(e.intended.all.sqnr_db)}});
  return o;
}

bool measured(const OutputEvaluation& e) {
  return e.how == Evaluated::artifact || e.how == Evaluated::simulated;
}

std::string percent(double share) { return fmt::format("{:.1f} %", 100 * share); }

std::string counted(std::uint64_t n, const char* noun) {
  return fmt::format("{} {}{}", grouped(n), noun, n == 1 ? "" : "s");
}

}  // namespace

const OutputEvaluation* main_evaluation(const Evaluation& evaluation) {
  const auto& all = evaluation.outputs;
  for (const Evaluated how : {Evaluated::artifact, Evaluated::simulated})
    for (const OutputEvaluation& e : all)
      if (e.how == how) return &e;
  return all.empty() ? nullptr : &all.front();
}

json::Value evaluation_to_json(const RunFacts& facts) {
  const Evaluation& e = facts.evaluation;
  const OutputEvaluation* main = main_evaluation(e);
  if (main == nullptr || main->how == Evaluated::nothing) return nullptr;
  json::Object o;
  json::Array others;
  for (std::size_t i = 0; i < e.outputs.size(); ++i) {
    json::Object one = output_to_json(e.outputs[i], facts.outputs[i]);
    if (&e.outputs[i] == main)
      o = std::move(one);
    else
      others.push_back(std::move(one));
  }
  o.set("runtime", e.runtime);
  o.set("isolation", e.isolation);
  if (!others.empty()) o.set("others", std::move(others));
  return o;
}

std::string evaluation_lines(const Evaluation& evaluation) {
  const OutputEvaluation* e = main_evaluation(evaluation);
  if (e == nullptr || !measured(*e)) return "";
  const ComparisonResult& r = e->result;
  std::string text;
  if (!std::isnan(r.accuracy_after))
    text += fmt::format(
        "accuracy  {} -> {} ({})\n", percent(r.accuracy_before), percent(r.accuracy_after),
        r.judged == r.samples ? counted(r.samples, "sample") : counted(r.judged, "target"));
  if (!std::isnan(r.all.sqnr_db))
    text += fmt::format("output SQNR  {}, cosine {:.5f} ({}{})\n",
                        std::isinf(r.all.sqnr_db) && r.all.sqnr_db > 0
                            ? "exact"
                            : fmt::format("{:.2f} dB", r.all.sqnr_db),
                        r.all.cosine_mean, counted(r.samples, "sample"),
                        e->how == Evaluated::simulated ? ", simulated" : "");
  return text;
}

}  // namespace detent
