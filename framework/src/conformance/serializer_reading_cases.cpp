// SPDX-License-Identifier: Apache-2.0
// Cases of the reading side, and of files that nobody should trust.
#include <algorithm>
#include <array>
#include <sys/resource.h>

#include "base/text.hpp"
#include "conformance/case.hpp"
#include "conformance/process_state.hpp"
#include "conformance/serializer_sample.hpp"
#include "plugin/tensor_store.hpp"

namespace detent::conformance {
namespace {

constexpr std::uint64_t kMaxTensors = 1000;       // that are looked at
constexpr std::uint64_t kMaxBytes = 1U << 20U;    // of one that is read
constexpr std::uint64_t kMaxGrowth = 64U << 20U;  // for files of a few kilobytes

#if defined(__SANITIZE_ADDRESS__)
constexpr bool kMayLimit = false;  // its shadow needs room of its own
#else
constexpr bool kMayLimit = true;
#endif

// Nobody gets more than so many bytes of address space, for as long as this lives.
class MemoryLimit {
 public:
  MemoryLimit() {
    ::getrlimit(RLIMIT_AS, &before_);
    rlimit limit = before_;
    limit.rlim_cur = std::min<rlim_t>(virtual_bytes() + (rlim_t{1} << 30U), before_.rlim_max);
    if (kMayLimit) ::setrlimit(RLIMIT_AS, &limit);
  }
  ~MemoryLimit() { ::setrlimit(RLIMIT_AS, &before_); }
  MemoryLimit(const MemoryLimit&) = delete;
  MemoryLimit& operator=(const MemoryLimit&) = delete;

