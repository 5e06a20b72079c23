// SPDX-License-Identifier: Apache-2.0
// Error is a part of the API: programs that embed the framework catch it.
#pragma once
#include <detent/error.hpp>
