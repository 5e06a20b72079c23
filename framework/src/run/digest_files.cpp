// SPDX-License-Identifier: Apache-2.0
#include "run/digest_files.hpp"

#include <algorithm>

#include "base/cancel.hpp"
#include "base/file.hpp"
#include "base/hash.hpp"
#include "plugin/sha256.hpp"

namespace detent {

std::string digest_file(const std::filesystem::path& path, bool sha256) {
  if (sha256) return "sha256:" + sha256_of(File::open_to_read(path));
  constexpr std::uint64_t kBlock = 1U << 20U;
  const File file = File::open_to_read(path);
  const std::uint64_t size = file.size();
  std::vector<std::byte> block(std::min(kBlock, size));
  Xxh3 hash;
  for (std::uint64_t at = 0; at < size; at += kBlock) {
    check_cancelled();
    const std::span<std::byte> part(block.data(), std::min(kBlock, size - at));
    file.read_at(at, part);
    hash.update(part);
  }
  return hash.digest();
}

std::string model_digest(const Model& model) { return digest_file(model.files().front(), false); }

std::vector<FileDigest> digest_config(const Config& config) {
  if (config.file.empty()) return {};
  return {{config.file, digest_file(config.file, config.sha256_provenance)}};
}

std::vector<FileDigest> digest_inputs(const Config& config, const Model& model) {
  std::vector<FileDigest> digests = digest_config(config);
  for (const auto& file : model.files())
    digests.push_back({file, digest_file(file, config.sha256_provenance)});
  return digests;
}

}  // namespace detent
