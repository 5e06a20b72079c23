// SPDX-License-Identifier: Apache-2.0
// at_boundary: what leaves the API is an Error, whatever was thrown inside.
#pragma once
#include <exception>
#include <new>
#include <string>

#include "base/error.hpp"

namespace detent {

template <class F>
auto at_boundary(F&& work) {
  try {
    return work();
  } catch (const Error&) {
    throw;
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& e) {
    throw Error(ErrorCode::unexpected, std::string("unexpected: ") + e.what(),
                "this is a mistake in detent: please report it");
  }
}

}  // namespace detent
