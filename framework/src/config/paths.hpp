// SPDX-License-Identifier: Apache-2.0
// check_paths: no output may be written over another one or over what the run reads.
#pragma once
#include "config/config.hpp"
#include "config/problems.hpp"

namespace detent {

void check_paths(const Config& config, Problems& problems);

}  // namespace detent
