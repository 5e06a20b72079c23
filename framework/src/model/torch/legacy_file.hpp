// SPDX-License-Identifier: Apache-2.0
// Files of torch.save before PyTorch 1.6, or with _use_new_zipfile_serialization=False: five
// pickles (a magic number, a version, the machine, the object, the storages' keys), then the
// storages. They have no checksums.
#pragma once
#include <memory>

#include "model/torch/torch_file.hpp"

namespace detent {

// Errors  Error{io}
TorchFile open_legacy(std::shared_ptr<const SteadyFile> source);

}  // namespace detent
