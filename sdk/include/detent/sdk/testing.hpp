// SPDX-License-Identifier: Apache-2.0
// A small host in memory, for the tests of plugins: what a real host would lend and hand out.
// Needs exceptions and, for Library, POSIX. Not for use inside a plugin.
#pragma once
#include "testing/call.hpp"
#include "testing/folder.hpp"
#include "testing/plugin.hpp"
#include "testing/program.hpp"
#include "testing/store.hpp"
