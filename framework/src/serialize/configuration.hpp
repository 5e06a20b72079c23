// SPDX-License-Identifier: Apache-2.0
// What an output remembers of the pipeline that made it.
#pragma once
#include "config/config.hpp"

namespace detent {

// The effective configuration, defaults filled in, with the serializer of this output: everything
// that the numbers depend on and how they were judged. Without what differs from one place or
// machine to the next: paths, folders of plugins and their pins (the versions hold their digests),
// other outputs, the report, threads, time limits and isolation.
json::Value recorded_configuration(const Config& config, const PluginUse& serializer);

}  // namespace detent
