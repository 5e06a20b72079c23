// SPDX-License-Identifier: Apache-2.0
// See life.hpp: what serializers and validators do in a run.
#pragma once
#include <string>

#include "conformance/life.hpp"

namespace detent::conformance {

std::string live_as_serializer(Subject& subject, World& world);
std::string live_as_validator(Subject& subject, World& world);
void provoke_serializer(Subject& subject, World& world, const Refusal& refused);

}  // namespace detent::conformance
