// SPDX-License-Identifier: Apache-2.0
// read_with_plugin: a file of a format that only a serializer's own reading side knows, as a Model.
#pragma once
#include <filesystem>
#include <functional>
#include <memory>

#include "artifact/artifact.hpp"
#include "model/model.hpp"
#include "plugin/serializer_reader.hpp"

namespace detent {

// Codes of 4 bits are bytes there, two codes each, as in every other file. The plugin and the pool
// outlive the model.
//
// Errors  Error{io}: what the plugin says of the file, and what cannot be; Error{plugin}
std::unique_ptr<Model> read_with_plugin(const std::filesystem::path& file, const Plugin& serializer,
                                        const json::Object& params, ThreadPool& pool);

// As Artifact::open; a file of a format that the host does not know is read by the installed
// serializer that provides its extension and can read. plugins is asked only then; what it gives,
// and the pool, outlive the artefact.
Artifact open_any(const std::filesystem::path& path,
                  const std::function<const Registry&()>& plugins, ThreadPool& pool);

}  // namespace detent
