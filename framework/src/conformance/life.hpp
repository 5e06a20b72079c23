// SPDX-License-Identifier: Apache-2.0
// live: what any plugin does in a run, from create to destroy, whatever its kind.
#pragma once
#include <cstdint>
#include <functional>
#include <string>

#include "conformance/subject.hpp"
#include "conformance/world.hpp"

namespace detent::conformance {

// A short life with small data. Returns all that came out of it; equal inputs give equal texts.
// With a host that refuses memory or cancels, calls may fail: then the rest is left out, and the
// status of the call that failed is part of the text.
//
// Errors  Failure when a call throws or misuses the host; Skip when this plugin cannot be brought
// to
//         life by the check
std::string live(Subject& subject, World& world);

// Calls that must fail, each reported with what it was, its status and its text.
using Refusal =
    std::function<void(const std::string& what, std::int32_t status, const std::string& text)>;
void provoke(Subject& subject, World& world, const Refusal& refused);

// One call with as much data as `elements`, all the same; the status of it. Kinds whose calls are
// not about data: Skip.
std::int32_t work_long(Subject& subject, World& world, std::uint64_t elements);

}  // namespace detent::conformance
