// SPDX-License-Identifier: Apache-2.0
// Does a quantized file still match its own record of itself?
#pragma once
#include <string>
#include <vector>

#include "artifact/artifact.hpp"

namespace detent {

struct VerifyProblem {
  std::string tensor;
  std::string message;
};

struct Verification {
  std::size_t tensors = 0;       // that were looked at
  std::size_t quantized = 0;     // of them, by the record
  std::uint64_t non_finite = 0;  // values of kept tensors: as in the original, so no problem here
  bool digests = true;  // were there any? A foreign file has none: its tensors' ranges are all
  std::vector<VerifyProblem> problems;
};

// Every tensor's bytes against the digest in the metadata; scales finite and positive, zero points
// and codes within the target's range; nothing missing, nothing added. A foreign file's ranges were
// checked when it was opened; what is left are the weights that cannot be computed.
//
// Errors  Error{io}: the file has no such record, or cannot be read
Verification verify_artifact(const Artifact& artifact, ThreadPool& pool);

// What the stored tensors of a record have against its promises: scales finite and positive, zero
// points and codes within the target's range. Empty when nothing.
std::string wrong_in_stored(const TensorRecord& record, const TensorStore& stored);

}  // namespace detent
