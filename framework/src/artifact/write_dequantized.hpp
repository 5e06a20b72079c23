// SPDX-License-Identifier: Apache-2.0
// A quantized file as an ordinary model again.
#pragma once
#include <filesystem>

#include "artifact/compare.hpp"
#include "serialize/staging.hpp"

namespace detent {

// The original names and shapes: quantized tensors as float32 (q - zero_point) * scale, kept ones
// as they are. The serializer is the one that writes the extension of `out`.
//
// Errors  Error{config}: no serializer writes that extension; Error{io}: also a weight that is
// lost;
//         Error{plugin}
void write_dequantized(const Artifact& artifact, const std::filesystem::path& out,
                       Overwrite overwrite, const Registry& registry, ThreadPool& pool);

}  // namespace detent
