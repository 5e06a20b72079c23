// SPDX-License-Identifier: Apache-2.0
// Damaged headers: the reader takes them or refuses them with Error{io}; nothing else may happen.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "model/safetensors_header.hpp"
#include "model/shard_index.hpp"
#include "support/catch.hpp"

namespace detent {
namespace {

constexpr int kMutations = 20'000;

const std::string kHeader = R"({"__metadata__":{"format":"pt","note":"\u00e4\n"},)"
                            R"("a.weight":{"dtype":"F32","shape":[4,4],"data_offsets":[0,64]},)"
                            R"("a.bias":{"dtype":"F16","shape":[4],"data_offsets":[64,72]},)"
                            R"("scalar":{"dtype":"I64","shape":[],"data_offsets":[72,80]},)"
                            R"("empty":{"dtype":"U8","shape":[3,0],"data_offsets":[80,80]},)"
                            R"("packed":{"dtype":"F4","shape":[2,4],"data_offsets":[80,84]}}  )";
constexpr std::uint64_t kDataSize = 84;

// Pieces of which something goes wrong sooner than of random bytes.
const std::vector<std::string> kPieces = {"0",
                                          "-1",
                                          "-0",
                                          "1e9",
                                          "0.0",
                                          "4294967296",
                                          "9223372036854775807",
                                          "9223372036854775808",
                                          "18446744073709551615",
                                          "18446744073709551616",
                                          "1e400",
                                          "null",
                                          "true",
                                          "[]",
                                          "{}",
                                          "[[",
                                          "{{",
                                          "\"",
                                          "\\",
                                          "\\u0000",
                                          "\\ud800",
                                          ",",
                                          ":",
                                          "]",
                                          "}",
                                          "\"a.weight\"",
                                          "\"shape\"",
                                          "\"dtype\"",
                                          "\"F4\"",
                                          "\"BOOL\"",
                                          "\"C64\"",
                                          "\"__metadata__\"",
                                          "/*",
                                          "//",
                                          std::string(1, '\0'),
                                          "\xFF",
                                          "\xC3",
                                          "\xE2\x80\xAE",
                                          "[0,64]",
                                          "[64,64]",
                                          "[64,0]",
                                          "\n"};

class Mutator {
 public:
  explicit Mutator(std::uint64_t seed) : random_(seed) {}

  std::string mutate(std::string text) {
    const std::size_t steps = 1 + below(4);
    for (std::size_t i = 0; i < steps; ++i) step(text);
    return text;
  }
  std::size_t below(std::size_t n) { return random_() % n; }

 private:
  void step(std::string& text) {
    const std::size_t at = below(text.size() + 1);
    const std::size_t length = below(1 + std::min<std::size_t>(12, text.size() - at));
    switch (below(6)) {
      case 0: text.erase(at, length); break;
      case 1: text.insert(at, kPieces[below(kPieces.size())]); break;
      case 2: text.replace(at, length, kPieces[below(kPieces.size())]); break;
      case 3: text.insert(at, text.substr(below(text.size() + 1), below(80))); break;
      case 4: replace_number(text); break;
      default:
        if (at < text.size()) text[at] = static_cast<char>(below(256));
    }
  }
  // Another number where there is one keeps the text JSON: what is tested is behind the parser.
  void replace_number(std::string& text) {
    const std::size_t begin = text.find_first_of("0123456789", below(text.size() + 1));
    if (begin == std::string::npos) return;
    std::size_t end = text.find_first_not_of("0123456789", begin);
    if (end == std::string::npos) end = text.size();
    const std::string number = below(2) == 0 ? std::to_string(below(100)) : kPieces[below(10)];
    text.replace(begin, end - begin, number);
  }

  std::mt19937_64 random_;
};

// What is taken must be true: every tensor within the file, in order, without gap or overlap.
void check_header(const SafetensorsHeader& header, std::uint64_t data_start,
                  std::uint64_t file_size) {
  std::uint64_t at = data_start;
  bool sound = true;
  for (const TensorInfo& t : header.tensors) {
    sound = sound && t.offset == at && t.nbytes <= file_size - at;
    sound = sound && t.nbytes * 8 == t.numel() * DETENT_DTYPE_BITS(t.dtype);
    at += t.nbytes;
  }
  if (!sound || at != file_size) FAIL("accepted a header that is not sound");
}

template <typename Fn>
bool accepts(Fn fn) {
  try {
    fn();
    return true;
  } catch (const Error& e) {
    if (e.code() != ErrorCode::io) FAIL("another error: " << e.what());
    if (std::string(e.what()).find("m.safetensors") != 0) FAIL("no file named: " << e.what());
    return false;
  }  // any other exception fails the test
}

}  // namespace

TEST_CASE("Damaged headers are refused with an input error, or are sound") {
  Mutator mutator(20'240'601);
  int accepted = 0;
  for (int i = 0; i < kMutations; ++i) {
    const std::string text = mutator.mutate(kHeader);
    const std::uint64_t data_size = mutator.below(4) == 0 ? mutator.below(200) : kDataSize;
    const std::uint64_t size = 8 + text.size() + data_size;
    INFO("mutation " << i << ": " << text);
    accepted += accepts([&] {
      check_header(parse_safetensors_header(text, size, "m.safetensors"), 8 + text.size(), size);
    });
  }
  WARN(accepted << " of " << kMutations << " taken");
  CHECK(accepted > 0);  // the unimportant ones: white space, names, metadata
  CHECK(accepted < kMutations / 2);
}

TEST_CASE("Damaged first bytes are refused with an input error") {
  Mutator mutator(7);
  for (int i = 0; i < kMutations; ++i) {
    std::string bytes;
    for (std::size_t n = mutator.below(64); n > 0; --n)
      bytes += static_cast<char>(mutator.below(3) == 0 ? mutator.below(256) : 0);
    const std::uint64_t size = bytes.size() + mutator.below(1000);
    accepts([&] {
      const std::uint64_t length = safetensors_header_length(bytes, size, "m.safetensors");
      if (length > size - 8) FAIL("a header beyond the file");
    });
  }
}

TEST_CASE("Damaged indices are refused with an input error, or name no path") {
  const std::string index =
      R"({"metadata":{"total_size":12},"weight_map":{"a":"model-1.safetensors",)"
      R"("b":"model-2.safetensors"}})";
  Mutator mutator(42);
  for (int i = 0; i < kMutations; ++i) {
    const std::string text = mutator.mutate(index);
    INFO("mutation " << i << ": " << text);
    accepts([&] {
      for (const std::string& shard : parse_shard_index(text, "m.safetensors").shards)
        if (!shard_name_fault(shard).empty()) FAIL("took " << shard);
    });
  }
}

}  // namespace detent
