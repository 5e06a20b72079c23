// SPDX-License-Identifier: Apache-2.0
#include "plugin/params.hpp"

namespace detent {
namespace {

// Finds the value and lets `read` take it out. `read` returns false for another type.
template <class Read>
std::int32_t get(const detent_params* params, const char* pointer, Read read) noexcept {
  if (pointer == nullptr) return DETENT_E_INVALID_ARG;
  try {
    const json::Value* value = static_cast<const json::Value*>(params->ctx)->at_pointer(pointer);
    if (value == nullptr) return DETENT_E_NOT_FOUND;
    return read(*value) ? DETENT_OK : DETENT_E_PARAMS;
  } catch (...) {
    return DETENT_E_NO_MEMORY;
  }
}

std::int32_t DETENT_CALL get_i64(const detent_params* p, const char* at,
                                 std::int64_t* out) noexcept {
  return get(p, at, [out](const json::Value& v) { return v.to_int(out); });
}

std::int32_t DETENT_CALL get_f64(const detent_params* p, const char* at, double* out) noexcept {
  return get(p, at, [out](const json::Value& v) { return v.to_double(out); });
}

std::int32_t DETENT_CALL get_bool(const detent_params* p, const char* at,
                                  std::uint32_t* out) noexcept {
  return get(p, at, [out](const json::Value& v) {
    const bool* b = v.if_bool();
    if (b != nullptr) *out = *b ? 1 : 0;
    return b != nullptr;
  });
}

std::int32_t DETENT_CALL get_str(const detent_params* p, const char* at, const char** out,
                                 std::uint64_t* length) noexcept {
  return get(p, at, [out, length](const json::Value& v) {
    const std::string* s = v.if_string();
    if (s == nullptr) return false;
    *out = s->c_str();
    *length = s->size();
    return true;
  });
}

std::int32_t DETENT_CALL array_size(const detent_params* p, const char* at,
                                    std::uint64_t* out) noexcept {
  return get(p, at, [out](const json::Value& v) {
    const json::Array* array = v.if_array();
    if (array != nullptr) *out = array->size();
    return array != nullptr;
  });
}

}  // namespace

Params::Params(const json::Object& params) : value_(params), text_(json::dump(value_)) {
  params_ = {sizeof params_, &value_, get_i64, get_f64, get_bool, get_str, array_size};
}

}  // namespace detent
