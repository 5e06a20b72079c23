// SPDX-License-Identifier: Apache-2.0
// The C++17 layer over detent/abi.h for plugin authors: header-only, no dependency.
#pragma once
#include "sdk/affine.hpp"
#include "sdk/library.hpp"
#include "sdk/observer.hpp"
#include "sdk/program.hpp"
#include "sdk/quantizer.hpp"
#include "sdk/serializer.hpp"
#include "sdk/validator.hpp"
