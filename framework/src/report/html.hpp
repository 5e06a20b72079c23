// SPDX-License-Identifier: Apache-2.0
// The report as one self-contained page.
#pragma once
#include <string>

#include "json/value.hpp"

namespace detent {

// report: what report_to_json made, perhaps read back from report.json. No network, no script that
// is not in the page; every name is escaped. A report that lacks parts gives a page that lacks
// them.
std::string report_to_html(const json::Value& report);

}  // namespace detent
