// SPDX-License-Identifier: Apache-2.0
// Cases of an observer's answers: scales, zero points, statistics.
#include <array>
#include <cmath>

#include "base/dtype.hpp"
#include "base/text.hpp"
#include "conformance/case.hpp"
#include "conformance/observer_data.hpp"
#include "conformance/observer_driver.hpp"

namespace detent::conformance {
namespace {

// Scales and zero points that anybody can compute with.
void expect_usable(const Answers& q, const Target& target, const Shape& tensor) {
  const auto scale = q.find("scale");
  expect(scale != q.end(), "compute_qparams made no \"scale\"");
  const Shape shape = scale_shape(target.spec, tensor);
  expect(scale->second.dtype == target.spec.scale_dtype, "\"scale\" is {} instead of {}",
         dtype_name(scale->second.dtype), dtype_name(target.spec.scale_dtype));
  expect(scale->second.shape == shape, "\"scale\" has the shape {} instead of {}",
         shape_text(scale->second.shape), shape_text(shape));
  const std::vector<double> scales = scale->second.values();
  for (std::size_t i = 0; i < scales.size(); ++i)
    expect(std::isfinite(scales[i]) && scales[i] > 0, "scale[{}] is {}", i, scales[i]);
  const auto zero = q.find("zero_point");
  expect(zero != q.end() || target.spec.symmetric != 0, "compute_qparams made no \"zero_point\"");
  if (zero == q.end()) return;
  expect(zero->second.dtype == target.spec.zero_dtype, "\"zero_point\" is {} instead of {}",
         dtype_name(zero->second.dtype), dtype_name(target.spec.zero_dtype));
  expect(zero->second.shape == shape, "\"zero_point\" has the shape {} instead of {}",
         shape_text(zero->second.shape), shape_text(shape));
  for (const double z : zero->second.values())
    expect(z >= static_cast<double>(target.spec.qmin) && z <= static_cast<double>(target.spec.qmax),
           "a zero point is {}, the codes are {} to {}", z, target.spec.qmin, target.spec.qmax);
}

// Observes one batch and looks at the parameters; nothing when it chooses no range.
Answers usable_qparams(Subject& subject, const Target& target, const Input& x) {
  World world;
  ObserverUnderTest o(subject, world, target);
  o.observe(*x);
  Answers q = o.qparams();
  if (!q.empty()) expect_usable(q, target, x.shape());
  return q;
}

void expect_usable_for(Subject& subject, const std::vector<double>& values) {
  bool any = false;
  for_each_target(subject, [&](const Target& target) {
    const Input x(DETENT_F32, kShape, values);
    any |= !usable_qparams(subject, target, x).empty();
  });
  if (!any) throw Skip{"it chooses no range"};
}

std::string qparams(Subject& subject) {
  expect_usable_for(subject, sample(subject));
  return {};
}

std::string constant(Subject& subject) {
  expect_usable_for(subject, std::vector<double>(kElements, 0.75));
  expect_usable_for(subject, std::vector<double>(kElements, -3));
  return {};
}

std::string zeros(Subject& subject) {
  expect_usable_for(subject, std::vector<double>(kElements, 0));
  expect_usable_for(subject, std::vector<double>(kElements, -0.0));
  return {};
}

std::string denormals(Subject& subject) {
  expect_usable_for(subject, std::vector<double>(kElements, 1e-40));
  expect_usable_for(subject, subject.random().bells(kElements, 1e-44));
  return {};
}

std::string huge(Subject& subject) {
  std::vector<double> values = sample(subject);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = i % 2 == 0 ? 3.4e38 : -3.4e38;
  expect_usable_for(subject, values);
  return {};
}

// Of one part of the data: its extremes.
struct Extremes {
  double lo = 0;
  double hi = 0;
};

std::vector<Extremes> extremes(const Target& target, const std::vector<double>& values) {
  const std::vector<std::size_t> index = scale_index(target.spec, kShape);
  std::vector<Extremes> all(count_elements(scale_shape(target.spec, kShape)));
  for (std::size_t i = 0; i < values.size(); ++i) {
    Extremes& e = all[index[i]];
    e.lo = std::min(e.lo, values[i]);
    e.hi = std::max(e.hi, values[i]);
  }
  return all;
}

std::vector<double> zero_points(const Answers& q, std::size_t n) {
  const auto found = q.find("zero_point");
  return found != q.end() ? found->second.values() : std::vector<double>(n, 0);
}

// Whatever an observer clips: its codes reach neither nowhere nor far beyond the data.
std::string sane_range(Subject& subject) {
  bool any = false;
  for_each_target(subject, [&](const Target& target) {
    const std::vector<double> values = uneven_sample(subject);
    const Answers q = usable_qparams(subject, target, Input(DETENT_F32, kShape, values));
    if (q.empty()) return;
    any = true;
    const std::vector<double> scale = q.at("scale").values();
    const std::vector<double> zero = zero_points(q, scale.size());
    const std::vector<Extremes> data = extremes(target, values);
    for (std::size_t i = 0; i < scale.size(); ++i) {
      const double low = scale[i] * (static_cast<double>(target.spec.qmin) - zero[i]);
      const double high = scale[i] * (static_cast<double>(target.spec.qmax) - zero[i]);
      const double most = std::max(data[i].hi, -data[i].lo);
      expect(high <= 4 * most && -low <= 4 * most,
             "entry {}: its codes stand for {} to {}, the data are {} to {}", i, low, high,
             data[i].lo, data[i].hi);
      expect(std::max(high, -low) >= most / 16,
             "entry {}: its codes stand for {} to {} only, the data are {} to {}", i, low, high,
             data[i].lo, data[i].hi);
    }
  });
  if (!any) throw Skip{"it chooses no range"};
  return {};
}

std::string range_minmax(Subject& subject) {
  const std::vector<std::string> provided = subject.provides();
  if (std::find(provided.begin(), provided.end(), "range:minmax") == provided.end())
    throw Skip{"it does not provide \"range:minmax\""};
  for_each_target(subject, [&](const Target& target) {
    const std::vector<double> values = uneven_sample(subject);
    const Answers q = usable_qparams(subject, target, Input(DETENT_F32, kShape, values));
    expect(!q.empty(), "it chooses no range");
    const std::vector<double> scale = q.at("scale").values();
    const std::vector<double> zero = zero_points(q, scale.size());
    const std::vector<Extremes> data = extremes(target, values);
    for (std::size_t i = 0; i < scale.size(); ++i) {
      const double low = scale[i] * (static_cast<double>(target.spec.qmin) - zero[i]);
      const double high = scale[i] * (static_cast<double>(target.spec.qmax) - zero[i]);
      const bool covered =
          low <= data[i].lo + 0.75 * scale[i] && high >= data[i].hi - 0.75 * scale[i];
      const double steps = (data[i].hi - data[i].lo) / scale[i];
      const bool tight = target.spec.symmetric != 0 || steps > 0.9 * (high - low) / scale[i] - 1;
      expect(covered && tight, "entry {}: its codes stand for {} to {}, the batch has {} to {}", i,
             low, high, data[i].lo, data[i].hi);
    }
  });
  return {};
}

std::string not_ready(Subject& subject) {
  for_each_target(subject, [&](const Target& target) {
    World world;
    ObserverUnderTest o(subject, world, target);
    const std::int32_t status = o.try_qparams();
    expect(status == DETENT_E_NOT_READY || status == DETENT_E_UNSUPPORTED,
           "compute_qparams before any data returned {} instead of DETENT_E_NOT_READY",
           status_name(status));
    expect(!world.text().empty(), "compute_qparams returned {} without a text",
           status_name(status));
  });
  return {};
}

constexpr std::array<Case, 8> kCases = {{
    {"observer.qparams", kObserver,
     "Scales are finite and positive, zero points are codes, of the target's dtypes and shapes "
     "(abi/observer.h, compute_qparams).",
     "see compute_qparams in abi/observer.h; sdk::put_affine does it", &qparams},
    {"observer.constant", kObserver, "Data of one value have a usable scale (abi/observer.h).",
     "widen the range to hold zero before it becomes a scale", &constant},
    {"observer.zeros", kObserver, "Data of zeros have a usable scale: 1 (abi/base.h, min_scale).",
     "a scale below the smallest normal float32 counts as that of a zero range, which is 1",
     &zeros},
    {"observer.denormals", kObserver, "Denormal data have a usable scale (abi/base.h, min_scale).",
     "a scale below the smallest normal float32 counts as that of a zero range, which is 1",
     &denormals},
    {"observer.huge", kObserver, "The largest float32 values have a finite scale (abi/observer.h).",
     "divide before you subtract: hi - lo can be infinite where neither is", &huge},
    {"observer.sane_range", kObserver,
     "The codes' range has to do with the data: neither 16 times smaller nor 4 times larger "
     "(abi/base.h, detent_qspec).",
     "real = scale * (code - zero_point): see if the scale is inverted or the zero point is off",
     &sane_range},
    {"observer.range_minmax", kObserver,
     "With \"range:minmax\" the range after one batch is the batch's own (abi.h, provides).",
     "do not provide \"range:minmax\", or let one batch set the range", &range_minmax},
    {"observer.not_ready", kObserver,
     "Before any finite value there is no range: DETENT_E_NOT_READY (abi/observer.h, "
     "compute_qparams).",
     "return DETENT_E_NOT_READY with a text until something was observed", &not_ready},
}};

}  // namespace

std::span<const Case> observer_cases() { return kCases; }

}  // namespace detent::conformance
