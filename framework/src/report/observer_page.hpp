// SPDX-License-Identifier: Apache-2.0
// What an observer saw and chose, as a page.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "json/value.hpp"

namespace detent {

// facts: {"scale", "zero_point", "min", "max", "observed", "non_finite", "range"}, lists with one
// entry per channel. counts: channels x bins, row-major; origin and width: one per channel; all
// empty when the observer keeps no histogram. At most 16 channels are drawn.
std::string observer_to_html(const std::string& id, const json::Object& facts,
                             const std::vector<double>& counts, const std::vector<double>& origin,
                             const std::vector<double>& width);

// The same, written to a file. Errors: Error{io}.
void write_observer_page(const std::filesystem::path& path, const std::string& id,
                         const json::Object& facts, const std::vector<double>& counts,
                         const std::vector<double>& origin, const std::vector<double>& width);

}  // namespace detent
