// SPDX-License-Identifier: Apache-2.0
// The same work in plain loops that are left to the compiler, and what the memory gives: reading
// and copying 256 MiB.
#include <cstring>

#include "bench/plain_loops.hpp"
#include "works.hpp"

namespace detent::bench {
namespace {

void add_int4(std::vector<Work>& works, std::size_t group, const Size& size) {
  const auto n = static_cast<std::size_t>(size.rows * size.columns);
  const auto make = [=]() -> std::function<void()> {
    auto x = weight(DETENT_F32, size);
    auto codes = std::make_shared<std::vector<std::uint8_t>>(n / 2);
    auto scales = std::make_shared<std::vector<float>>(n / group);
    return [=] {
      plain_int4(static_cast<const float*>(x->view().data), n, group, scales->data(),
                 codes->data());
    };
  };
  works.push_back(
      {work_name("plain_int4_g" + std::to_string(group), DETENT_F32, size, 1), n * 4, make});
}

constexpr std::size_t kElements = std::size_t{64} << 20;
constexpr std::size_t kPieces = 16;
constexpr std::size_t kPiece = kElements / kPieces;

void add_memory(std::vector<Work>& works, unsigned threads) {
  const auto read = [threads]() -> std::function<void()> {
    auto from = std::make_shared<std::vector<float>>(kElements, 1.0F);
    return [from, threads] {
      pool(threads).parallel_for(kPieces, [&](std::uint64_t i) {
        volatile std::uint64_t kept = plain_read(&(*from)[i * kPiece], kPiece);
        static_cast<void>(kept);
      });
    };
  };
  const auto copy = [threads]() -> std::function<void()> {
    auto from = std::make_shared<std::vector<float>>(kElements, 1.0F);
    auto to = std::make_shared<std::vector<float>>(kElements, 2.0F);
    return [from, to, threads] {
      pool(threads).parallel_for(kPieces, [&](std::uint64_t i) {
        std::memcpy(&(*to)[i * kPiece], &(*from)[i * kPiece], kPiece * sizeof(float));
      });
    };
  };
  const std::string place = "/f32/256MiB/" + std::to_string(threads);
  works.push_back({"memory_read" + place, kElements * sizeof(float), read});
  works.push_back({"memory_copy" + place, kElements * sizeof(float), copy});
}

}  // namespace

void add_plain(std::vector<Work>& works) {
  for (const Size& size : {kLarge, kCached})
    for (const std::size_t group : {128U, 32U}) add_int4(works, group, size);
  for (const unsigned threads : {1U, 2U}) add_memory(works, threads);
}

}  // namespace detent::bench