 private:
  rlimit before_{};
};

Files written(Subject& subject, const Sample& sample) {
  World world;
  SerializerUnderTest s(subject, world);
  if (!s.can_read()) throw Skip{"it has no reading side"};
  return s.write(sample);
}

std::string whole_table(Subject& subject) {
  const auto& v = subject.vtbl<detent_serializer_vtbl>();
  const std::array present = {DETENT_HAS(&v, detent_serializer_vtbl, open),
                              DETENT_HAS(&v, detent_serializer_vtbl, tensor_at),
                              DETENT_HAS(&v, detent_serializer_vtbl, read_tensor),
                              DETENT_HAS(&v, detent_serializer_vtbl, read_metadata),
                              DETENT_HAS(&v, detent_serializer_vtbl, close)};
  const auto n = std::count(present.begin(), present.end(), true);
  expect(n == 0 || n == 5, "{} of the five functions that read are there", n);
  return n == 0 ? "it has no reading side" : "";
}

std::string short_reads(Subject& subject) {
  const Sample sample = small_sample(subject);
  const Files files = written(subject, sample);
  for (const std::uint64_t step : {1U, 5U, 64U}) {
    const Reread got = reread_with_plugin(subject, files, {.step = step});
    const std::string text = sample_difference(got, sample);
    expect(text.empty(), "when pread gives at most {} bytes at a time, {}", step, text);
  }
  return {};
}

// What became of one broken file: a refusal, or what was found in it.
struct Found {
  std::int32_t refused = DETENT_OK;
  Answers tensors;
};

Found refused(const SerializerUnderTest& s, std::int32_t status, const char* call,
              const std::string& what) {
  expect(!s.text().empty(), "{}: {} returned {} without a text", what, call, status_name(status));
  expect(status != DETENT_E_NO_MEMORY, "{}: {} asked for more memory than any such file needs: {}",
         what, call, printable(s.text()));
  expect(status != DETENT_E_INTERNAL, "{}: {} takes it for a mistake of its own: {}", what, call,
         printable(s.text()));
  return {status, {}};
}

Found read_tensors(SerializerUnderTest& s, std::uint64_t n, const std::string& what) {
  Found found;
  for (std::uint64_t i = 0; i < std::min(n, kMaxTensors); ++i) {
    detent_tensor_spec spec{};
    if (const std::int32_t at = s.tensor_at(i, &spec); at != DETENT_OK)
      return refused(s, at, "tensor_at", what);
    if (!is_valid_spec(&spec)) return {DETENT_E_BAD_STATE, {}};  // the host refuses it then
    const std::string name = spec.name;
    Made made{spec.dtype, Shape(spec.shape, spec.shape + spec.ndim), {}, {}};
    const std::uint64_t bytes = detent_nbytes(spec.dtype, spec.ndim, spec.shape);
    if (bytes > kMaxBytes) return {DETENT_E_BAD_STATE, {}};
    Guarded memory(bytes);
    detent_tensor to = made.tensor();
    to.data = bytes != 0 ? memory.data() : nullptr;
    to.nbytes = bytes;
    to.flags = 0;
    if (const std::int32_t read = s.read_tensor(i, to); read != DETENT_OK)
      return refused(s, read, "read_tensor", what);
    expect(memory.canaries_intact(), "{}: read_tensor wrote before the tensor", what);
    made.bytes.assign(reinterpret_cast<const char*>(memory.data()), bytes);
    found.tensors[name] = std::move(made);
  }
  return found;
}

Found read_all(SerializerUnderTest& s, const Files& files, const std::string& what,
               FolderWishes wishes = {}) {
  MemoryFolder folder(files, wishes);
  std::uint64_t n = 0;
  if (const std::int32_t opened = s.open(folder, &n); opened != DETENT_OK)
    return refused(s, opened, "open", what);
  Found found = read_tensors(s, n, what);
  Sink sink;
  if (found.refused == DETENT_OK)
    if (const std::int32_t meta = s.read_metadata(sink); meta != DETENT_OK)
      found = refused(s, meta, "read_metadata", what);
  s.close();
  return found;
}

// What is there is what was written; less may be there.
void expect_no_inventions(const Found& found, const Sample& sample, const std::string& what) {
  if (found.refused != DETENT_OK) return;
  for (const auto& [name, tensor] : sample.tensors) {
    const auto got = found.tensors.find(name);
    if (got == found.tensors.end()) continue;
    const std::string text = difference({{name, got->second}}, {{name, tensor}});
    expect(text.empty(), "{}: reading succeeds, and {}", what, printable(text));
  }
}

// The main file, cut off or changed; the others are as they were.
Files with_content(const Files& files, const std::string& main, std::string content) {
  Files changed = files;
  changed[main] = std::move(content);
  return changed;
}

std::string truncated(Subject& subject) {
  const Sample sample = small_sample(subject);
  const Files files = written(subject, sample);
  const std::string main = main_file(subject);
  const std::string& whole = files.at(main);
  const MemoryLimit limit;
  World world;
  SerializerUnderTest s(subject, world);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    if (whole.size() > 4096 && size > 512 && size + 64 < whole.size() && size % 37 != 0) continue;
    const std::string what = fmt::format("a file cut off after {} of {} bytes", size, whole.size());
    expect_no_inventions(read_all(s, with_content(files, main, whole.substr(0, size)), what),
                         sample, what);
  }
  expect_no_inventions(read_all(s, files, "the whole file"), sample,
                       "after files that were cut off");
  return {};
}

void expect_little_memory(std::uint64_t before, const std::string& what) {
  const std::uint64_t now = peak_bytes();
  expect(now < before + kMaxGrowth, "{}: the process grew by {}", what, human_bytes(now - before));
}

std::string corrupted(Subject& subject) {
  const Files files = written(subject, small_sample(subject));
  const std::string main = main_file(subject);
  const std::string& whole = files.at(main);
  Random random = subject.random();
  const MemoryLimit limit;
  const std::uint64_t before = peak_bytes();
  World world;
  SerializerUnderTest s(subject, world);
  const auto try_one = [&](std::string content, const std::string& what) {
    read_all(s, with_content(files, main, std::move(content)), what);
    expect_little_memory(before, what);
  };
  for (int i = 0; i < 400; ++i) {
    std::string content = whole;
    const std::uint64_t bit = random.below(8 * whole.size());
    content[bit / 8] = static_cast<char>(content[bit / 8] ^ (1 << bit % 8));
    try_one(std::move(content), fmt::format("a file with bit {} flipped", bit));
  }
  for (std::size_t at = 0; at < std::min<std::size_t>(whole.size(), 256); ++at)
    for (const std::size_t n : {1U, 8U}) {
      std::string content = whole;
      for (std::size_t k = at; k < std::min(at + n, content.size()); ++k) content[k] = '\xFF';
      try_one(std::move(content), fmt::format("a file with {} bytes of FF at byte {}", n, at));
    }
  return {};
}

std::string random_files(Subject& subject) {
  const Files files = written(subject, small_sample(subject));
  const std::string main = main_file(subject);
  Random random = subject.random();
  const MemoryLimit limit;
  const std::uint64_t before = peak_bytes();
  World world;
  SerializerUnderTest s(subject, world);
  for (std::size_t i = 0; i < 200; ++i) {
    // From the second half on a file begins like a good one.
    std::string content = i < 100 ? "" : files.at(main).substr(0, i % 64);
    const std::uint64_t size = random.below(600);
    for (std::uint64_t k = 0; k < size; ++k) content.push_back(static_cast<char>(random.bits()));
    const std::string what = fmt::format("a file of {} random bytes", size);
    read_all(s, with_content(files, main, std::move(content)), what);
    expect_little_memory(before, what);
  }
  MemoryFolder none(Files{});
  std::uint64_t n = 0;
  const std::int32_t status = s.open(none, &n);
  expect_refused(status, s.text(), "a file that is not there");
  return {};
}

std::string failing_read(Subject& subject) {
  const Sample sample = small_sample(subject);
  const Files files = written(subject, sample);
  World world;
  SerializerUnderTest s(subject, world);
  MemoryFolder good(files);
  std::uint64_t count = 0;
  expect(s.open(good, &count) == DETENT_OK, "open was to succeed: {}", printable(s.text()));
  read_tensors(s, count, "the whole file");
  s.close();
  for (std::int64_t n = 0; n < std::min<std::int64_t>(good.transfers(), 64); ++n) {
    const std::string what = fmt::format("when pread {} fails", n + 1);
    const Found found = read_all(s, files, what, {.failing = n});
    expect(found.refused == DETENT_OK || found.refused == DETENT_E_IO, "{} it returns {}", what,
           status_name(found.refused));
    expect_no_inventions(found, sample, what);
  }
  return {};
}

}  // namespace

