// SPDX-License-Identifier: Apache-2.0
// OutputComparison: the outputs of a program beside those that were expected, batch by batch. Sums
// are kept, not outputs: memory does not grow with the number of samples.
#pragma once
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "evaluate/classes.hpp"
#include "program/program.hpp"

namespace detent {

inline constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

// Of one floating-point output, or of all together. docs/numerics.md has the formulae; NaN where a
// number is not known.
struct OutputMetrics {
  std::size_t output = 0;  // its place in the program's result
  double sqnr_db = kUnknown;
  double max_abs_error = kUnknown;
  double cosine_mean = kUnknown;
  double cosine_min = kUnknown;
  double top1_agreement = kUnknown;  // 0..1
};

struct ComparisonResult {
  std::uint64_t samples = 0;
  OutputMetrics all;                   // top1_agreement: of the first output that has classes
  std::vector<OutputMetrics> outputs;  // of the floating-point ones
  double accuracy_before = kUnknown;   // 0..1, of what was expected
  double accuracy_after = kUnknown;    // of what was found
  std::uint64_t judged = 0;            // rows with a target that counts
  std::string no_accuracy;             // why there is none, although there are targets
  std::uint64_t non_finite_expected = 0;
  std::uint64_t non_finite = 0;  // values of what was found that are finite in what was expected
  std::string mismatch;          // how number or shapes of the outputs differ; all is unknown then
};

class OutputComparison {
 public:
  // The outputs of one batch of `samples` samples. An output whose first dimension is not that is
  // one sample. target may be nullptr; compact.
  //
  // Sums of float64 in the order of the elements, sample by sample, output by output.
  void add(const Outputs& expected, const Outputs& found, std::uint64_t samples,
           const detent_tensor* target);
  ComparisonResult result() const;
  std::uint64_t samples() const { return samples_; }

 private:
  struct Sums {  // over the elements of one sample
    double signal = 0;
    double noise = 0;
    double other = 0;  // of the squares of what was found
    double dot = 0;
    double max_error = 0;
    void add(double x, double y);
    void add(const Sums& more);
    double cosine() const;
  };
  struct Total {  // over samples
    std::size_t output = 0;
    double signal = 0;
    double noise = 0;
    double max_error = 0;
    double cosine_sum = 0;
    double cosine_min = std::numeric_limits<double>::infinity();
    std::uint64_t cosines = 0;
    std::uint64_t rows = 0;
    std::uint64_t equal_rows = 0;
    void add(const Sums& sample);
    OutputMetrics metrics() const;
  };
  struct Values {  // of one output in this batch
    const HostTensor* tensor = nullptr;
    std::vector<double> expected;
    std::vector<double> found;
  };

  class Joint;

  Total& total(std::size_t output);
  void count_non_finite(const Values& v);
  std::vector<Sums> add_values(std::size_t output, const Values& v, std::uint64_t samples);
  void add_classes(std::size_t output, const Values& v, const detent_tensor* target);

  std::uint64_t samples_ = 0;
  Total all_;
  std::vector<Total> totals_;  // by output, in the order of their first appearance
  bool has_target_ = false;
  std::uint64_t judged_ = 0;
  std::uint64_t right_before_ = 0;
  std::uint64_t right_after_ = 0;
  std::string no_accuracy_;
  std::uint64_t non_finite_expected_ = 0;
  std::uint64_t non_finite_ = 0;
  std::string mismatch_;
};

}  // namespace detent
