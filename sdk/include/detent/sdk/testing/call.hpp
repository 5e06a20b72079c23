// SPDX-License-Identifier: Apache-2.0
// testing::Call, Host and Params: what a host lends for one call and for good, and the parameters
// of create.
#pragma once
#include <initializer_list>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "../error.hpp"

namespace detent {
namespace sdk DETENT_HIDDEN {
namespace testing {

// Keeps the text of the last failure. parallel_for runs in one thread, backwards when asked: a
// plugin's answer must not depend on the order (R6).
class Call {
 public:
  Call() {
    call_.struct_size = sizeof call_;
    call_.ctx = this;
    call_.fail = [](const detent_call* c, int32_t status, const char* text, uint64_t n) {
      self(c).code = status;
      self(c).message.assign(text, n);
    };
    call_.cancelled = [](const detent_call* c) -> int32_t { return self(c).cancel ? 1 : 0; };
    call_.progress = [](const detent_call*, uint64_t, uint64_t) {};
    call_.scratch = [](const detent_call* c, uint64_t size, uint64_t align) -> void* {
      size_t room = static_cast<size_t>(size + align);
      self(c).scratch_.push_back(std::make_unique<char[]>(room));
      void* p = self(c).scratch_.back().get();
      return std::align(static_cast<size_t>(align), static_cast<size_t>(size), p, room);
    };
    call_.parallel_for = [](const detent_call* c, uint64_t n, void (*fn)(void*, uint64_t),
                            void* arg) {
      for (uint64_t i = 0; i < n; ++i) fn(arg, self(c).backwards ? n - 1 - i : i);
    };
  }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;
  operator const detent_call*() const noexcept { return &call_; }

  int32_t code = DETENT_OK;
  std::string message;
  bool cancel = false;
  bool backwards = false;

 private:
  static Call& self(const detent_call* c) { return *static_cast<Call*>(c->ctx); }
  detent_call call_{};
  std::vector<std::unique_ptr<char[]>> scratch_;
};

// The services of a host that logs nothing and has no memory budget.
class Host {
 public:
  Host() {
    host_ = {sizeof host_, DETENT_ABI_MAJOR, DETENT_ABI_MINOR, "detent-testing", "0", nullptr,
             &log,         &alloc,           &release,         &extension};
  }
  operator const detent_host*() const noexcept { return &host_; }

 private:
  static void log(const detent_host*, int32_t, const char*, uint64_t) {}
  static void* alloc(const detent_host*, uint64_t size, uint64_t align) {
    return ::operator new (size, std::align_val_t{align}, std::nothrow);
  }
  static void release(const detent_host*, void* p, uint64_t, uint64_t align) {
    ::operator delete (p, std::align_val_t{align});
  }
  static const void* extension(const detent_host*, const char*) { return nullptr; }
  detent_host host_{};
};

// Params p{{"/bins", 2048}, {"/method", "kl"}}: JSON Pointers of the top level and plain values.
// As a host does, get_f64 takes an integer too.
class Params {
 public:
  struct Value : std::variant<bool, int64_t, double, std::string> {
    using variant::variant;
    Value(int v) : variant(int64_t{v}) {}
    Value(const char* v) : variant(std::string(v)) {}
  };
  using List = std::vector<std::pair<std::string, Value>>;

  Params() : Params(List()) {}
  Params(std::initializer_list<List::value_type> values) : Params(List(values)) {}
  explicit Params(List values) : values_(std::move(values)), json_(to_json(values_)) {
    params_.struct_size = sizeof params_;
    params_.ctx = this;
    params_.get_i64 = [](const detent_params* p, const char* at, int64_t* out) {
      return get<int64_t>(p, at, [&](const int64_t& v) { *out = v; });
    };
    params_.get_f64 = [](const detent_params* p, const char* at, double* out) {
      const int32_t status = get<double>(p, at, [&](const double& v) { *out = v; });
      if (status != DETENT_E_PARAMS) return status;
      return get<int64_t>(p, at, [&](const int64_t& v) { *out = static_cast<double>(v); });
    };
    params_.get_bool = [](const detent_params* p, const char* at, uint32_t* out) {
      return get<bool>(p, at, [&](const bool& v) { *out = v ? 1 : 0; });
    };
    params_.get_str = [](const detent_params* p, const char* at, const char** out, uint64_t* n) {
      return get<std::string>(p, at,
                              [&](const std::string& v) { *out = v.c_str(), *n = v.size(); });
    };
    params_.array_size = [](const detent_params* p, const char* at, uint64_t*) -> int32_t {
      return self(p).find(at) != nullptr ? DETENT_E_PARAMS : DETENT_E_NOT_FOUND;
    };
  }
  Params(const Params&) = delete;
  Params& operator=(const Params&) = delete;

  // Valid while this lives. target: name of the tensor; qspec: for observers.
  detent_config config(const char* target = "", const detent_qspec* qspec = nullptr,
                       uint32_t role = DETENT_ROLE_NONE) const noexcept {
    return {sizeof(detent_config), &params_, json_.c_str(), json_.size(), target, qspec, role, 0};
  }

 private:
  static const Params& self(const detent_params* p) { return *static_cast<const Params*>(p->ctx); }
  const Value* find(const char* at) const {
    for (const auto& [key, value] : values_)
      if (key == at) return &value;
    return nullptr;
  }
  template <class T, class F>
  static int32_t get(const detent_params* p, const char* at, F&& store) {
    const Value* value = self(p).find(at);
    if (value == nullptr) return DETENT_E_NOT_FOUND;
    const T* typed = std::get_if<T>(value);
    if (typed == nullptr) return DETENT_E_PARAMS;
    store(*typed);
    return DETENT_OK;
  }
  static std::string to_json(const List& values) {
    std::string text = "{";
    for (const auto& [at, value] : values) {
      text += (text.size() > 1 ? ",\"" : "\"") + at.substr(1) + "\":";
      if (const bool* b = std::get_if<bool>(&value)) text += *b ? "true" : "false";
      if (const int64_t* i = std::get_if<int64_t>(&value)) text += std::to_string(*i);
      if (const double* d = std::get_if<double>(&value)) text += std::to_string(*d);
      if (const std::string* s = std::get_if<std::string>(&value)) text += '"' + *s + '"';
    }
    return text + "}";
  }

  List values_;
  std::string json_;
  detent_params params_{};
};

}  // namespace testing
}  // namespace DETENT_HIDDEN
}  // namespace detent
