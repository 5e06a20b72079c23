// SPDX-License-Identifier: Apache-2.0
// The tables of cases that concern more than one kind.
#pragma once
#include <span>

#include "conformance/case.hpp"

namespace detent::conformance {

std::span<const Case> boundary_cases();
std::span<const Case> process_cases();  // boundary.stdout, which judges all the others, is the last

}  // namespace detent::conformance
