// SPDX-License-Identifier: Apache-2.0
// What C cannot do: an exception that leaves a function of the table.
#include <stdexcept>

extern "C" void throw_it();
extern "C" void throw_it() { throw std::runtime_error("leaked"); }
