// SPDX-License-Identifier: Apache-2.0
// Observer: derive, implement, and name the class in DETENT_LIBRARY.
#pragma once
#include "exchange.hpp"
#include "plugin_info.hpp"

namespace detent {
namespace sdk DETENT_HIDDEN {

// The contract of each method is in abi/observer.h. A class that can merge also has
//   Status merge(const Self& other);
// and, when any order and grouping gives the same bytes, DETENT_PLUGIN_MERGE_EXACT in its flags.
// A class whose errors can count differently (its requirements list "stat:second_moment/1") has
//   Status observe_weighted(const TensorView& x, const TensorView& importance, const Call& call);
class Observer : public PluginInfo {
 public:
  virtual ~Observer() = default;
  virtual Status observe(const TensorView& x, const Call& call) = 0;
  virtual Status reset() = 0;
  virtual Status save(Writer& out) const = 0;
  virtual Status load(Reader& in) = 0;
  virtual Status qparams(const detent_qspec& target, const Sink& out, const Call& call) const = 0;
  virtual Status stat(std::string_view id, const Sink& out) const {
    (void)out;
    return {DETENT_E_NOT_FOUND, "no statistic \"" + std::string(id) + "\""};
  }
};

namespace detail {
template <class T, class = void>
struct can_merge : std::false_type {};
template <class T>
struct can_merge<T, std::void_t<decltype(std::declval<T&>().merge(std::declval<const T&>()))>>
    : std::true_type {};

template <class T, class = void>
struct takes_importance : std::false_type {};
template <class T>
struct takes_importance<T, std::void_t<decltype(std::declval<T&>().observe_weighted(
                               std::declval<const TensorView&>(), std::declval<const TensorView&>(),
                               std::declval<const Call&>()))>> : std::true_type {};

// Whether `provides` lists a statistic ("stat:..."); compute_stat is NULL otherwise.
template <class T>
constexpr bool has_stat() noexcept {
  for (const char* const* p = T::provides; *p != nullptr; ++p)
    if (std::string_view(*p).substr(0, 5) == "stat:") return true;
  return false;
}

template <class T>
struct ObserverThunks {
  static T* self(detent_observer* o) noexcept { return reinterpret_cast<T*>(o); }
  static const T* self(const detent_observer* o) noexcept { return reinterpret_cast<const T*>(o); }

  static int32_t DETENT_CALL create(const detent_host*, const detent_call* c,
                                    const detent_config* config, detent_observer** out) noexcept {
    return detail::create<T>(c, config, out);
  }
  static void DETENT_CALL destroy(detent_observer* o) noexcept { delete self(o); }
  static int32_t DETENT_CALL observe(detent_observer* o, const detent_call* c,
                                     const detent_tensor* x) noexcept {
    DETENT_TRY { return finish(c, self(o)->observe(TensorView(*x), Call(c))); }
    DETENT_CATCH_ALL(c)
  }
  static int32_t DETENT_CALL reset(detent_observer* o, const detent_call* c) noexcept {
    DETENT_TRY { return finish(c, self(o)->reset()); }
    DETENT_CATCH_ALL(c)
  }
  static int32_t DETENT_CALL merge(detent_observer* o, const detent_call* c,
                                   const detent_observer* other) noexcept {
    if constexpr (can_merge<T>::value) {
      DETENT_TRY { return finish(c, self(o)->merge(*self(other))); }
      DETENT_CATCH_ALL(c)
    } else {
      (void)o, (void)other;
      return fail(c, DETENT_E_UNSUPPORTED,
                  "this observer cannot be merged: its result is defined by the order of batches");
    }
  }
  static int32_t DETENT_CALL save(const detent_observer* o, const detent_call* c,
                                  const detent_ostream* s) noexcept {
    DETENT_TRY {
      Writer out(s);
      Status status = self(o)->save(out);
      if (status.ok() && !out.ok()) status = {DETENT_E_IO, "the state could not be written"};
      return finish(c, status);
    }
    DETENT_CATCH_ALL(c)
  }
  static int32_t DETENT_CALL load(detent_observer* o, const detent_call* c,
                                  const detent_istream* s) noexcept {
    DETENT_TRY {
      Reader in(s);
      Status status = self(o)->load(in);
      if (status.ok() && !in.at_end()) status = {DETENT_E_BAD_STATE, "trailing or missing bytes"};
      if (in.failed()) status = {DETENT_E_IO, "the state could not be read"};
      if (!status.ok()) (void)self(o)->reset();
      return finish(c, status);
    }
    DETENT_CATCH_ALL(c)
  }
  static int32_t DETENT_CALL qparams(const detent_observer* o, const detent_call* c,
                                     const detent_qspec* q, const detent_tensor_sink* s) noexcept {
    DETENT_TRY { return finish(c, self(o)->qparams(*q, Sink(s), Call(c))); }
    DETENT_CATCH_ALL(c)
  }
  static int32_t DETENT_CALL stat(const detent_observer* o, const detent_call* c, const char* id,
                                  const detent_tensor_sink* s) noexcept {
    DETENT_TRY { return finish(c, self(o)->stat(id, Sink(s))); }
    DETENT_CATCH_ALL(c)
  }

  static int32_t DETENT_CALL observe_weighted(detent_observer* o, const detent_call* c,
                                              const detent_tensor* x,
                                              const detent_tensor* importance) noexcept {
    if constexpr (takes_importance<T>::value) {
      DETENT_TRY {
        return finish(c,
                      self(o)->observe_weighted(TensorView(*x), TensorView(*importance), Call(c)));
      }
      DETENT_CATCH_ALL(c)
    } else {
      (void)o, (void)x, (void)importance;
      return fail(c, DETENT_E_UNSUPPORTED, "this observer takes no importance");
    }
  }

  static constexpr uint32_t kind = DETENT_KIND_OBSERVER;
  static constexpr detent_observer_vtbl vtbl{
      sizeof(detent_observer_vtbl),
      &create,
      &destroy,
      &observe,
      &reset,
      can_merge<T>::value ? &merge : nullptr,
      &save,
      &load,
      &qparams,
      has_stat<T>() ? &stat : nullptr,
      nullptr,
      takes_importance<T>::value ? &observe_weighted : nullptr};
};
template <class T>
struct thunks_of<T, std::enable_if_t<std::is_base_of_v<Observer, T>>> {
  using type = ObserverThunks<T>;
};
}  // namespace detail

}  // namespace DETENT_HIDDEN
}  // namespace detent
