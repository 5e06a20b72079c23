// SPDX-License-Identifier: Apache-2.0
// A safetensors file as samples: every tensor is stacked on its first axis.
#pragma once
#include <filesystem>

#include "model/torch_samples.hpp"

namespace detent {

// Errors  Error{io}: missing, damaged, not safetensors; a tensor without axes; tensors that differ
//         in their number of samples. The same for reading a file that was changed since.
SampleRecord read_safetensors_samples(const std::filesystem::path& path);

}  // namespace detent
