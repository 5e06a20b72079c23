// SPDX-License-Identifier: Apache-2.0
// A host as small as the ABI allows: loads one plugin library and lends calls, parameters, sinks,
// sources and streams. For tests of plugins; the framework's own host is not involved.
#pragma once
#include <cstdint>
#include <detent/abi.h>
#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "support/tensor.hpp"

namespace detent::test {

enum class Order { forward, reversed, threads, two_threads };

// Keeps what `fail` said. parallel_for runs in the given order, or on four threads, or on two.
class Call {
 public:
  explicit Call(Order order = Order::forward);
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;
  ~Call();

  const detent_call* raw() const { return &raw_; }
  const std::string& error() const { return error_; }
  void cancel() { cancelled_ = true; }

 private:
  static Call& self(const detent_call* call) { return *static_cast<Call*>(call->ctx); }
  static void* scratch(const detent_call* call, std::uint64_t size, std::uint64_t align);
  static void parallel_for(const detent_call* call, std::uint64_t n,
                           void (*fn)(void*, std::uint64_t), void* arg);

  Order order_;
  bool cancelled_ = false;
  std::string error_;
  std::vector<std::pair<void*, std::uint64_t>> scratch_;
  detent_call raw_{};
};

// {{"/bins", 256}, {"/method", "kl"}}: the keys are JSON Pointers.
class Params {
 public:
  using Value = std::variant<bool, std::int64_t, double, std::string>;
  struct Entry {
    Entry(const char* at, bool v) : pointer(at), value(v) {}
    Entry(const char* at, int v) : pointer(at), value(std::int64_t{v}) {}
    Entry(const char* at, double v) : pointer(at), value(v) {}
    Entry(const char* at, const char* v) : pointer(at), value(std::string(v)) {}
    std::string pointer;
    Value value;
  };
  Params(std::initializer_list<Entry> entries = {});
  Params(const Params& other) : Params() { values_ = other.values_; }
  Params& operator=(const Params& other) {
    values_ = other.values_;
    return *this;
  }
  void set(const Entry& entry) { values_[entry.pointer] = entry.value; }
  const detent_params* raw() const { return &raw_; }

 private:
  const Value* find(const char* pointer) const;
  template <class T, class Out>
  static std::int32_t get(const detent_params* params, const char* pointer, Out* out);
  static std::int32_t get_f64(const detent_params* params, const char* pointer, double* out);
  static std::int32_t get_str(const detent_params* params, const char* pointer, const char** out,
                              std::uint64_t* length);

  std::map<std::string, Value> values_;
  detent_params raw_{};
};

// A sink that can be read back, as a source or by name.
class Results {
 public:
  Results();
  Results(Results&& other) noexcept;
  Results& operator=(Results&& other) noexcept;
  const detent_tensor_sink* sink() const { return &sink_; }
  const detent_tensor_source* source() const { return &source_; }

  void put(const std::string& name, Tensor tensor);
  bool has(const std::string& name) const { return tensors_.count(name) != 0; }
  const Tensor& tensor(const std::string& name) const;  // throws std::out_of_range
  template <class T>
  std::vector<T> values(const std::string& name) const {
    return tensor(name).values<T>();
  }
  std::map<std::string, std::string> meta;

 private:
  struct Held {
    Tensor tensor;
    detent_tensor view;
  };
  static std::int32_t create(const detent_tensor_sink* sink, const detent_tensor_spec* spec,
                             detent_tensor* out);

  std::map<std::string, std::unique_ptr<Held>> tensors_;
  detent_tensor_sink sink_{};
  detent_tensor_source source_{};
};

// The library <name>.detent.so among the built plugins, or any path. Never unloaded.
class Library {
 public:
  static Library built_in(const std::string& name);
  explicit Library(const std::string& path);
  const detent_plugin& plugin(const std::string& id) const;  // throws std::runtime_error

 private:
  const detent_library* library_;
};

// The target of a quantization; int8 codes, asymmetric, per tensor, unless changed.
detent_qspec qspec(std::int64_t qmin = -128, std::int64_t qmax = 127, bool symmetric = false);
detent_qspec per_channel(detent_qspec spec, std::int32_t axis);
detent_qspec per_group(detent_qspec spec, std::int64_t group_size);

detent_config config_of(const Params& params, const detent_qspec* spec,
                        std::uint32_t role = DETENT_ROLE_NONE);
const detent_host* host();

// An observer instance. Functions that return int32_t return the status; error() is its text. The
// others throw std::runtime_error with that text.
class Observer {
 public:
  Observer(const detent_plugin& plugin, const Params& params, const detent_qspec& spec,
           Order order = Order::forward, std::uint32_t role = DETENT_ROLE_NONE);
  Observer(Observer&& other) noexcept;
  Observer(const Observer&) = delete;
  Observer& operator=(const Observer&) = delete;
  ~Observer();

  std::int32_t try_observe(const detent_tensor& x);
  void observe(const Tensor& x);
  bool takes_importance() const;
  std::int32_t try_observe_weighted(const detent_tensor& x, const detent_tensor& importance);
  void observe_weighted(const Tensor& x, const Tensor& importance);
  void reset();
  bool can_merge() const;
  std::int32_t try_merge(const Observer& other);
  void merge(const Observer& other);
  std::string save() const;
  std::int32_t try_load(const std::string& bytes);
  void load(const std::string& bytes);
  std::int32_t try_qparams(const detent_qspec& spec, Results& out) const;
  Results qparams() const;  // of the target it was made for
  std::int32_t try_stat(const char* id, Results& out) const;
  Results stat(const char* id) const;
  const std::string& error() const { return error_; }

 private:
  std::int32_t note(const Call& call, std::int32_t status) const;
  void must(std::int32_t status) const;

  const detent_observer_vtbl* vtbl_;
  detent_observer* self_ = nullptr;
  detent_qspec spec_;
  Order order_;
  mutable std::string error_;
};

}  // namespace detent::test
