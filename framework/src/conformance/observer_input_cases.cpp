// SPDX-License-Identifier: Apache-2.0
// Cases of what an observer is shown: values, types, layouts, sizes.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "base/dtype.hpp"
#include "base/text.hpp"
#include "conformance/case.hpp"
#include "conformance/observer_data.hpp"
#include "conformance/observer_driver.hpp"

namespace detent::conformance {
namespace {

// What the same numbers in another form may differ by: sums come in another order.
constexpr double kSameNumbers = 1e-6;

Answers answers_to(Subject& subject, const Target& target, const Input& x) {
  World world;
  ObserverUnderTest o(subject, world, target);
  o.observe(*x);
  return o.ask();
}

std::string empty(Subject& subject) {
  for_each_target(subject, [&](const Target& target) {
    World world;
    ObserverUnderTest fresh(subject, world, target);
    ObserverUnderTest o(subject, world, target);
    const Input nothing(DETENT_F32, {0, 50}, {});
    o.observe(*nothing);
    expect(o.save() == fresh.save(), "the state changed by a tensor without elements");
    const Input x(DETENT_F32, kShape, sample(subject));
    o.observe(*x);
    fresh.observe(*x);
    o.observe(*nothing);
    const std::string d = difference(o.ask(), fresh.ask());
    expect(d.empty(), "a tensor without elements changed the answer: {}", d);
  });
  return {};
}

std::string one_element(Subject& subject) {
  for_each_target(subject, [&](const Target& target) {
    const bool channels = target.spec.granularity == DETENT_PER_CHANNEL;
    const Input x(DETENT_F32, channels ? Shape{1, 1} : Shape{1}, std::vector<double>{-1.5});
    const Answers answers = answers_to(subject, target, x);
    const auto scale = answers.find("scale");
    if (scale == answers.end()) return;
    const double s = scale->second.values().at(0);
    expect(std::isfinite(s) && s > 0, "the scale of one element is {}", s);
  });
  return {};
}

std::string scalar(Subject& subject) {
  for_each_target(subject, [&](const Target& target) {
    if (target.spec.granularity != DETENT_PER_TENSOR) return;
    World world;
    ObserverUnderTest o(subject, world, target);
    const std::int32_t status = o.try_observe(*Input(DETENT_F32, {}, std::vector<double>{2}));
    expect(status == DETENT_OK || !world.text().empty(), "observe returned {} without a text",
           status_name(status));
  });
  return {};
}

void expect_finite(const Answers& answers) {
  for (const auto& [name, made] : answers) {
    const bool real = is_float(made.dtype);
    if (!real) continue;
    for (const double v : made.values()) expect(std::isfinite(v), "{} holds {}", name, v);
  }
}

// The same numbers with others among them that are none.
std::string non_finite(Subject& subject) {
  const double infinity = std::numeric_limits<double>::infinity();
  for_each_target(subject, [&](const Target& target) {
    std::vector<double> dirty = sample(subject);
    std::vector<double> clean = dirty;
    for (std::size_t i = 0; i < dirty.size(); i += 13) {
      dirty[i] = std::array{std::nan(""), infinity, -infinity}[i % 3];
      clean[i] = clean[i == 0 ? 1 : i - 1];  // repeats a value of the same part of the data
    }
    World world;
    ObserverUnderTest o(subject, world, target);
    const std::int32_t status = o.try_observe(*Input(DETENT_F32, kShape, dirty));
    if (status == DETENT_E_NUMERIC) return expect(!world.text().empty(), "a refusal has no text");
    expect(status == DETENT_OK, "observe of NaN returned {}: {}", status_name(status),
           printable(world.text()));
    const Answers answers = o.ask();
    expect_finite(answers);
    const auto scale = answers.find("scale");
    if (scale == answers.end()) return;
    const Answers without = answers_to(subject, target, Input(DETENT_F32, kShape, clean));
    const std::vector<double> a = scale->second.values();
    const std::vector<double> b = without.at("scale").values();
    for (std::size_t i = 0; i < a.size(); ++i)
      expect(a[i] <= 3 * b[i] && b[i] <= 3 * a[i],
             "scale[{}] is {} with NaN and infinities among the data, {} without", i, a[i], b[i]);
  });
  return {};
}

std::string only_nan(Subject& subject) {
  for_each_target(subject, [&](const Target& target) {
    World world;
    ObserverUnderTest o(subject, world, target);
    const std::vector<double> none(kElements, std::nan(""));
    const std::int32_t status = o.try_observe(*Input(DETENT_F32, kShape, none));
    expect(status == DETENT_OK || status == DETENT_E_NUMERIC, "observe of NaN alone returned {}",
           status_name(status));
    if (status == DETENT_OK) expect_finite(o.qparams());
  });
  return {};
}

std::string dtypes(Subject& subject) {
  std::vector<std::string> refused;
  for_each_target(subject, [&](const Target& target) {
    std::vector<double> values = sample(subject);
    for (double& v : values) v = std::round(v * 8) / 8;  // exact in every dtype
    const Answers expected = answers_to(subject, target, Input(DETENT_F32, kShape, values));
    for (const detent_dtype dtype : {DETENT_F64, DETENT_F16, DETENT_BF16}) {
      World world;
      ObserverUnderTest o(subject, world, target);
      const std::int32_t status = o.try_observe(*Input(dtype, kShape, values));
      if (status == DETENT_E_UNSUPPORTED) {
        expect(!world.text().empty(), "a refusal of {} has no text", dtype_name(dtype));
        refused.push_back(dtype_name(dtype));
        continue;
      }
      expect(status == DETENT_OK, "observe of {} returned {}", dtype_name(dtype),
             status_name(status));
      const std::string d = difference(o.ask(), expected, kSameNumbers);
      expect(d.empty(), "with the same numbers as {}, {}", dtype_name(dtype), d);
    }
  });
  return refused.empty() ? "" : fmt::format("refuses {}", refused.front());
}

std::string unknown_dtype(Subject& subject) {
  for_each_target(subject, [&](const Target& target) {
    for (const detent_dtype dtype : {DETENT_DTYPE(99, 32), DETENT_DTYPE(2, 24), DETENT_BOOL}) {
      World world;
      ObserverUnderTest o(subject, world, target);
      const std::string before = o.save();
      const std::int32_t status =
          o.try_observe(*Input(dtype, kShape, std::vector<double>(kElements)));
      if (status == DETENT_OK && dtype == DETENT_BOOL) continue;
      expect(status == DETENT_E_UNSUPPORTED,
             "observe of a dtype {:#x} returned {} instead of DETENT_E_UNSUPPORTED", dtype,
             status_name(status));
      expect(!world.text().empty(), "the refusal of a dtype has no text");
      expect(o.save() == before, "a refused batch changed the state");
    }
  });
  return {};
}

void expect_same_in(Subject& subject, Layout layout) {
  for_each_target(subject, [&](const Target& target) {
    const std::vector<double> values = uneven_sample(subject);
    const Answers expected = answers_to(subject, target, Input(DETENT_F32, kShape, values));
    for (const detent_dtype dtype : {DETENT_F32, DETENT_F64}) {
      const std::string d =
          difference(answers_to(subject, target, Input(dtype, kShape, values, layout)), expected,
                     kSameNumbers);
      expect(d.empty(), "{}, {} where a compact tensor of the same values was", dtype_name(dtype),
             d);
    }
  });
}

std::string transposed(Subject& s) { return expect_same_in(s, Layout::transposed), ""; }
std::string reversed(Subject& s) { return expect_same_in(s, Layout::reversed), ""; }
std::string gaps(Subject& s) { return expect_same_in(s, Layout::gaps), ""; }
std::string offset(Subject& s) { return expect_same_in(s, Layout::offset), ""; }
std::string unaligned(Subject& s) { return expect_same_in(s, Layout::unaligned), ""; }
std::string bounds(Subject& s) {
  expect_same_in(s, Layout::at_begin);
  expect_same_in(s, Layout::at_end);
  return {};
}

std::string zero_stride(Subject& subject) {
  for_each_target(subject, [&](const Target& target) {
    const Answers expected =
        answers_to(subject, target, Input(DETENT_F32, kShape, std::vector<double>(kElements, 2.5)));
    const std::string d =
        difference(answers_to(subject, target, Input::broadcast(DETENT_F32, kShape, 2.5)), expected,
                   kSameNumbers);
    expect(d.empty(), "{} where a compact tensor of the same values was", d);
  });
  return {};
}

std::string more_dimensions(Subject& subject) {
  for_each_target(subject, [&](const Target& target) {
    const std::vector<double> values = uneven_sample(subject);
    const Shape shape = {3, 2, 5, 10};
    const Answers expected = answers_to(subject, target, Input(DETENT_F32, shape, values));
    for (const Layout layout : {Layout::transposed, Layout::reversed, Layout::gaps}) {
      const std::string d =
          difference(answers_to(subject, target, Input(DETENT_F32, shape, values, layout)),
                     expected, kSameNumbers);
      expect(d.empty(), "shape {}: {}", shape_text(shape), d);
    }
  });
  return {};
}

std::string large(Subject& subject) {
  for_each_target(subject, [&](const Target& target) {
    if (target.spec.granularity != DETENT_PER_TENSOR || target.spec.symmetric != 0) return;
    const Shape shape = {64, 65536};  // 16 MiB
    const Input x(DETENT_F32, shape, subject.random().bells(count_elements(shape)));
    const Answers answers = answers_to(subject, target, x);
    expect_finite(answers);
  });
  return {};
}

std::string untouched(Subject& subject) {
  for_each_target(subject, [&](const Target& target) {
    Input x(DETENT_F32, kShape, uneven_sample(subject));
    x.make_read_only();
    answers_to(subject, target, x);
  });
  return {};
}

std::string keeps_nothing(Subject& subject) {
  for_each_target(subject, [&](const Target& target) {
    const std::vector<double> values = uneven_sample(subject);
    const Answers expected = answers_to(subject, target, Input(DETENT_F32, kShape, values));
    World world;
    ObserverUnderTest o(subject, world, target);
    Input x(DETENT_F32, kShape, values);
    o.observe(*x);
    x.forbid();
    const std::string d = difference(o.ask(), expected);
    expect(d.empty(), "after the tensor was taken back: {}", d);
  });
  return {};
}

constexpr const char* kView =
    "walk the tensor by shape and strides; sdk::TensorView::for_each does";

constexpr std::array<Case, 18> kCases = {{
    {"observer.empty", kObserver,
     "A tensor without elements changes nothing (abi/observer.h, observe).",
     "return DETENT_OK at once when an extent is 0", &empty},
    {"observer.one_element", kObserver, "One element is data like any other (abi/observer.h).",
     "divide by counts only where they cannot be 0", &one_element},
    {"observer.scalar", kObserver,
     "A tensor without dimensions is observed, or refused with a text (R2).",
     "shape and strides are NULL when ndim is 0", &scalar},
    {"observer.non_finite", kObserver,
     "NaN and infinities are left out, or refused with DETENT_E_NUMERIC (abi/observer.h, observe).",
     "skip what is not finite before it reaches minimum, maximum or sum", &non_finite},
    {"observer.only_nan", kObserver,
     "Data without a finite value give no scale of NaN (abi/observer.h).",
     "return DETENT_E_NOT_READY from compute_qparams while no finite value was seen", &only_nan},
    {"observer.dtypes", kObserver,
     "The same numbers as f64, f16 or bf16 have the same answer, or are refused as "
     "DETENT_E_UNSUPPORTED (abi/observer.h).",
     kView, &dtypes},
    {"observer.unknown_dtype", kObserver,
     "A dtype that it does not know is DETENT_E_UNSUPPORTED with a text (abi/base.h, status).",
     "look at dtype first; codes and sizes that are not in abi/base.h will come", &unknown_dtype},
    {"observer.transposed", kObserver,
     "A transposed view is the tensor that it shows (abi/base.h, strides).", kView, &transposed},
    {"observer.negative_strides", kObserver, "Strides may be negative (abi/base.h, strides).",
     kView, &reversed},
    {"observer.gaps", kObserver, "Elements may lie apart (abi/base.h, strides).", kView, &gaps},
    {"observer.zero_strides", kObserver, "Strides may be 0 (abi/base.h, strides).", kView,
     &zero_stride},
    {"observer.byte_offset", kObserver, "Element 0 lies at data + byte_offset (abi/base.h).", kView,
     &offset},
    {"observer.unaligned", kObserver,
     "Memory may be aligned worse than the element (abi/base.h, data).",
     "take elements out with memcpy, which costs nothing", &unaligned},
    {"observer.dimensions", kObserver, "Four dimensions are no more than two (abi/base.h, ndim).",
     kView, &more_dimensions},
    {"observer.bounds", kObserver, "Nothing outside the tensor is read (R1).",
     "the last vector of a loop is often a short one", &bounds},
    {"observer.untouched", kObserver, "Inputs are not written to (abi/observer.h, observe).",
     "the tensor has DETENT_TENSOR_READ_ONLY: work on a copy", &untouched},
    {"observer.keeps_nothing", kObserver, "A tensor is the host's again after the call (R1).",
     "copy what is needed later", &keeps_nothing},
    {"observer.large", kObserver, "A tensor of 16 MiB is observed (abi/observer.h).",
     "count in 64 bits, and hold no copy of the data", &large},
}};

}  // namespace

std::span<const Case> observer_input_cases() { return kCases; }

}  // namespace detent::conformance
