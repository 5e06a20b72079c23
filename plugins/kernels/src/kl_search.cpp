// SPDX-License-Identifier: Apache-2.0
// The divergence of TensorRT's calibration (Migacz, GTC 2017), with the target's own codes in place
// of equal slices of the bins, and three things that make it usable:
//
//   noise   With few values a bin, differences between neighbouring bins are chance, and Q, which
//   evens them
//           out, diverges the more the wider the range: 4096 normal values lost 9 dB. The
//           divergence that chance alone gives, (bins with data - cells) / (2 values) nats, is
//           subtracted, and clipping must gain more than two standard deviations of it.
//   zero    The bin that starts at zero is a cell of its own: zero has an exact code in every
//   mapping, so
//           the peak that ReLU leaves there is not lost.
//   empty   A clipped tail may fold into an empty bin, where Q would be zero and the divergence
//   infinite,
//           which would forbid clipping to any threshold inside a gap: Q is 1e-4 values there, as
//           in ONNX Runtime.
#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <utility>

#include "detent/kernels/range_search.hpp"

namespace detent::kernels {
namespace {

constexpr double kEmptyBin = 1e-4;

// Not std::log: the C library chooses between implementations by CPU, and they differ in the last
// bit. Requires x positive and normal.
double natural_log(double x) noexcept {
  constexpr std::uint64_t kSqrtHalf = 0x3FE6A09E667F3BCD;
  constexpr double kLog2 = 0.6931471805599453;
  const auto bits = std::bit_cast<std::uint64_t>(x);
  const std::uint64_t exponent = (bits - kSqrtHalf) >> 52;        // of x / sqrt(1/2), signed
  const auto m = std::bit_cast<double>(bits - (exponent << 52));  // in [sqrt(1/2), sqrt(2))
  const double s = (m - 1) / (m + 1);
  const double z = s * s;
  // artanh(s) / s; the next term is below 1e-17
  constexpr double kSeries[] = {1.0 / 21, 1.0 / 19, 1.0 / 17, 1.0 / 15, 1.0 / 13, 1.0 / 11,
                                1.0 / 9,  1.0 / 7,  1.0 / 5,  1.0 / 3,  1.0};
  double series = 0;
  for (const double term : kSeries) series = series * z + term;
  const auto power = static_cast<double>(static_cast<std::int64_t>(exponent << 52) >> 52);
  return power * kLog2 + 2 * s * series;
}

double x_log_x(double x) noexcept { return x > 0 ? x * natural_log(x) : 0.0; }

struct Nats {
  double divergence;  // less what chance alone gives
  double deviation;   // the standard deviation of that
};

// Bins [begin, end) of the histogram are kept; what lies outside is clipped.
struct Kept {
  std::int64_t begin;
  std::int64_t end;
};

class Divergence {
 public:
  Divergence(const Histogram& h, SearchScratch& scratch)
      : first_(static_cast<double>(h.grid.first)),
        width_(bin_width(h.grid)),
        bins_(h.grid.count),
        zero_bin_(-h.grid.first),
        values_(scratch.a),
        filled_(scratch.b),
        entropy_(scratch.c) {
    const std::size_t size = h.counts.size() + 1;
    values_.assign(size, 0);
    filled_.assign(size, 0);
    entropy_.assign(size, 0);
    for (std::size_t i = 0; i + 1 < size; ++i) {
      const auto n = static_cast<double>(h.counts[i]);
      values_[i + 1] = values_[i] + n;
      filled_[i + 1] = filled_[i] + (n > 0 ? 1 : 0);
      entropy_[i + 1] = entropy_[i] + x_log_x(n);
    }
  }

  // D(P || Q). P: all values, those outside folded into the end bins. Q: the kept values, even
  // inside each cell. Twice `total` times the divergence that chance gives is distributed as chi
  // squared.
  Nats operator()(Kept kept, const AffineParams& params, Codes codes) const {
    const double total = values_.back();
    const double inside = between(values_, kept.begin, kept.end);
    if (inside == 0) return {std::numeric_limits<double>::infinity(), 0};
    const Cells cells = cells_of(kept, params, codes);
    const double entropy_p = between(entropy_, kept.begin, kept.end) + folded_entropy(kept);
    const double freedom = between(filled_, kept.begin, kept.end) - cells.filled;
    return {(entropy_p - cells.cross_entropy - freedom / 2) / total + natural_log(inside) -
                natural_log(total),
            std::sqrt(freedom / 2) / total};
  }

 private:
  // Sums over the cells: how many hold values, and p log q in values.
  struct Cells {
    double filled = 0;
    double cross_entropy = 0;
  };

