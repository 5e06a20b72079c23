// SPDX-License-Identifier: Apache-2.0
// Catch2 2 makes main() here; version 3 brings its own in Catch2::Catch2WithMain.
#if !__has_include(<catch2/catch_all.hpp>)
#define CATCH_CONFIG_MAIN
#endif
#include "support/catch.hpp"

#include <cstdlib>

// Tests leave the cache of whoever runs them alone.
[[maybe_unused]] static const int kNoCache = ::setenv("DETENT_NO_CACHE", "1", 0);
