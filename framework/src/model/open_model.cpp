// SPDX-License-Identifier: Apache-2.0
// open_model: by folder, extension or content, the reader that fits.
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <fmt/format.h>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/file.hpp"
#include "base/text.hpp"
#include "model/hf_folder.hpp"
#include "model/refuse.hpp"
#include "model/safetensors_model.hpp"
#include "model/torch/torch_file.hpp"
#include "model/torch/torch_model.hpp"

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

constexpr const char* kFormats =
    "use a .safetensors file or a Hugging Face folder, or a file of torch.save or TorchScript";

[[noreturn]] void refuse_extension(const fs::path& path, const std::string& extension) {
  if (path.filename().string().ends_with(".safetensors.index.json"))
    refuse(path.string(), "is the index of a model, not the model",
           "give the path of the folder that it lies in");
  if (extension.empty()) refuse(path.string(), "has no file extension", kFormats);
  refuse(path.string(), fmt::format("unsupported file extension {}", shortened(extension, 40)),
         kFormats);
}

bool is_torch_extension(std::string_view extension) {
  constexpr std::array<std::string_view, 7> kTorch = {".pt",   ".pth", ".bin", ".pkl",
                                                      ".ckpt", ".ptl", ".pt2"};
  return std::find(kTorch.begin(), kTorch.end(), extension) != kTorch.end();
}

std::string first_bytes(const File& file) {
  std::string bytes(static_cast<std::size_t>(std::min<std::uint64_t>(file.size(), 64)), '\0');
  file.read_at(0, std::as_writable_bytes(std::span(bytes)));
  return bytes;
}

std::unique_ptr<Model> open_file(const fs::path& path, const ModelOptions& options) {
  const std::string extension = lower_extension(path);
  File file = File::open_to_read(path);
  if (extension == ".safetensors") {
    ModelParts parts;
    parts.format = "safetensors";
    parts.files.push_back(read_safetensors(std::move(file)));
    return std::make_unique<SafetensorsModel>(std::move(parts), options);
  }
  // PyTorch gives its files any extension, or none.
  if (is_torch_extension(extension) || has_torch_magic(first_bytes(file)))
    return std::make_unique<TorchModel>(open_torch_file(std::move(file)), options);
  refuse_extension(path, extension);
}

}  // namespace

bool is_known_format(const fs::path& file) {
  const std::string extension = lower_extension(file);
  return extension == ".safetensors" || is_torch_extension(extension) ||
         has_torch_magic(first_bytes(File::open_to_read(file)));
}

std::unique_ptr<Model> open_model(const fs::path& path, const ModelOptions& options) {
  std::error_code ec;
  const fs::file_status status = fs::status(path, ec);
  if (!fs::exists(status))
    refuse(path.string(), "cannot open: " + system_reason(ec ? ec.value() : ENOENT));
  if (!fs::is_directory(status)) return open_file(path, options);
  return std::make_unique<SafetensorsModel>(open_hf_folder(path), options);
}

}  // namespace detent
