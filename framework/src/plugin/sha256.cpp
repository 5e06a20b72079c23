// SPDX-License-Identifier: Apache-2.0
#include "plugin/sha256.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <fmt/format.h>
#include <memory>
#include <openssl/evp.h>
#include <vector>

#include "base/error.hpp"

namespace detent {
namespace {

void check(int result) {
  if (result != 1) throw Error(ErrorCode::unexpected, "the cryptography library has no SHA-256");
}

}  // namespace

std::string sha256_of(const File& file) {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                        EVP_MD_CTX_free);
  check(context != nullptr ? 1 : 0);
  check(EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr));
  const std::uint64_t size = file.size();
  std::vector<std::byte> block(std::min<std::uint64_t>(size, std::uint64_t{1} << 20));
  for (std::uint64_t at = 0; at < size; at += block.size()) {
    const std::span<std::byte> part(block.data(), std::min<std::uint64_t>(block.size(), size - at));
    file.read_at(at, part);
    check(EVP_DigestUpdate(context.get(), part.data(), part.size()));
  }
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned length = 0;
  check(EVP_DigestFinal_ex(context.get(), digest.data(), &length));
  std::string text;
  for (unsigned i = 0; i < length; ++i) text += fmt::format("{:02x}", digest[i]);
  return text;
}

}  // namespace detent