  static double between(const std::vector<double>& prefix, std::int64_t from, std::int64_t to) {
    return prefix[static_cast<std::size_t>(to)] - prefix[static_cast<std::size_t>(from)];
  }
  double bin(std::int64_t i) const { return between(values_, i, i + 1); }
  double below(Kept kept) const { return between(values_, 0, kept.begin); }
  double above(Kept kept) const { return between(values_, kept.end, bins_); }

  double folded_entropy(Kept kept) const {
    const double first = bin(kept.begin);
    const double last = bin(kept.end - 1);
    if (kept.end - kept.begin == 1)
      return x_log_x(first + below(kept) + above(kept)) - x_log_x(first);
    return x_log_x(first + below(kept)) - x_log_x(first) + x_log_x(last + above(kept)) -
           x_log_x(last);
  }

  // The cell [from, to) of the kept bins. Values folded into an end bin come on top of its own.
  void add_cell(std::int64_t from, std::int64_t to, Kept kept, Cells& cells) const {
    double p = between(values_, from, to);
    double log_q = 0;
    if (p > 0) {
      cells.filled += 1;
      log_q = natural_log(p / between(filled_, from, to));
    }
    const auto fold = [&](double clipped, std::int64_t end_bin) {
      if (clipped == 0) return;
      if (bin(end_bin) > 0) {
        p += clipped;
      } else {
        cells.cross_entropy += clipped * natural_log(kEmptyBin);
      }
    };
    if (from == kept.begin) fold(below(kept), kept.begin);
    if (to == kept.end) fold(above(kept), kept.end - 1);
    cells.cross_entropy += p * log_q;
  }

  void add_cells(std::int64_t from, std::int64_t to, Kept kept, Cells& cells) const {
    for (const std::int64_t cut : {zero_bin_, zero_bin_ + 1}) {
      if (cut <= from || cut >= to) continue;
      add_cell(from, cut, kept, cells);
      from = cut;
    }
    if (from < to) add_cell(from, to, kept, cells);
  }

  // A code stands for the bins whose middle is rounded to it, between two codes to the upper.
  Cells cells_of(Kept kept, const AffineParams& params, Codes codes) const {
    Cells cells;
    const double step_size = static_cast<double>(params.scale) / width_;
    if (step_size < 0.5) {  // no two bins share a code
      for (std::int64_t i = kept.begin; i < kept.end; ++i) add_cell(i, i + 1, kept, cells);
      return cells;
    }
    const double lowest = codes.min - params.zero_point;
    const double highest = codes.max - params.zero_point;
    const auto step_of = [&](std::int64_t i) {
      const double middle = first_ + static_cast<double>(i) + 0.5;
      return std::clamp(std::floor(middle / step_size + 0.5), lowest, highest);
    };
    const double last = step_of(kept.end - 1);
    std::int64_t from = kept.begin;
    for (double step = step_of(from); step < last; ++step) {
      const double edge = std::ceil((step + 0.5) * step_size - first_ - 0.5);
      const auto to = static_cast<std::int64_t>(
          std::clamp(edge, static_cast<double>(from), static_cast<double>(kept.end)));
      add_cells(from, to, kept, cells);
      from = to;
    }
    add_cells(from, kept.end, kept, cells);
    return cells;
  }

  double first_;
  double width_;
  std::int64_t bins_;
  std::int64_t zero_bin_;
  std::vector<double>& values_;   // of the bins below each edge: how many values,
  std::vector<double>& filled_;   // how many bins that hold some,
  std::vector<double>& entropy_;  // and the sum of n log n
};

// A candidate: how many bins are taken off each end.
struct Cut {
  std::int64_t lo = 0;
  std::int64_t hi = 0;
};

struct Found {
  double divergence = std::numeric_limits<double>::infinity();
  Cut cut;
};

class KlSearch {
 public:
  KlSearch(const Histogram& h, const SearchTarget& target, SearchScratch& scratch)
      : h_(h), target_(target), divergence_(h, scratch) {
    const std::int64_t first = h.grid.first;
    const std::int64_t end = first + h.grid.count;
    if (target.mapping == Mapping::symmetric) {
      // hi counts bins off the larger magnitude, on both sides.
      outermost_ = std::max(-first, end);
      const std::int64_t innermost = std::max<std::int64_t>({first + 1, 1 - end, 1});
      most_.hi = outermost_ - std::max((outermost_ + 1) / 2, innermost);
    } else {
      if (first < 0) most_.lo = std::min(-first - (-first + 1) / 2, h.grid.count - 1);
      if (end > 0) most_.hi = std::min(end - (end + 1) / 2, h.grid.count - 1);
    }
    most_.lo = std::max<std::int64_t>(most_.lo, 0);
    most_.hi = std::max<std::int64_t>(most_.hi, 0);
  }

