// SPDX-License-Identifier: Apache-2.0
// What the machine's memory gives: reading and copying 256 MiB, on one thread and on two.
#include <cstring>

#include "works.hpp"

namespace detent::bench {
namespace {

constexpr std::uint64_t kBytes = std::uint64_t{256} << 20;

struct Buffers {
  std::vector<std::uint64_t> from = std::vector<std::uint64_t>(kBytes / 8, 1);
  std::vector<std::uint64_t> to = std::vector<std::uint64_t>(kBytes / 8, 2);
};

// Eight sums, which a compiler makes vectors of; the result is used, so the loop stays.
std::uint64_t sum(const std::uint64_t* x, std::size_t n) {
  std::uint64_t sums[8] = {};
  for (std::size_t i = 0; i + 8 <= n; i += 8)
    for (std::size_t k = 0; k < 8; ++k) sums[k] += x[i + k];
  std::uint64_t total = 0;
  for (const std::uint64_t s : sums) total += s;
  return total;
}

void add(std::vector<Work>& works, unsigned threads) {
  constexpr std::uint64_t kPieces = 16;
  constexpr std::size_t kPiece = kBytes / 8 / kPieces;
  works.push_back({"memory_read/u64/256MiB/" + std::to_string(threads), kBytes,
                   [threads]() -> std::function<void()> {
                     auto buffers = std::make_shared<Buffers>();
                     return [buffers, threads] {
                       pool(threads).parallel_for(kPieces, [&](std::uint64_t i) {
                         volatile std::uint64_t kept = sum(&buffers->from[i * kPiece], kPiece);
                         static_cast<void>(kept);
                       });
                     };
                   }});
  works.push_back({"memory_copy/u64/256MiB/" + std::to_string(threads), kBytes,
                   [threads]() -> std::function<void()> {
                     auto buffers = std::make_shared<Buffers>();
                     return [buffers, threads] {
                       pool(threads).parallel_for(kPieces, [&](std::uint64_t i) {
                         std::memcpy(&buffers->to[i * kPiece], &buffers->from[i * kPiece],
                                     kPiece * 8);
                       });
                     };
                   }});
}

}  // namespace

void add_memory(std::vector<Work>& works) {
  for (const unsigned threads : {1U, 2U}) add(works, threads);
}

}  // namespace detent::bench
