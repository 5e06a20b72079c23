// SPDX-License-Identifier: Apache-2.0
// LayerRow: the tensors of a layer summed up, for tables and the report.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "run/run.hpp"

namespace detent {

struct LayerRow {
  std::string name;
  std::string type;
  bool quantized = false;  // at least one of its tensors is
  std::string reason;      // of its largest tensor
  unsigned bits = 0;       // of the tensor that decides the row: the largest quantized, or largest
  std::string quantizer;
  std::string observer;
  std::string activations;  // "input minmax, output dynamic"; empty when they are not quantized
  std::uint64_t bytes_before = 0;
  std::uint64_t bytes_after = 0;
  std::uint64_t params = 0;
  // Of its quantized tensors, each the worst one's.
  std::optional<double> sqnr_db;
  std::optional<double> max_abs_error;
  std::optional<double> mse;
  std::optional<double> cosine;
  std::optional<double> rtn_sqnr_db;  // of plain rounding, where there is such a thing
  std::optional<double> gain_db;
  std::optional<double> weighted_sqnr_db;  // where elements are weighed by importance
  std::optional<double> weighted_gain_db;
  std::optional<double> output_sqnr_db;  // of its operators' output alone; the lowest
  std::optional<ScaleSummary> scale;
  std::vector<std::string> tensors;
  std::vector<std::pair<std::string, const TensorResult*>> results;  // of those that are quantized
};

// results may be empty: a plan alone; it outlives the rows. local_sqnr_db: see Evaluation.
std::vector<LayerRow> layer_rows(const Plan& plan, const Model& model,
                                 const std::map<std::size_t, TensorResult>& results,
                                 const std::map<std::string, double>& local_sqnr_db = {});

}  // namespace detent
