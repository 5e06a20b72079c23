// SPDX-License-Identifier: Apache-2.0
// Fingerprints of the files that a run reads, for its record.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "run/run.hpp"

namespace detent {

// "xxh3-128:..." or "sha256:...", in blocks of bounded size.
std::string digest_file(const std::filesystem::path& path, bool sha256);

// Of a model that runs: its one file. What observers saw belongs to it.
std::string model_digest(const Model& model);

// Of the configuration, when it came from a file.
std::vector<FileDigest> digest_config(const Config& config);

// The configuration and every file of the model.
std::vector<FileDigest> digest_inputs(const Config& config, const Model& model);

}  // namespace detent
