// SPDX-License-Identifier: Apache-2.0
// Catch2 2 makes main() here; version 3 brings its own in Catch2::Catch2WithMain.
#if !__has_include(<catch2/catch_all.hpp>)
#define CATCH_CONFIG_MAIN
#endif
#include "support/catch.hpp"
