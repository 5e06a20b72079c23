// SPDX-License-Identifier: Apache-2.0
// open_model: by folder or extension, the reader that fits.
#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <string>
#include <string_view>
#include <system_error>

#include "base/file.hpp"
#include "base/text.hpp"
#include "model/hf_folder.hpp"
#include "model/refuse.hpp"
#include "model/safetensors_model.hpp"

namespace detent {
namespace {

namespace fs = std::filesystem;

std::string lower_extension(const fs::path& path) {
  std::string extension = path.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return extension;
}

[[noreturn]] void refuse_extension(const fs::path& path, const std::string& extension) {
  constexpr std::array<std::string_view, 5> kTorch = {".pt", ".pth", ".bin", ".pkl", ".ckpt"};
  if (std::find(kTorch.begin(), kTorch.end(), extension) != kTorch.end())
    refuse(path.string(),
           "TorchScript and state-dict files are not supported by this build: convert to "
           "safetensors",
           "safetensors.torch.save_model(model, \"model.safetensors\") writes one");
  if (path.filename().string().ends_with(".safetensors.index.json"))
    refuse(path.string(), "is the index of a model, not the model",
           "give the path of the folder that it lies in");
  if (extension.empty())
    refuse(path.string(), "has no file extension",
           "use a .safetensors file or a Hugging Face folder");
  refuse(path.string(), fmt::format("unsupported file extension {}", shortened(extension, 40)),
         "use a .safetensors file or a Hugging Face folder");
}

ModelParts open_parts(const fs::path& path) {
  std::error_code ec;
  const fs::file_status status = fs::status(path, ec);
  if (!fs::exists(status))
    refuse(path.string(), "cannot open: " + system_reason(ec ? ec.value() : ENOENT));
  if (fs::is_directory(status)) return open_hf_folder(path);
  const std::string extension = lower_extension(path);
  if (extension != ".safetensors") refuse_extension(path, extension);
  ModelParts parts;
  parts.format = "safetensors";
  parts.files.push_back(read_safetensors(File::open_to_read(path)));
  return parts;
}

}  // namespace

std::unique_ptr<Model> open_model(const fs::path& path, const ModelOptions& options) {
  return std::make_unique<SafetensorsModel>(open_parts(path), options);
}

}  // namespace detent
