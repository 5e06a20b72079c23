/* SPDX-License-Identifier: Apache-2.0
 *
 * detent/c.h - the C layer of the SDK: what every plugin in C would write again. Static inline
 * functions over the ABI, C11 and C++17; nothing of it crosses the boundary. Link libm.
 */
#ifndef DETENT_C_H
#define DETENT_C_H
#include "abi.h"
#include "c/affine.h"
#include "c/call.h"
#include "c/elements.h"
#include "c/exchange.h"
#include "c/files.h"
#include "c/library.h"
#endif
