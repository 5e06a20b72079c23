// SPDX-License-Identifier: Apache-2.0
#include "evaluate/output_comparison.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/dtype.hpp"
#include "quantize/measure.hpp"

namespace detent {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// How the outputs differ so that they cannot be compared; empty when they do not.
std::string mismatch_of(const Outputs& expected, const Outputs& found) {
  if (expected.size() != found.size())
    return fmt::format("{} outputs, not {}", found.size(), expected.size());
  for (std::size_t k = 0; k < expected.size(); ++k) {
    const HostTensor* x = expected[k].get();
    const HostTensor* y = found[k].get();
    if (x == nullptr && y == nullptr) continue;
    if (x == nullptr || y == nullptr)
      return fmt::format("output {} is {} tensor", k, y == nullptr ? "no" : "a");
    if (is_float(x->dtype()) != is_float(y->dtype()))
      return fmt::format("output {} is {}, not {}", k, dtype_name(y->dtype()),
                         dtype_name(x->dtype()));
    if (x->shape() != y->shape())
      return fmt::format("output {} has the shape [{}], not [{}]", k, fmt::join(y->shape(), ", "),
                         fmt::join(x->shape(), ", "));
  }
  return "";
}

bool is_stacked(const HostTensor& t, std::uint64_t samples) {
  return samples > 0 && !t.shape().empty() &&
         static_cast<std::uint64_t>(t.shape().front()) == samples;
}

std::size_t count_equal(const std::vector<std::int64_t>& a, const std::vector<std::int64_t>& b) {
  std::size_t equal = 0;
  for (std::size_t i = 0; i < a.size(); ++i) equal += a[i] == b[i] ? 1 : 0;
  return equal;
}

double share(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? kUnknown : static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

// A value that is finite on one side only, or infinite on both with another sign, is an error
// without bounds. NaN on both sides, or the same infinity (the masked scores of a decoder), is
// agreement, and no number that a sum could hold.
void OutputComparison::Sums::add(double x, double y) {
  if (!std::isfinite(x) || !std::isfinite(y)) {
    if (x == y || (std::isnan(x) && std::isnan(y))) return;
    noise = max_error = kInfinity;
    return;
  }
  const double error = x - y;
  signal += x * x;
  noise += error * error;
  other += y * y;
  dot += x * y;
  max_error = std::max(max_error, std::fabs(error));
}

void OutputComparison::Sums::add(const Sums& more) {
  signal += more.signal;
  noise += more.noise;
  other += more.other;
  dot += more.dot;
  max_error = std::max(max_error, more.max_error);
}

double OutputComparison::Sums::cosine() const {
  if (noise == 0) return 1;  // and not what rounding makes of it
  if (std::isinf(noise) || signal == 0 || other == 0) return 0;
  // Two roots, because the product of the squares may overflow. Rounding may pass the end of the
  // range.
  return std::clamp(dot / (std::sqrt(signal) * std::sqrt(other)), -1.0, 1.0);
}

void OutputComparison::Total::add(const Sums& sample) {
  signal += sample.signal;
  noise += sample.noise;
  max_error = std::max(max_error, sample.max_error);
  const double cosine = sample.cosine();
  cosine_sum += cosine;
  cosine_min = std::min(cosine_min, cosine);
  ++cosines;
}

OutputMetrics OutputComparison::Total::metrics() const {
  OutputMetrics m;
  m.output = output;
  m.top1_agreement = share(equal_rows, rows);
  if (cosines == 0) return m;
  m.sqnr_db = QuantizationError{signal, noise, max_error}.sqnr_db();
  m.max_abs_error = max_error;
  m.cosine_mean = cosine_sum / static_cast<double>(cosines);
  m.cosine_min = cosine_min;
  return m;
}

// The samples of one batch over all outputs; a single one when an output is not stacked as they
// are.
class OutputComparison::Joint {
 public:
  explicit Joint(std::uint64_t samples) : sums_(samples) {}
  void add(const std::vector<Sums>& output) {
    if (output.size() != sums_.size()) {
      Sums whole;
      for (const Sums& s : sums_) whole.add(s);
      sums_.assign(1, whole);
    }
    for (std::size_t s = 0; s < output.size(); ++s) sums_[sums_.size() == 1 ? 0 : s].add(output[s]);
    any_ = true;
  }
  std::vector<Sums> sums() const { return any_ ? sums_ : std::vector<Sums>{}; }

 private:
  std::vector<Sums> sums_;
  bool any_ = false;
};

OutputComparison::Total& OutputComparison::total(std::size_t output) {
  for (Total& t : totals_)
    if (t.output == output) return t;
  totals_.emplace_back().output = output;
  return totals_.back();
}

void OutputComparison::count_non_finite(const Values& v) {
  for (std::size_t i = 0; i < v.expected.size(); ++i) {
    const bool finite = std::isfinite(v.expected[i]);
    non_finite_expected_ += finite ? 0 : 1;
    non_finite_ += finite && !std::isfinite(v.found[i]) ? 1 : 0;
  }
}

std::vector<OutputComparison::Sums> OutputComparison::add_values(std::size_t output,
                                                                 const Values& v,
                                                                 std::uint64_t samples) {
  std::vector<Sums> sums(is_stacked(*v.tensor, samples) ? samples : 1);
  const std::size_t each = v.expected.size() / sums.size();
  Total& sum = total(output);
  for (std::size_t s = 0; s < sums.size(); ++s) {
    for (std::size_t i = s * each; i < (s + 1) * each; ++i) sums[s].add(v.expected[i], v.found[i]);
    sum.add(sums[s]);
  }
  return sums;
}

void OutputComparison::add_classes(std::size_t output, const Values& v,
                                   const detent_tensor* target) {
  const detent_tensor& scores = v.tensor->view();
  const std::int64_t classes = scores.shape[scores.ndim - 1];
  const std::vector<std::int64_t> before = top_classes(v.expected, classes);
  const std::vector<std::int64_t> after = top_classes(v.found, classes);
  Total& sum = total(output);
  sum.rows += before.size();
  sum.equal_rows += count_equal(before, after);
  if (target == nullptr || !no_accuracy_.empty()) return;
  WantedClasses wanted = wanted_classes(*target, scores);
  no_accuracy_ = std::move(wanted.problem);
  for (std::size_t i = 0; i < wanted.rows.size(); ++i) {
    if (wanted.rows[i] < 0) continue;
    ++judged_;
    right_before_ += before[i] == wanted.rows[i] ? 1 : 0;
    right_after_ += after[i] == wanted.rows[i] ? 1 : 0;
  }
}

void OutputComparison::add(const Outputs& expected, const Outputs& found, std::uint64_t samples,
                           const detent_tensor* target) {
  samples_ += samples;
  has_target_ = has_target_ || target != nullptr;
  if (!mismatch_.empty() || !(mismatch_ = mismatch_of(expected, found)).empty()) return;
  Joint joint(samples);
  bool scores_seen = false;  // the first output with classes is the model's answer
  for (std::size_t k = 0; k < expected.size(); ++k) {
    if (!expected[k] || !is_float(expected[k]->dtype()) || expected[k]->numel() == 0) continue;
    const Values v{expected[k].get(), values_of(expected[k]->view()), values_of(found[k]->view())};
    count_non_finite(v);
    joint.add(add_values(k, v, samples));
    if (!has_classes(v.tensor->view())) continue;
    add_classes(k, v, scores_seen ? nullptr : target);
    scores_seen = true;
  }
  for (const Sums& sample : joint.sums()) all_.add(sample);
}

ComparisonResult OutputComparison::result() const {
  ComparisonResult r;
  r.samples = samples_;
  r.mismatch = mismatch_;
  if (!mismatch_.empty()) return r;
  r.all = all_.metrics();
  for (const Total& t : totals_) {
    r.outputs.push_back(t.metrics());
    if (std::isnan(r.all.top1_agreement)) r.all.top1_agreement = r.outputs.back().top1_agreement;
  }
  r.non_finite_expected = non_finite_expected_;
  r.non_finite = non_finite_;
  r.no_accuracy = no_accuracy_;
  if (has_target_ && no_accuracy_.empty() && judged_ == 0)
    r.no_accuracy = "no output has scores of classes, or no target counts";
  if (!r.no_accuracy.empty() || judged_ == 0) return r;
  r.judged = judged_;
  r.accuracy_before = share(right_before_, judged_);
  r.accuracy_after = share(right_after_, judged_);
  return r;
}

}  // namespace detent
