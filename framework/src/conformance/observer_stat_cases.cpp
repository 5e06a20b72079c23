// SPDX-License-Identifier: Apache-2.0
// Cases of statistics that observers provide, against the same numbers computed here.
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

bool provides(Subject& subject, const std::string& id) {
  const std::vector<std::string> all = subject.provides();
  return std::find(all.begin(), all.end(), id) != all.end();
}

const Made& tensor_of(const Answers& stat, const std::string& name, detent_dtype dtype) {
  const auto found = stat.find(name);
  expect(found != stat.end(), "it has no tensor \"{}\"", name);
  expect(found->second.dtype == dtype, "\"{}\" is {} instead of {}", name,
         dtype_name(found->second.dtype), dtype_name(dtype));
  return found->second;
}

bool is_near(double a, double b, double tolerance) {
  return std::abs(a - b) <= tolerance * std::max({1e-300, std::abs(a), std::abs(b)});
}

// Does f(target, statistic, values) after one batch for each target with channels or none.
template <class F>
std::string with_stat(Subject& subject, const char* id, F&& f) {
  if (!provides(subject, id)) throw Skip{fmt::format("it does not provide \"{}\"", id)};
  for_each_target(subject, [&](const Target& target) {
    if (target.spec.granularity == DETENT_PER_GROUP) return;
    const std::vector<double> values = uneven_sample(subject);
    World world;
    ObserverUnderTest o(subject, world, target);
    o.observe(*Input(DETENT_F32, kShape, values));
    f(target, o.stat(id), values);
  });
  return {};
}

std::string all(Subject& subject) {
  bool any = false;
  for_each_target(subject, [&](const Target& target) {
    World world;
    ObserverUnderTest o(subject, world, target);
    o.observe(*Input(DETENT_F32, kShape, uneven_sample(subject)));
    for (const std::string& id : subject.provides()) {
      if (!id.starts_with("stat:")) continue;
      any = true;
      expect(o.has_stats(), "provides {} and has no compute_stat", id);
      expect(!o.stat(id).empty(), "compute_stat({}) made nothing", id);
    }
    if (!o.has_stats()) return;
    Sink sink;
    const std::int32_t status = world.call("compute_stat", [&](const detent_call* call) {
      return o.vtbl().compute_stat(o.handle(), call, "stat:org.detent.none/1", sink.c());
    });
    expect(status != DETENT_OK && is_status(status), "compute_stat of an unknown id returned {}",
           status_name(status));
    expect(!world.text().empty(), "compute_stat of an unknown id failed without a text");
  });
  if (!any) throw Skip{"it provides no statistic"};
  return {};
}

std::string minmax(Subject& subject) {
  return with_stat(
      subject, "stat:minmax/1",
      [](const Target& target, const Answers& stat, const std::vector<double>& values) {
        const std::vector<double> lo = tensor_of(stat, "min", DETENT_F64).values();
        const std::vector<double> hi = tensor_of(stat, "max", DETENT_F64).values();
        const std::vector<std::size_t> index = scale_index(target.spec, kShape);
        const std::size_t n = count_elements(scale_shape(target.spec, kShape));
        expect(lo.size() == n && hi.size() == n,
               "\"min\" and \"max\" have {} and {} entries, not {}", lo.size(), hi.size(), n);
        std::vector<double> least(n, std::numeric_limits<double>::infinity());
        std::vector<double> most(n, -std::numeric_limits<double>::infinity());
        for (std::size_t i = 0; i < values.size(); ++i) {
          least[index[i]] = std::min(least[index[i]], values[i]);
          most[index[i]] = std::max(most[index[i]], values[i]);
        }
        for (std::size_t c = 0; c < n; ++c)
          expect(is_near(lo[c], least[c], 1e-6) && is_near(hi[c], most[c], 1e-6),
                 "entry {} is {} to {}, the data are {} to {}", c, lo[c], hi[c], least[c], most[c]);
      });
}

std::string counts(Subject& subject) {
  if (!provides(subject, "stat:counts/1")) throw Skip{"it does not provide \"stat:counts/1\""};
  for_each_target(subject, [&](const Target& target) {
    std::vector<double> values = uneven_sample(subject);
    values[7] = std::nan("");
    values[200] = std::numeric_limits<double>::infinity();
    World world;
    ObserverUnderTest o(subject, world, target);
    if (o.try_observe(*Input(DETENT_F32, kShape, values)) != DETENT_OK) return;
    const Answers stat = o.stat("stat:counts/1");
    const auto at = [&](const char* name) {
      double sum = 0;
      for (const double v : tensor_of(stat, name, DETENT_I64).values()) sum += v;
      return sum;
    };
    expect(at("observed") == 298, "\"observed\" is {} of 298 finite values", at("observed"));
    expect(at("non_finite") == 2, "\"non_finite\" is {} of 2", at("non_finite"));
  });
  return {};
}