std::span<const Case> serializer_reading_cases() {
  static constexpr std::array kCases = {
      Case{"serializer.whole_table", kSerializer,
           "The five functions that read are there, or none of them (abi/serializer.h).",
           "give open, tensor_at, read_tensor, read_metadata and close, or leave all NULL",
           whole_table},
      Case{"serializer.short_reads", kSerializer,
           "Pread may give fewer bytes than were asked for (abi/serializer.h).",
           "go on behind the bytes that came until all are there, or none come", short_reads},
      Case{"serializer.failing_read", kSerializer,
           "A pread that returns -1 is DETENT_E_IO of the call that made it, with a text "
           "(abi/serializer.h).",
           "look at the result of every pread", failing_read},
      Case{"serializer.truncated", kSerializer,
           "Of a file that was cut off nothing is read that is not there (abi/serializer.h).",
           "compare every offset and length with the file's size, and every count of pread",
           truncated},
      Case{"serializer.corrupted", kSerializer,
           "A file is hostile: whatever is in it, reading ends, in little memory, with a text "
           "(abi/serializer.h).",
           "check every length and count before you use it, without overflow", corrupted},
      Case{"serializer.random_files", kSerializer,
           "A file is hostile: whatever is in it, reading ends, in little memory, with a text "
           "(abi/serializer.h).",
           "check every length and count before you use it, without overflow", random_files},
  };
  return kCases;
}

}  // namespace detent::conformance