  Range run() {
    const Nats whole = evaluate({});
    const Found unclipped{whole.divergence - 2 * whole.deviation, {}};
    coarse();
    Found best = unclipped;
    for (Found start : starts_) {
      for (std::int64_t step = std::max(stride_.lo, stride_.hi) / 2; step > 0; step /= 2)
        refine(step, start);
      // Less than this is rounding: of two equal candidates the one that was found first.
      if (start.divergence < best.divergence - 1e-12) best = start;
    }
    return range_of(best.cut);
  }

 private:
  Kept kept(Cut cut) const {
    if (target_.mapping == Mapping::asymmetric) return {cut.lo, h_.grid.count - cut.hi};
    const std::int64_t t = outermost_ - cut.hi;
    return {std::max<std::int64_t>(0, -t - h_.grid.first),
            std::min(h_.grid.count, t - h_.grid.first)};
  }

  Range range_of(Cut cut) const {
    const Range whole = unclipped(h_.range, target_.mapping);
    if (target_.mapping == Mapping::symmetric) {
      const double most = std::ldexp(static_cast<double>(outermost_ - cut.hi), h_.grid.exponent);
      return {std::max(whole.lo, 0.0 - most), std::min(whole.hi, most)};
    }
    const Kept bins = kept(cut);
    return {std::max(whole.lo, bin_edge(h_.grid, bins.begin)),
            std::min(whole.hi, bin_edge(h_.grid, bins.end))};
  }

  Nats evaluate(Cut cut) const {
    const Kept bins = kept(cut);
    if (bins.begin >= bins.end) return {std::numeric_limits<double>::infinity(), 0};
    const Range range = range_of(cut);
    const AffineParams params =
        choose_affine(range.lo, range.hi, target_.codes, target_.mapping, target_.rule);
    return divergence_(bins, params, target_.codes);
  }

  // The divergence jumps where an end passes from one code to the next, so the best of a few
  // candidates far apart need not lie near the best of all: several are refined.
  void coarse() {
    constexpr std::int64_t kCells = 40000;  // to look at altogether: fewer codes, more candidates
    const std::int64_t codes = std::int64_t{target_.codes.max} - target_.codes.min + 1;
    const std::int64_t candidates = kCells / std::min(codes, h_.grid.count) + 1;
    const bool both_free = most_.lo > 0 && most_.hi > 0;
    const auto points = both_free
                            ? static_cast<std::int64_t>(std::sqrt(static_cast<double>(candidates)))
                            : candidates;
    stride_ = {most_.lo / points + 1, most_.hi / points + 1};
    // Both ends of each side are among the candidates.
    const auto next = [](std::int64_t at, std::int64_t stride, std::int64_t most) {
      return at < most ? std::min(at + stride, most) : most + 1;
    };
    for (std::int64_t lo = 0; lo <= most_.lo; lo = next(lo, stride_.lo, most_.lo))
      for (std::int64_t hi = 0; hi <= most_.hi; hi = next(hi, stride_.hi, most_.hi)) {
        Found found{evaluate({lo, hi}).divergence, {lo, hi}};
        for (Found& start : starts_)  // kept in order, the best first
          if (found.divergence < start.divergence) std::swap(found, start);
      }
  }

  void refine(std::int64_t step, Found& best) const {
    constexpr int kMoves = 4;  // per step: a bound, seldom reached
    for (int move = 0; move < kMoves; ++move) {
      const Cut from = best.cut;
      for (std::int64_t lo = std::max<std::int64_t>(0, from.lo - step);
           lo <= std::min(most_.lo, from.lo + step); lo += step)
        for (std::int64_t hi = std::max<std::int64_t>(0, from.hi - step);
             hi <= std::min(most_.hi, from.hi + step); hi += step) {
          const double divergence = evaluate({lo, hi}).divergence;
          if (divergence < best.divergence) best = {divergence, {lo, hi}};
        }
      if (best.cut.lo == from.lo && best.cut.hi == from.hi) return;
    }
  }

  const Histogram& h_;
  SearchTarget target_;
  Divergence divergence_;
  std::int64_t outermost_ = 0;
  Cut most_;
  Cut stride_;
  Found starts_[4];
};

}  // namespace

Range search_kl(const Histogram& h, const SearchTarget& target, SearchScratch& scratch) {
  if (is_degenerate(h, target)) return unclipped(h.range, target.mapping);
  return KlSearch(h, target, scratch).run();
}

}  // namespace detent::kernels
