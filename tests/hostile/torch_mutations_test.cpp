// SPDX-License-Identifier: Apache-2.0
// Damaged files of PyTorch: the reader refuses them with Error{io}, or nothing that matters was
// damaged and it reads what was there before.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <sys/resource.h>
#include <vector>

#include "base/error.hpp"
#include "model/model.hpp"
#include "model/torch_samples.hpp"
#include "support/catch.hpp"
#include "support/temp_folder.hpp"
#include "support/torch_archive.hpp"

namespace detent {
namespace {

using namespace test::pickle;

constexpr int kMutations = 4'000;

struct Part {  // of a record's data
  std::size_t begin, end;
};

struct Sample {
  std::string bytes;
  std::vector<Part> records;
};

const std::string kData = test::counting(24);

std::string state_dict() {
  return ordered_dict(
      text("fc.weight") + tensor({}) + text("fc.bias") +
      tensor({.type = "HalfStorage", .key = "1", .elements = 3, .shape = {3}, .strides = {1}}) +
      text("tied") + tensor({}) + text("t") +
      tensor({.offset = 1, .shape = {2, 2}, .strides = {1, 2}}));
}

std::string script() {
  return global("__torch__", "Net") + ")\x81" + dict(text("w") + tensor({}) + text("n") + "N") +
         "b";
}

Sample with_places(const test::ZipWriter& zip, const std::vector<std::string>& records) {
  Sample sample = {zip.bytes(), {}};
  std::size_t at = 0;
  for (const std::string& record : records) {
    at = sample.bytes.find(record, at);
    REQUIRE(at != std::string::npos);
    sample.records.push_back({at, at + record.size()});
    at += record.size();
  }
  return sample;
}

Sample state_dict_file() {
  return with_places(test::torch_zip(state_dict(), {kData, "abcdef"}),
                     {whole(state_dict()), "little", kData, "abcdef", "3\n"});
}

const std::string kCode =
    "class Net(Module):\n  __parameters__ = [\"w\", ]\n  __buffers__ = []\n  w : Tensor\n";

test::ZipWriter script_archive(const std::string& root, const std::string& code,
                               const std::string& constants) {
  test::ZipWriter zip;
  zip.add("m/data.pkl", whole(root)).add("m/data/0", kData).add("m/code/__torch__.py", code);
  zip.add("m/constants.pkl", whole(constants)).add("m/constants/0", kData);
  return zip;
}

Sample script_file() {
  const std::string constants = tuple(tensor({}));
  return with_places(script_archive(script(), kCode, constants),
                     {whole(script()), kData, kCode, whole(constants), kData});
}

class Mutator {
 public:
  explicit Mutator(std::uint64_t seed) : random_(seed) {}

  std::size_t below(std::size_t n) { return random_() % n; }

  // Numbers that lengths, offsets and counts go wrong with sooner than with random ones.
  std::string piece() {
    static const std::vector<std::uint64_t> kNumbers = {
        0, 1, 2, 7, 8, 0x7F, 0x80, 0xFF, 0xFFFF, 0x7FFF'FFFF, 0xFFFF'FFFF, INT64_MAX, UINT64_MAX};
    static constexpr std::string_view kOpcodes = "().]}0NRtbuaeqhrjcQ\x81\x85\x86\x88\x8a\x94";
    if (below(2) == 0) return std::string(1, kOpcodes[below(kOpcodes.size())]);
    constexpr unsigned kLengths[] = {1, 2, 4, 8};
    return test::little(kNumbers[below(kNumbers.size())], kLengths[below(4)]);
  }

  // The same length, so that places stay what they were.
  void overwrite(std::string& bytes) {
    const std::size_t at = below(bytes.size());
    if (below(2) == 0) {
      bytes[at] = static_cast<char>(bytes[at] ^ (1 << below(8)));
      return;
    }
    const std::string with = piece().substr(0, bytes.size() - at);
    bytes.replace(at, with.size(), with);
  }

  void resize(std::string& bytes) {
    const std::size_t at = below(bytes.size());
    switch (below(3)) {
      case 0: bytes.erase(at, 1 + below(20)); break;
      case 1: bytes.insert(at, piece()); break;
      default: bytes.insert(at, bytes.substr(below(bytes.size()), below(60)));
    }
  }

