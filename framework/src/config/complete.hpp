// SPDX-License-Identifier: Apache-2.0
// complete_document: a document with every default of the layout filled in.
#pragma once
#include "config/layout.hpp"
#include "json/value.hpp"

namespace detent {

// Keys in the order of the layout; unknown ones are left out, and what has the wrong shape stays as
// it is. A value that was filled in has no position (line 0).
json::Value complete_document(const json::Value& value, const Layout& layout);

}  // namespace detent
