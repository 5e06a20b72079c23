// SPDX-License-Identifier: Apache-2.0
// Fingerprints of data: XXH3-128. Not against an attacker: what must be is hashed with SHA-256.
#pragma once
#include <cstddef>
#include <memory>
#include <span>
#include <string>

namespace detent {

class Xxh3 {
 public:
  Xxh3();
  ~Xxh3();
  Xxh3(Xxh3&&) noexcept;
  Xxh3& operator=(Xxh3&&) noexcept;
  void update(std::span<const std::byte> data);
  std::string digest() const;  // "xxh3-128:" and 32 hexadecimal digits

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string xxh3(std::span<const std::byte> data);

}  // namespace detent
