// SPDX-License-Identifier: Apache-2.0
#include "artifact/compare.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_set>

#include "base/dtype.hpp"
#include "quantize/measure.hpp"
#include <detent/sdk/tensor_view.hpp>

namespace detent {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

std::vector<float> to_floats(const HostTensor& tensor) {
  std::vector<float> values;
  values.reserve(tensor.numel());
  sdk::TensorView(tensor.view()).for_each(-1, [&](auto v, std::int64_t) {
    values.push_back(static_cast<float>(v));
  });
  return values;
}

class Comparer {
 public:
  Comparer(const Artifact& before, const Artifact& after, const Registry& registry,
           ThreadPool& pool)
      : before_(before), after_(after), registry_(registry), pool_(pool) {}

  Comparison run() {
    result_.bytes_before = before_.model().tensor_bytes();
    result_.bytes_after = after_.model().tensor_bytes();
    std::unordered_set<std::string> seen;
    for (const TensorInfo& t : before_.model().tensors()) {
      compare(t);
      seen.insert(t.name);
    }
    for (const TensorInfo* t : after_.kept())
      if (!seen.contains(t->name)) result_.only_after.push_back(t->name);
    sum_up();
    return std::move(result_);
  }

 private:
  void compare(const TensorInfo& info) {
    TensorComparison c{info.name, kNaN, kNaN, kNaN, kNaN, info.nbytes, 0};
    const TensorRecord* record = after_.record(info.name);
    const TensorInfo* other = after_.model().find(info.name);
    if (record == nullptr && other == nullptr) {
      result_.only_before.push_back(info.name);
      return;
    }
    const auto original = read_tensor(before_.model(), info);
    if (record != nullptr) {
      for (const std::string& name : record->stored_names())
        c.bytes_after += after_.model().find(name)->nbytes;
      if (record->shape == info.shape && is_float(info.dtype)) {
        const auto back = dequantize(after_, *record, registry_, pool_);
        measure(c, *original,
                {reinterpret_cast<const float*>(back->bytes().data()), back->numel()});
      }
    } else {
      c.bytes_after = other->nbytes;
      compare_plain(c, *original, *read_tensor(after_.model(), *other));
    }
    result_.tensors.push_back(c);
  }

  void compare_plain(TensorComparison& c, const HostTensor& a, const HostTensor& b) {
    const bool equal = a.dtype() == b.dtype() && a.shape() == b.shape() &&
                       std::ranges::equal(a.bytes(), b.bytes());
    if (equal) {
      c.sqnr_db = kInfinity;
      c.max_abs_error = c.mse = 0;
      c.cosine = 1;
    } else if (a.shape() == b.shape() && is_float(a.dtype()) && is_float(b.dtype())) {
      measure(c, a, to_floats(b));
    }
  }

  void measure(TensorComparison& c, const HostTensor& original, std::span<const float> values) {
    const QuantizationError error =
        measure_error(original.dtype(), original.bytes(), values, pool_);
    c.sqnr_db = error.sqnr_db();
    c.max_abs_error = error.max_abs_error;
    c.mse = error.mse();
    c.cosine = error.cosine();
  }

  void sum_up() {
    std::stable_sort(result_.tensors.begin(), result_.tensors.end(),
                     [](const auto& a, const auto& b) {
                       const auto rank = [](double db) { return std::isnan(db) ? -kInfinity : db; };
                       return rank(a.sqnr_db) < rank(b.sqnr_db);
                     });
    SqnrSummary sqnr;
    for (const TensorComparison& t : result_.tensors)
      if (!std::isnan(t.sqnr_db)) sqnr.add(t.sqnr_db);
    result_.sqnr_db_mean = sqnr.mean();
    result_.sqnr_db_min = sqnr.lowest();
  }

  const Artifact& before_;
  const Artifact& after_;
  const Registry& registry_;
  ThreadPool& pool_;
  Comparison result_;
};

}  // namespace

double Comparison::ratio() const {
  return bytes_after == 0 ? 1.0
                          : static_cast<double>(bytes_before) / static_cast<double>(bytes_after);
}

Comparison compare_models(const Artifact& before, const Artifact& after, const Registry& registry,
                          ThreadPool& pool) {
  return Comparer(before, after, registry, pool).run();
}

std::unique_ptr<HostTensor> dequantize(const Artifact& artifact, const TensorRecord& record,
                                       const Registry& registry, ThreadPool& pool) {
  TensorStore stored;
  artifact.load(record, stored);
  auto values = std::make_unique<HostTensor>(record.name, DETENT_F32, record.shape);
  dequantize(record, stored, registry, pool, *values);
  return values;
}

}  // namespace detent
