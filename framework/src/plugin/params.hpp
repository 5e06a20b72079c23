// SPDX-License-Identifier: Apache-2.0
// Params: the parameters of an instance as a detent_params and as text.
#pragma once
#include <detent/abi.h>
#include <string>

#include "json/value.hpp"

namespace detent {

// Pointers that it gives out stay valid while it lives.
class Params {
 public:
  explicit Params(const json::Object& params);
  Params(const Params&) = delete;
  Params& operator=(const Params&) = delete;

  const detent_params* c() const { return &params_; }
  const std::string& text() const { return text_; }

 private:
  json::Value value_;
  std::string text_;
  detent_params params_{};
};

}  // namespace detent
