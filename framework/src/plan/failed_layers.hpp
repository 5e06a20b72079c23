// SPDX-License-Identifier: Apache-2.0
// FailedLayers: the layers on which a plugin failed, where such layers are kept.
#pragma once
#include <string>

#include "plan/plan.hpp"

namespace detent {

class FailedLayers {
 public:
  FailedLayers(const Config& config, const Model& model) : config_(config), model_(model) {}

  // A failure that ends at one layer: an observer or quantizer crashed, hung or broke its contract
  // on it. Remembers the layer, so that what failed can be done again without it; false, when the
  // error is the run's. plan: of what failed; nullptr when there was none yet.
  bool take(const Error& error, const Plan* plan);

  const KeptLayers& kept() const { return kept_; }
  std::vector<Warning> warnings() const;

 private:
  bool is_of_a_layer(const Error& error) const;
  std::string layer_of(const Where& where, const Plan* plan) const;

  const Config& config_;
  const Model& model_;
  KeptLayers kept_;
  std::vector<Warning> warnings_;
};

// make(kept layers), again for as long as a plugin fails on one more layer.
template <class Make>
auto without_failed_layers(FailedLayers& failed, Make&& make) {
  for (;;) {
    try {
      return make(failed.kept());
    } catch (const Error& error) {
      if (!failed.take(error, nullptr)) throw;
    }
  }
}

}  // namespace detent