std::string second_moment(Subject& subject) {
  return with_stat(
      subject, "stat:second_moment/1",
      [](const Target& target, const Answers& stat, const std::vector<double>& values) {
        const std::vector<double> mean = tensor_of(stat, "mean_square", DETENT_F64).values();
        const std::vector<double> count = tensor_of(stat, "count", DETENT_I64).values();
        const std::vector<std::size_t> index = scale_index(target.spec, kShape);
        std::vector<double> sum(mean.size(), 0);
        std::vector<double> n(mean.size(), 0);
        for (std::size_t i = 0; i < values.size(); ++i) {
          expect(index[i] < mean.size(), "\"mean_square\" has {} entries", mean.size());
          sum[index[i]] += values[i] * values[i];
          n[index[i]] += 1;
        }
        for (std::size_t c = 0; c < mean.size(); ++c) {
          expect(count[c] == n[c], "\"count\" of channel {} is {}, not {}", c, count[c], n[c]);
          expect(is_near(mean[c], sum[c] / n[c], 1e-6),
                 "the mean square of channel {} is {}, not {}", c, mean[c], sum[c] / n[c]);
        }
      });
}

std::string histogram(Subject& subject) {
  return with_stat(subject, "stat:histogram/1",
                   [](const Target&, const Answers& stat, const std::vector<double>& values) {
                     double counted = 0;
                     for (const double n : tensor_of(stat, "counts", DETENT_U64).values())
                       counted += n;
                     expect(counted == static_cast<double>(values.size()),
                            "the bins hold {} of {} values", counted, values.size());
                     for (const double w : tensor_of(stat, "width", DETENT_F64).values())
                       expect(std::isfinite(w) && w > 0, "a bin is {} wide", w);
                     for (const double o : tensor_of(stat, "origin", DETENT_F64).values())
                       expect(std::isfinite(o), "a histogram begins at {}", o);
                   });
}

std::string weighted(Subject& subject) {
  const auto& vtbl = subject.vtbl<detent_observer_vtbl>();
  if (!DETENT_HAS(&vtbl, detent_observer_vtbl, observe_weighted))
    throw Skip{"it has no observe_weighted"};
  for_each_target(subject, [&](const Target& target) {
    const std::vector<double> values = uneven_sample(subject);
    const Input x(DETENT_F32, kShape, values);
    for (const double importance : {1.0, 0.0, 1e30}) {
      World world;
      ObserverUnderTest o(subject, world, target);
      const Input weights = Input::broadcast(DETENT_F64, kShape, importance);
      const std::int32_t status = world.call("observe_weighted", [&](const detent_call* call) {
        return vtbl.observe_weighted(o.handle(), call, x.c(), weights.c());
      });
      if (status == DETENT_E_UNSUPPORTED && !world.text().empty()) return;
      expect(status == DETENT_OK, "observe_weighted with {} everywhere returned {}: {}", importance,
             status_name(status), printable(world.text()));
      const Answers q = o.qparams();
      if (!q.contains("scale")) return;
      for (const double s : q.at("scale").values())
        expect(std::isfinite(s) && s > 0, "with an importance of {} everywhere a scale is {}",
               importance, s);
    }
  });
  return {};
}

constexpr std::array<Case, 6> kCases = {{
    {"observer.statistics", kObserver,
     "What `provides` lists as \"stat:...\" can be computed; other ids are refused with a text "
     "(abi/observer.h, compute_stat).",
     "list in `provides` what compute_stat makes", &all},
    {"observer.stat_minmax", kObserver,
     "\"stat:minmax/1\" is the data's own (abi/observer.h, Stats).",
     "\"min\" and \"max\" are those of all finite values seen, whatever range is chosen", &minmax},
    {"observer.stat_counts", kObserver,
     "\"stat:counts/1\" counts finite values and others (abi/observer.h, Stats).",
     "count every element once, NaN and infinities apart", &counts},
    {"observer.stat_second_moment", kObserver,
     "\"stat:second_moment/1\" is the mean of x^2 of each channel (abi/observer.h, Stats).",
     "divide the sum of squares by the number of finite values", &second_moment},
    {"observer.stat_histogram", kObserver,
     "The bins of \"stat:histogram/1\" hold every value (abi/observer.h, Stats).",
     "the largest value belongs to the last bin", &histogram},
    {"observer.weighted", kObserver,
     "Any finite importance gives a usable scale (abi/observer.h, observe_weighted).",
     "an importance may be 0 everywhere: fall back to observe", &weighted},
}};

}  // namespace

std::span<const Case> observer_stat_cases() { return kCases; }

}  // namespace detent::conformance