 private:
  std::mt19937_64 random_;
};

using Tensors = std::map<std::string, std::string>;

// Every tensor is read: what was taken must be there.
Tensors contents(const std::filesystem::path& path) {
  const auto model = open_model(path, {});
  Tensors result;
  for (const TensorInfo& t : model->tensors()) {
    std::string bytes(t.nbytes, '\0');
    model->read(t, std::as_writable_bytes(std::span(bytes)));
    result.emplace(t.name, std::move(bytes));
  }
  return result;
}

template <typename Fn>
bool accepts(Fn fn) {
  try {
    fn();
    return true;
  } catch (const Error& e) {
    if (e.code() != ErrorCode::io) FAIL("another error: " << e.what());
    if (std::string(e.what()).find("m.pt") == std::string::npos) FAIL("no file: " << e.what());
    return false;
  }  // any other exception fails the test
}

// A new file each time: some file systems wait for the disk when one is emptied and written again.
std::filesystem::path rewritten(const test::TempFolder& folder, std::string_view bytes) {
  std::filesystem::remove(folder / "m.pt");
  return folder.write("m.pt", bytes);
}

bool damages_record(const Sample& sample, const std::string& mutated) {
  return std::any_of(sample.records.begin(), sample.records.end(), [&](const Part& part) {
    const std::string before = sample.bytes.substr(part.begin, part.end - part.begin);
    return mutated.compare(part.begin, before.size(), before) != 0;
  });
}

void mutate_in_place(const Sample& sample, std::uint64_t seed) {
  const test::TempFolder folder;
  const Tensors original = contents(folder.write("m.pt", sample.bytes));
  Mutator mutator(seed);
  int accepted = 0, damaged = 0;
  for (int i = 0; i < kMutations; ++i) {
    std::string bytes = sample.bytes;
    for (std::size_t n = 1 + mutator.below(2); n > 0; --n) mutator.overwrite(bytes);
    const auto path = rewritten(folder, bytes);
    INFO("mutation " << i);
    const bool harmful = damages_record(sample, bytes);
    damaged += harmful;
    const bool taken = accepts([&] {
      if (contents(path) != original) FAIL("took a damaged file for another model");
    });
    if (taken && harmful) FAIL("took a file whose record was changed");
    accepted += taken;
  }
  WARN(accepted << " of " << kMutations << " taken; " << damaged << " had a damaged record");
  CHECK(accepted > 0);  // times, versions and padding do not matter
  CHECK(damaged > kMutations / 10);
}

void mutate_freely(const std::string& whole_file, std::uint64_t seed,
                   const std::function<std::string(const std::string&)>& file_of) {
  const test::TempFolder folder;
  Mutator mutator(seed);
  int accepted = 0;
  for (int i = 0; i < kMutations; ++i) {
    std::string bytes = whole_file;
    for (std::size_t n = 1 + mutator.below(3); n > 0 && !bytes.empty(); --n) {
      if (mutator.below(3) == 0) {
        mutator.resize(bytes);
      } else {
        mutator.overwrite(bytes);
      }
    }
    const auto path = rewritten(folder, file_of(bytes));
    INFO("mutation " << i);
    accepted += accepts([&] { contents(path); });
    accepts([&] { read_torch_samples(path); });
  }
  WARN(accepted << " of " << kMutations << " taken");
  CHECK(accepted < kMutations);
}

}  // namespace

TEST_CASE("A damaged state dict is refused, or reads as the one that was saved") {
  mutate_in_place(state_dict_file(), 1);
}

TEST_CASE("A damaged TorchScript archive is refused, or reads as the one that was saved") {
  mutate_in_place(script_file(), 2);
}

TEST_CASE("Archives of other lengths than were written are refused, or are sound") {
  mutate_freely(state_dict_file().bytes, 3, [](const std::string& bytes) { return bytes; });
}

TEST_CASE("A state dict whose pickle was made by an attacker is refused, or is sound") {
  mutate_freely(whole(state_dict()), 4, [](const std::string& pickled) {
    test::ZipWriter zip;
    zip.add("m/data.pkl", pickled).add("m/data/0", kData).add("m/data/1", "abcdef");
    return zip.bytes();
  });
}

TEST_CASE("A TorchScript archive made by an attacker is refused, or is sound") {
  mutate_freely(script(), 5, [](const std::string& root) {
    return script_archive(root, kCode, tuple(tensor({}))).bytes();
  });
  mutate_freely(kCode, 6, [](const std::string& code) {
    return script_archive(script(), code, tuple(tensor({}))).bytes();
  });
}

TEST_CASE("A damaged legacy file is refused, or is sound") {
  mutate_freely(test::torch_legacy(state_dict(), {kData, "abcdef"}, {6, 3}), 7,
                [](const std::string& bytes) { return bytes; });
}

TEST_CASE("All of this took no more memory than files of a kilobyte need") {
  rusage usage = {};
  REQUIRE(::getrusage(RUSAGE_SELF, &usage) == 0);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  CHECK(static_cast<double>(usage.ru_maxrss) / 1000 < 150);  // MB
#endif
}

}  // namespace detent
