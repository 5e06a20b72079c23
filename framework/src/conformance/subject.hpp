// SPDX-License-Identifier: Apache-2.0
// Subject: the library, and one plugin of it, that a case puts to the test.
#pragma once
#include <cstdint>
#include <detent/abi.h>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "conformance/case.hpp"
#include "conformance/world.hpp"
#include "json/value.hpp"
#include "plugin/params.hpp"

namespace detent::conformance {

// Random numbers that are the same everywhere.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t bits();
  std::uint64_t below(std::uint64_t n) { return bits() % n; }
  double uniform();  // in [0, 1)
  // Bell-shaped around 0 with deviation 1, multiples of 1/64: exact in every floating-point dtype
  // but bf16.
  double bell();
  std::vector<double> bells(std::size_t n, double scale = 1, double shift = 0);

 private:
  std::uint64_t state_;
};

// Lives in the child process of one case: loads the library when it is first asked for.
class Subject {
 public:
  Subject(std::filesystem::path path, std::uint64_t seed, json::Object params)
      : path_(std::move(path)), seed_(seed), params_(std::move(params)) {}

  const std::filesystem::path& path() const { return path_; }
  std::uint64_t seed() const { return seed_; }
  Random random() const { return Random(seed_); }

  void* handle();  // of dlopen. Errors: Failure
  detent_entry_fn entry();
  const detent_library& library();  // after the handshake
  void choose(std::uint64_t index) { index_ = index; }
  const detent_plugin& plugin();
  unsigned kind();
  bool promises(std::uint64_t flag) { return (plugin().flags & flag) != 0; }
  std::vector<std::string> provides();
  std::vector<std::string> requirements();
  // The library's init was called, with a host that obliges.
  void start();
  template <class Vtbl>
  const Vtbl& vtbl() {
    start();
    return *static_cast<const Vtbl*>(plugin().vtbl);
  }

  const json::Value& schema();
  // What --params said and the schema's defaults; required parameters without one get a legal
  // value.
  json::Object params(std::uint32_t role);

 private:
  std::filesystem::path path_;
  std::uint64_t seed_;
  json::Object params_;
  void* handle_ = nullptr;
  const detent_library* library_ = nullptr;
  std::uint64_t index_ = 0;
  std::optional<json::Value> schema_;
  std::unique_ptr<World> world_;
};

// A detent_config that owns what it points to.
class Configuration {
 public:
  Configuration(const json::Object& params, std::uint32_t role, const detent_qspec* target,
                Minor minor = Minor::same);
  Configuration(const Configuration&) = delete;
  const detent_config* c() const { return config_->c(); }
  void set_params(const detent_params* hostile) { config_->c()->params = hostile; }

 private:
  Params params_;
  std::optional<Lent<detent_qspec>> target_;
  std::optional<Lent<detent_config>> config_;
};

// A value that the schema of one parameter declares legal.
json::Value legal_value(const json::Value& schema);

}  // namespace detent::conformance
