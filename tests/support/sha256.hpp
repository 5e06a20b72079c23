// SPDX-License-Identifier: Apache-2.0
// sha256_hex: FIPS 180-4, for comparing with digests in reference vectors. Small, not fast.
#pragma once
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

namespace detent::test {

class Sha256 {
 public:
  static std::string hex(std::vector<std::uint8_t> bytes) {
    const std::uint64_t bits = bytes.size() * 8;
    bytes.push_back(0x80);
    while (bytes.size() % 64 != 56) bytes.push_back(0);
    for (int shift = 56; shift >= 0; shift -= 8)
      bytes.push_back(static_cast<std::uint8_t>(bits >> shift));
    Sha256 state;
    for (std::size_t at = 0; at < bytes.size(); at += 64) state.add(&bytes[at]);
    std::string text;
    for (const std::uint32_t word : state.h_)
      for (int shift = 28; shift >= 0; shift -= 4) text += "0123456789abcdef"[word >> shift & 15U];
    return text;
  }

 private:
  // The constants are the first 32 bits of the fractions of roots of the first primes.
  Sha256() {
    std::size_t found = 0;
    for (unsigned n = 2; found < 64; ++n) {
      bool prime = true;
      for (unsigned d = 2; d * d <= n; ++d) prime = prime && n % d != 0;
      if (!prime) continue;
      if (found < 8) h_[found] = fraction(std::sqrt(static_cast<long double>(n)));
      k_[found++] = fraction(std::cbrt(static_cast<long double>(n)));
    }
  }
  static std::uint32_t fraction(long double x) {
    return static_cast<std::uint32_t>((x - std::floor(x)) * 4294967296.0L);
  }

  void add(const std::uint8_t* block) {
    std::array<std::uint32_t, 64> w{};
    for (std::size_t i = 0; i < 64; ++i) w[i / 4 % 16] = w[i / 4 % 16] << 8 | block[i];
    for (std::size_t i = 16; i < 64; ++i) {
      const std::uint32_t a = w[i - 15], b = w[i - 2];
      w[i] = w[i - 16] + (std::rotr(a, 7) ^ std::rotr(a, 18) ^ a >> 3) + w[i - 7] +
             (std::rotr(b, 17) ^ std::rotr(b, 19) ^ b >> 10);
    }
    auto [a, b, c, d, e, f, g, h] = h_;
    for (std::size_t i = 0; i < 64; ++i) {
      const std::uint32_t t1 = h + (std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25)) +
                               ((e & f) ^ (~e & g)) + k_[i] + w[i];
      const std::uint32_t t2 =
          (std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
      h = g, g = f, f = e, e = d + t1, d = c, c = b, b = a, a = t1 + t2;
    }
    const std::array<std::uint32_t, 8> sum = {a, b, c, d, e, f, g, h};
    for (std::size_t i = 0; i < 8; ++i) h_[i] += sum[i];
  }

  std::array<std::uint32_t, 8> h_{};
  std::array<std::uint32_t, 64> k_{};
};

inline std::string sha256_hex(const std::vector<std::uint8_t>& bytes) { return Sha256::hex(bytes); }

}  // namespace detent::test
