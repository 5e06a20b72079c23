// SPDX-License-Identifier: Apache-2.0
// Activations as JSON: what was planned of them, and what calibration found.
#pragma once
#include <string>

#include "run/run.hpp"

namespace detent {

// [{"layer", "site", "side", "observer", "quantizer", "dynamic", "rule"}]
json::Array activations_to_json(const Plan& plan);
// [{"layer", "reason", "rule"}]
json::Array skipped_activations_to_json(const Plan& plan);
json::Array statistics_to_json(const Plan& plan);

// {"samples_requested", "samples_used", "batches", "batch_size", "passes", "states", "files"}; null
// when nothing was observed.
json::Value calibration_to_json(const RunFacts& facts);

// The activations of the layer, with what the observers saw and chose; empty when it has none.
json::Array layer_activations_to_json(const RunFacts& facts, const std::string& layer);

}  // namespace detent
