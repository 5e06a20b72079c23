// SPDX-License-Identifier: Apache-2.0
// Plugins that misbehave on request, compiled into the test itself.
#pragma once
#include <detent/sdk.hpp>
#include <detent/sdk/testing.hpp>

namespace sdk_tests {

namespace sdk = detent::sdk;
namespace testing = detent::sdk::testing;

// The target of most tests: int8 per tensor.
inline detent_qspec target() {
  detent_qspec q{};
  q.struct_size = sizeof q;
  q.qdtype = DETENT_I8;
  q.scale_dtype = DETENT_F32;
  q.zero_dtype = DETENT_I8;
  q.symmetric = 1;
  q.qmin = -127;
  q.qmax = 127;
  q.scheme = "detent.affine/1";
  return q;
}

// Counts elements. observe throws what the parameter "throws" says.
class Counter final : public sdk::Observer {
 public:
  static constexpr const char* id = "test.counter";
  static constexpr const char* version = "1";
  static constexpr const char* name = "Counter";
  static constexpr const char* description = "Counts elements";
  static constexpr const char* provides[] = {"auto:count", "stat:count/1", nullptr};

  explicit Counter(const sdk::Config& config) : throws_(config.params.get("/throws", "")) {
    if (throws_ == "create") throw sdk::Error(DETENT_E_PARAMS, "refused\nuse another");
  }
  sdk::Status observe(const sdk::TensorView& x, const sdk::Call&) override {
    if (throws_ == "error") throw sdk::Error(DETENT_E_NUMERIC, "NaN");
    if (throws_ == "memory") throw std::bad_alloc();
    if (throws_ == "exception") throw std::runtime_error("unexpected");
    if (throws_ == "other") throw 42;
    if (throws_ == "status") return {DETENT_E_UNSUPPORTED, "no such dtype"};
    count_ += static_cast<uint64_t>(x.numel());
    return {};
  }
  sdk::Status reset() override { return count_ = 0, sdk::Status(); }
  sdk::Status save(sdk::Writer& out) const override { return out.pod(count_), sdk::Status(); }
  sdk::Status load(sdk::Reader& in) override {
    return in.pod(count_) ? sdk::Status() : sdk::Status(DETENT_E_BAD_STATE, "too short");
  }
  sdk::Status qparams(const detent_qspec&, const sdk::Sink&, const sdk::Call&) const override {
    return {DETENT_E_NOT_READY};
  }
  sdk::Status stat(std::string_view stat_id, const sdk::Sink& out) const override {
    if (stat_id != "stat:count/1") return Observer::stat(stat_id, out);
    *out.create<uint64_t>("count", {}) = count_;
    return {};
  }
  sdk::Status merge(const Counter& other) { return count_ += other.count_, sdk::Status(); }

 private:
  std::string throws_;
  uint64_t count_ = 0;
};

// The least that an observer can be: no merge, no statistic.
class Least final : public sdk::Observer {
 public:
  static constexpr const char* id = "test.least";
  static constexpr const char* version = "1";
  static constexpr const char* name = "Least";
  static constexpr const char* description = "";
  explicit Least(const sdk::Config&) {}
  sdk::Status observe(const sdk::TensorView&, const sdk::Call&) override { return {}; }
  sdk::Status reset() override { return {}; }
  sdk::Status save(sdk::Writer&) const override { return {}; }
  sdk::Status load(sdk::Reader&) override { return {}; }
  sdk::Status qparams(const detent_qspec&, const sdk::Sink&, const sdk::Call&) const override {
    return {};
  }
};

}  // namespace sdk_tests
