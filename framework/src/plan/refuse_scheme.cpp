// SPDX-License-Identifier: Apache-2.0
#include "plan/refuse_scheme.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace detent {

Where where_in(const Config& config, const std::string& pointer, json::Position position,
               std::string tensor) {
  return {.file = position.line > 0 ? config.file.string() : "",
          .line = position.line,
          .column = position.column,
          .pointer = pointer,
          .tensor = std::move(tensor)};
}

bool speaks_for_layer(const TensorInfo& weight) {
  return weight.param == "weight" && !weight.layer.empty();
}

std::string site_of(const TensorInfo& weight) {
  return speaks_for_layer(weight) ? weight.layer : weight.name;
}

void refuse_missing_statistics(const Config& config, const TensorScheme& scheme,
                               const QuantizerPlan& answer, const std::string& name) {
  const std::string& id = scheme.quantizer.plugin->id;
  if (scheme.observer && !answer.target) {
    throw Error(ErrorCode::config,
                fmt::format("quantizer \"{}\" takes no parameters from an observer", id),
                "remove \"observer\" beside it",
                where_in(config, scheme.observer->pointer, scheme.observer->position, name));
  }
  for (const std::string& stat : answer.required_stats) {
    if (scheme.observer && lists(scheme.observer->plugin->provides, stat)) continue;
    throw Error(ErrorCode::config,
                fmt::format("quantizer \"{}\" needs the statistic \"{}\" of \"{}\", which {}", id,
                            stat, name,
                            scheme.observer ? fmt::format("observer \"{}\" does not provide",
                                                          scheme.observer->plugin->id)
                                            : "no observer collects"),
                "choose an observer that provides it: see `detent plugins list`",
                where_in(config, scheme.quantizer.pointer, scheme.quantizer.position, name));
  }
}

}  // namespace detent
