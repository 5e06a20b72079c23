// SPDX-License-Identifier: Apache-2.0
// A Hugging Face folder: model.safetensors or shards with an index, and perhaps config.json.
#pragma once
#include <filesystem>

#include "model/safetensors_model.hpp"

namespace detent {

// No file outside the folder is opened, whatever index and symbolic links say. In the cache layout
// "models--org--name/snapshots/<revision>", whose files are links to ../../blobs, the limit is the
// "models--" folder.
//
// Errors  Error{io}: no model in it, a shard that is missing or not listed, index and shards that
//         disagree, and all errors of the files themselves
ModelParts open_hf_folder(const std::filesystem::path& folder);

}  // namespace detent
