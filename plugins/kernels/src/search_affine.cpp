// SPDX-License-Identifier: Apache-2.0
#include "detent/kernels/search_affine.hpp"

#include "detent/kernels/quantize_affine.hpp"

namespace detent::kernels {
namespace {

// A float64 sum of 10^6 squares is good to 1e-10: below this, two errors are equal.
constexpr double kWorthwhile = 1.0 - 1e-9;

class Search {
 public:
  Search(std::span<const float> x, AffineParams start, Codes codes, Mapping mapping,
         const AffineRule& rule)
      : x_(x),
        codes_(codes),
        mapping_(mapping),
        rule_(rule),
        best_(start),
        error_(squared_error(x, start, codes)) {}

  AffineParams best() const { return best_; }
  bool exact() const { return error_ == 0.0; }

  bool consider(AffineParams candidate) {
    const double error = squared_error(x_, candidate, codes_);
    if (!(error < error_ * kWorthwhile)) return false;
    best_ = candidate;
    error_ = error;
    return true;
  }

  // The range scaled at both ends; remembers which one won.
  void consider(Range range, double low_part, double high_part) {
    const Range part{range.lo * low_part, range.hi * high_part};
    if (consider(choose_affine(part.lo, part.hi, codes_, mapping_, rule_))) {
      low_part_ = low_part;
      high_part_ = high_part;
    }
  }

  double low_part() const { return low_part_; }
  double high_part() const { return high_part_; }

 private:
  std::span<const float> x_;
  Codes codes_;
  Mapping mapping_;
  AffineRule rule_;
  AffineParams best_;
  double error_;
  double low_part_ = 1.0;
  double high_part_ = 1.0;
};

// The reals that the codes stand for; of symmetric mappings the half that choose_affine divides.
Range spanned_range(AffineParams params, Codes codes, Mapping mapping, const AffineRule& rule) {
  const double scale = params.scale;
  if (mapping == Mapping::symmetric) {
    const double most = symmetric_divisor(codes, rule) * scale;
    return {-most, most};
  }
  return {(static_cast<double>(codes.min) - params.zero_point) * scale,
          (static_cast<double>(codes.max) - params.zero_point) * scale};
}

void search_symmetric(Search& search, Range range) {
  for (int k = 32; k <= 72; ++k) search.consider(range, k / 64.0, k / 64.0);
  for (const double step : {1.0 / 128, 1.0 / 256}) {
    const double middle = search.high_part();
    for (const double part : {middle - step, middle + step}) search.consider(range, part, part);
  }
}

void search_asymmetric(Search& search, Range range) {
  for (int low = 8; low <= 18; ++low)
    for (int high = 8; high <= 18; ++high) search.consider(range, low / 16.0, high / 16.0);
  for (const double step : {1.0 / 32, 1.0 / 64}) {
    const double low = search.low_part();
    const double high = search.high_part();
    for (int i = -1; i <= 1; ++i)
      for (int j = -1; j <= 1; ++j) search.consider(range, low + i * step, high + j * step);
  }
}

}  // namespace

AffineParams search_affine(std::span<const float> x, AffineParams start, Codes codes,
                           Mapping mapping, const AffineRule& rule) {
  Search search(x, start, codes, mapping, rule);
  if (search.exact()) return start;
  const Range range = spanned_range(start, codes, mapping, rule);
  if (mapping == Mapping::symmetric) {
    search_symmetric(search, range);
  } else {
    search_asymmetric(search, range);
  }
  return search.best();
}

}  // namespace detent::kernels
