// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <limits>

#include "detent/kernels/range_search.hpp"

namespace detent::kernels {
namespace {

struct Moments {  // sums of 1, t and t^2 over values
  double zeroth = 0;
  double first = 0;
  double second = 0;
};

// The values as a density that is constant in each bin. t is the distance from the first bin's
// lower edge in bins: far from zero the squares of the values themselves would cancel.
class Density {
 public:
  Density(const Histogram& h, SearchScratch& scratch)
      : first_(static_cast<double>(h.grid.first)),
        width_(bin_width(h.grid)),
        bins_(h.counts.size()),
        m0_(scratch.a),
        m1_(scratch.b),
        m2_(scratch.c) {
    m0_.assign(bins_ + 1, 0);
    m1_.assign(bins_ + 1, 0);
    m2_.assign(bins_ + 1, 0);
    for (std::size_t i = 0; i < bins_; ++i) {
      const auto n = static_cast<double>(h.counts[i]);
      const auto at = static_cast<double>(i);
      m0_[i + 1] = m0_[i] + n;
      m1_[i + 1] = m1_[i] + n * (at + 0.5);
      m2_[i + 1] = m2_[i] + n * (at * at + at + 1.0 / 3);
    }
  }

  // Sum of squared errors, in bins squared, when the values are mapped to these codes; or any
  // number from `enough` on when it is not less than that.
  double error(const AffineParams& params, Codes codes, double enough) const {
    const Steps steps{static_cast<double>(params.scale) / width_,
                      static_cast<double>(codes.min - params.zero_point),
                      static_cast<double>(codes.max - params.zero_point)};
    return steps.size < 0.25 ? error_of_fine_steps(steps) : error_of_steps(steps, enough);
  }

 private:
  struct Steps {
    double size;  // in bins
    double lowest;
    double highest;
  };

  double end() const { return static_cast<double>(bins_); }

  // Moments of the values below t. Requires 0 <= t <= end().
  Moments below(double t) const {
    const std::size_t i = std::min(static_cast<std::size_t>(t), bins_ - 1);
    const auto at = static_cast<double>(i);
    const double f = t - at;
    const double n = m0_[i + 1] - m0_[i];
    return {m0_[i] + n * f, m1_[i] + n * f * (at + f / 2),
            m2_[i] + n * f * (at * at + f * (at + f / 3))};
  }

  static double squared_distance(const Moments& from, const Moments& to, double point) {
    const double sum = (to.second - from.second) - 2 * point * (to.first - from.first) +
                       point * point * (to.zeroth - from.zeroth);
    return std::max(sum, 0.0);  // rounding
  }

  double error_of_steps(const Steps& steps, double enough) const {
    const auto step_at = [&](double t) {
      return std::clamp(std::nearbyint((first_ + t) / steps.size), steps.lowest, steps.highest);
    };
    const double last = step_at(end());
    double sum = 0;
    Moments from;
    for (double step = step_at(0); step <= last && sum < enough; ++step) {
      const double boundary = std::clamp((step + 0.5) * steps.size - first_, 0.0, end());
      const Moments to = below(step == last ? end() : boundary);
      sum += squared_distance(from, to, step * steps.size - first_);
      from = to;
    }
    return sum;
  }

  // Steps much finer than bins, 16-bit codes for instance: inside the range every value has the
  // same expected error, a twelfth of a step squared.
  double error_of_fine_steps(const Steps& steps) const {
    const double lo = steps.lowest * steps.size - first_;
    const double hi = steps.highest * steps.size - first_;
    const Moments at_lo = below(std::clamp(lo, 0.0, end()));
    const Moments at_hi = below(std::clamp(hi, 0.0, end()));
    return squared_distance({}, at_lo, lo) +
           (at_hi.zeroth - at_lo.zeroth) * steps.size * steps.size / 12 +
           squared_distance(at_hi, below(end()), hi);
  }

  double first_;
  double width_;
  std::size_t bins_;
  std::vector<double>& m0_;  // of the values below each edge
  std::vector<double>& m1_;
  std::vector<double>& m2_;
};

// A candidate: how much of each end of the data is kept, in (0, 1].
struct Kept {
  double lo = 1;
  double hi = 1;
};

class MseSearch {
 public:
  MseSearch(const Histogram& h, const SearchTarget& target, SearchScratch& scratch)
      : density_(h, scratch), target_(target), whole_(unclipped(h.range, target.mapping)) {
    both_free_ = target.mapping == Mapping::asymmetric && whole_.lo < 0 && whole_.hi > 0;
  }

  Range run() {
    try_it({});
    coarse();
    // A factor that starts at half the coarse spacing: the optimum lies between two candidates.
    for (double factor = 0.03; factor > 0.0005; factor /= 2) refine(factor);
    return range_of(best_);
  }

 private:
  Range range_of(Kept kept) const { return {whole_.lo * kept.lo, whole_.hi * kept.hi}; }

  bool try_it(Kept kept) {
    const Range range = range_of(kept);
    const AffineParams params =
        choose_affine(range.lo, range.hi, target_.codes, target_.mapping, target_.rule);
    const double error = density_.error(params, target_.codes, least_);
    if (!(error < least_)) return false;
    least_ = error;
    best_ = kept;
    return true;
  }

  // Even steps down to a tenth, then by a factor down to a thousandth: outliers of any size.
  static double next(double kept, bool fine) {
    return kept > 0.105 ? kept - (fine ? 0.01 : 0.05) : kept * (fine ? 0.9 : 0.75);
  }

  void coarse() {
    for (double lo = 1; lo > 0.001; lo = next(lo, !both_free_)) {
      if (!both_free_) {
        try_it({lo, lo});
        continue;
      }
      for (double hi = 1; hi > 0.001; hi = next(hi, false)) try_it({lo, hi});
    }
  }

  void refine(double factor) {
    constexpr int kMoves = 4;  // per factor: a bound, seldom reached
    for (int move = 0; move < kMoves; ++move) {
      const Kept from = best_;
      bool better = false;
      for (const double lo : {-factor, 0.0, factor}) {
        for (const double hi : {-factor, 0.0, factor}) {
          if (!both_free_ && lo != hi) continue;
          better |= try_it({std::min(1.0, from.lo * (1 + lo)), std::min(1.0, from.hi * (1 + hi))});
        }
      }
      if (!better) return;
    }
  }

  Density density_;
  SearchTarget target_;
  Range whole_;
  bool both_free_;
  Kept best_;
  double least_ = std::numeric_limits<double>::infinity();
};

}  // namespace

Range search_mse(const Histogram& h, const SearchTarget& target, SearchScratch& scratch) {
  if (is_degenerate(h, target)) return unclipped(h.range, target.mapping);
  return MseSearch(h, target, scratch).run();
}

double expected_squared_error(const Histogram& h, const AffineParams& params, Codes codes,
                              SearchScratch& scratch) {
  return Density(h, scratch).error(params, codes, std::numeric_limits<double>::infinity());
}

}  // namespace detent::kernels
