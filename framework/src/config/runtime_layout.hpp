// SPDX-License-Identifier: Apache-2.0
// The keys under "runtime". Private to this folder.
#pragma once
#include "config/layout.hpp"

namespace detent {

const Layout& runtime_layout();

}  // namespace detent
