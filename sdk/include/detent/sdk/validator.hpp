// SPDX-License-Identifier: Apache-2.0
// Validator: derive, implement, and name the class in DETENT_LIBRARY.
#pragma once
#include <limits>

#include "exchange.hpp"
#include "plugin_info.hpp"

namespace detent {
namespace sdk DETENT_HIDDEN {

struct Finding {
  const char* metric;
  double value;
  int32_t severity = DETENT_FINDING_INFO;
  std::string message = {};
  double threshold = std::numeric_limits<double>::quiet_NaN();
};

class Findings {
 public:
  Findings(const detent_finding_sink* sink, const char* target) noexcept
      : sink_(sink), target_(target) {}
  Status report(const Finding& f) const noexcept {
    const detent_finding finding{
        sizeof(detent_finding), target_, f.metric, f.value, f.threshold, f.severity, 0,
        f.message.c_str()};
    return Status(sink_->report(sink_, &finding));
  }

 private:
  const detent_finding_sink* sink_;
  const char* target_;
};

// The contract of each method is in abi/validator.h.
class Validator : public PluginInfo {
 public:
  virtual ~Validator() = default;
  virtual Status check(const detent_check_input& input, const Findings& out, const Call& call) = 0;
  virtual Status check_output(const detent_output_input& input, const Findings& out) {
    (void)input, (void)out;
    return {};
  }
  virtual Status finish(const detent_run_summary& summary, const Findings& out) {
    (void)summary, (void)out;
    return {};
  }
};

namespace detail {
template <class T>
struct ValidatorThunks {
  static T* self(detent_validator* v) noexcept { return reinterpret_cast<T*>(v); }

  static int32_t DETENT_CALL create(const detent_host*, const detent_call* c,
                                    const detent_config* config, detent_validator** out) noexcept {
    return detail::create<T>(c, config, out);
  }
  static void DETENT_CALL destroy(detent_validator* v) noexcept { delete self(v); }
  static int32_t DETENT_CALL check(detent_validator* v, const detent_call* c,
                                   const detent_check_input* in,
                                   const detent_finding_sink* s) noexcept {
    DETENT_TRY { return detail::finish(c, self(v)->check(*in, Findings(s, in->target), Call(c))); }
    DETENT_CATCH_ALL(c)
  }
  static int32_t DETENT_CALL check_output(detent_validator* v, const detent_call* c,
                                          const detent_output_input* in,
                                          const detent_finding_sink* s) noexcept {
    DETENT_TRY { return detail::finish(c, self(v)->check_output(*in, Findings(s, ""))); }
    DETENT_CATCH_ALL(c)
  }
  static int32_t DETENT_CALL finish(detent_validator* v, const detent_call* c,
                                    const detent_run_summary* summary,
                                    const detent_finding_sink* s) noexcept {
    DETENT_TRY { return detail::finish(c, self(v)->finish(*summary, Findings(s, ""))); }
    DETENT_CATCH_ALL(c)
  }

  static constexpr uint32_t kind = DETENT_KIND_VALIDATOR;
  static constexpr detent_validator_vtbl vtbl{
      sizeof(detent_validator_vtbl), &create, &destroy, &check, &finish, nullptr, &check_output};
};
template <class T>
struct thunks_of<T, std::enable_if_t<std::is_base_of_v<Validator, T>>> {
  using type = ValidatorThunks<T>;
};
}  // namespace detail

}  // namespace DETENT_HIDDEN
}  // namespace detent
