// SPDX-License-Identifier: Apache-2.0
// read_pickle: pickles of protocols 0 to 5 turned into data. Where Python's reader would import a
// module, make an object or call a function, the caller of this one decides what it stands for, or
// refuses.
#pragma once
#include <cstdint>
#include <string_view>

#include "model/torch/pickle_tree.hpp"

namespace detent {

// What a pickle's calls stand for. Errors are std::runtime_error with the reason, or a
// PickleError for a hint; the position is added.
class PickleCalls {
 public:
  virtual ~PickleCalls() = default;
  // callee(*arguments), or an instance of the class callee; arguments is a tuple.
  virtual PickleId call(PickleTree& tree, PickleId callee, PickleId arguments) const = 0;
  // What lies outside the pickle under this id.
  virtual PickleId persistent(PickleTree& tree, PickleId id) const = 0;
};

struct PickleLimits {
  std::uint64_t opcodes = 50'000'000;
  std::uint64_t stack = 4'000'000;
  std::uint64_t memo = 4'000'000;
};

struct PickleResult {
  PickleId root = 0;
  std::uint64_t length = 0;  // of the pickle in bytes
};

// bytes outlive tree. Nothing is executed, nothing is called but calls.
//
// Errors  PickleError; PickleTruncated when bytes end before the pickle does
// Source  https://docs.python.org/3/library/pickletools.html and Lib/pickletools.py of CPython
PickleResult read_pickle(std::string_view bytes, const PickleCalls& calls, PickleTree* tree,
                         const PickleLimits& limits = {});

}  // namespace detent
