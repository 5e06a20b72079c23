// SPDX-License-Identifier: Apache-2.0
// Cases of what serializers write when all goes well.
#include <algorithm>
#include <array>
#include <chrono>
#include <filesystem>
#include <thread>

#include "base/dtype.hpp"
#include "base/text.hpp"
#include "conformance/case.hpp"
#include "conformance/serializer_sample.hpp"

namespace detent::conformance {
namespace {

// What a reader makes of it is what was written.
std::string expect_content(Subject& subject, const Files& files, const Sample& sample) {
  const Reread got = reread(subject, files);
  const std::string text = sample_difference(got, sample);
  expect(text.empty(), "{} finds: {}", got.reader, text);
  return got.reader;
}

// Leaves out names that it refuses with a text; nobody says which names a format can have.
std::string drop_refused_names(Subject& subject, Sample& sample) {
  World world;
  SerializerUnderTest s(subject, world);
  std::string refused;
  std::vector<std::pair<std::string, Made>> kept;
  for (const auto& [name, tensor] : sample.tensors) {
    MemoryFolder folder;
    expect(s.begin(folder) == DETENT_OK, "begin was to succeed: {}", printable(s.text()));
    const std::int32_t status = s.declare(name, tensor);
    if (status == DETENT_OK) {
      kept.emplace_back(name, tensor);
    } else {
      expect(status == DETENT_E_UNSUPPORTED && !s.text().empty(),
             "declare of \"{}\" {} returned {} {} a text", printable(name),
             shape_text(tensor.shape), status_name(status), s.text().empty() ? "without" : "with");
      refused += fmt::format("; it refuses \"{}\" {}", printable(name), shape_text(tensor.shape));
    }
    s.abort();
  }
  sample.tensors = std::move(kept);
  return refused;
}

std::string content(Subject& subject) {
  Sample sample = large_sample(subject);
  const std::string refused = drop_refused_names(subject, sample);
  World world;
  SerializerUnderTest s(subject, world);
  const std::string reader = expect_content(subject, s.write(sample), sample);
  return fmt::format("{} tensors, found by {}{}", sample.tensors.size(), reader, refused);
}

std::string no_tensors(Subject& subject) {
  World world;
  SerializerUnderTest s(subject, world);
  MemoryFolder folder;
  const CallsResult r = s.try_write({}, folder);
  if (r.status == DETENT_OK) {
    expect(folder.files().contains(main_file(subject)), "there is no file");
    return {};
  }
  expect_refused(r.status, r.text, "a model without tensors");
  return "it refuses that: " + printable(r.text);
}

std::string capabilities(Subject& subject) {
  const std::vector<detent_dtype> taken = taken_dtypes(subject);
  std::string names;
  for (const detent_dtype dtype : taken) names += " " + dtype_name(dtype);
  World world;
  SerializerUnderTest s(subject, world);
  for (const detent_dtype dtype : known_dtypes()) {
    const Shape shape = {3, 8};
    if (is_declared(subject, dtype, shape)) continue;
    MemoryFolder folder;
    expect(s.begin(folder) == DETENT_OK, "begin was to succeed: {}", printable(s.text()));
    const std::int32_t status = s.declare("layer.weight", {dtype, shape, {}, {}});
    expect(status == DETENT_E_UNSUPPORTED && !s.text().empty(),
           "declare of {}, which is beyond its capabilities, returned {} {} a text",
           dtype_name(dtype), status_name(status), s.text().empty() ? "without" : "with");
    s.abort();
  }
  return "takes" + names;
}

// An instance that has seen nothing else.
Files written_alone(Subject& subject, const Sample& sample) {
  World world;
  SerializerUnderTest s(subject, world);
  return s.write(sample);
}

void expect_same(const Files& got, const Files& expected, const char* what) {
  const std::string text = files_difference(got, expected);
  expect(text.empty(), "{}: {}", what, text);
}

std::string deterministic(Subject& subject) {
  const Sample sample = large_sample(subject);
  Sample plain = sample;
  drop_refused_names(subject, plain);
  const Files first = written_alone(subject, plain);
  expect_same(written_alone(subject, plain), first, "written twice");
  // Formats keep times in steps of one or two seconds.
  std::this_thread::sleep_for(std::chrono::milliseconds(2100));
  World world({.order = Order::threads});
  SerializerUnderTest s(subject, world);
  expect_same(s.write(plain), first, "written two seconds later");
  return {};
}

std::string reuse(Subject& subject) {
  World world;
  SerializerUnderTest s(subject, world);
  for (const std::uint64_t variant : {0U, 3U, 0U, 1U}) {
    const Sample sample = small_sample(subject, variant);
    expect_same(s.write(sample), written_alone(subject, sample),
                "an instance that has written other files, against a new one");
  }
  return {};
}

// Two at work at once know nothing of each other.
std::string two_instances(Subject& subject) {
  const std::array samples = {small_sample(subject), small_sample(subject, 2)};
  World worlds[2];
  SerializerUnderTest first(subject, worlds[0]);
  SerializerUnderTest second(subject, worlds[1]);
  const std::array both = {&first, &second};
  MemoryFolder folders[2];
  for (std::size_t i = 0; i < 2; ++i) both[i]->announce(samples[i], folders[i]);
  for (std::size_t t = 0; t < samples[0].tensors.size(); ++t)
    for (std::size_t i = 0; i < 2; ++i) {
      const auto& [name, tensor] = samples[i].tensors[t];
      expect(both[i]->add_tensor(name, tensor) == DETENT_OK, "add_tensor was to succeed: {}",
             printable(both[i]->text()));
    }
  for (std::size_t i = 0; i < 2; ++i) {
    expect(both[i]->finish() == DETENT_OK, "finish was to succeed: {}", printable(both[i]->text()));
    expect_same(folders[i].files(), written_alone(subject, samples[i]),
                "one of two instances at work at once, against one alone");
  }
  return {};
}

std::string layouts(Subject& subject) {
  if (!is_declared(subject, DETENT_F32, {3, 4, 5})) throw Skip{"it takes no tensors of F32"};
  const Shape shape = {3, 4, 5};
  const std::vector<double> values = subject.random().bells(60);
  const Input compact(DETENT_F32, shape, values);
  const std::string bytes(static_cast<const char*>((*compact).data), (*compact).nbytes);
  const Sample sample{{{"layer.weight", Made{DETENT_F32, shape, bytes, {}}}}, {}, {}};
  const Files expected = written_alone(subject, sample);
  World world;
  SerializerUnderTest s(subject, world);
  for (const Layout layout : {Layout::transposed, Layout::reversed, Layout::gaps, Layout::offset,
                              Layout::unaligned, Layout::at_end, Layout::at_begin}) {
    Input input(DETENT_F32, shape, values, layout);
    input.make_read_only();
    MemoryFolder folder;
    s.announce(sample, folder);
    expect(s.add_view("layer.weight", *input) == DETENT_OK && s.finish() == DETENT_OK,
           "a tensor of layout {} was refused: {}", static_cast<int>(layout), printable(s.text()));
    expect_same(folder.files(), expected, "a tensor whose elements lie otherwise in memory");
  }
  return {};
}

// Rows of all tensors with rows, of codes and their scales alternating.
void add_by_rows(SerializerUnderTest& s, const Sample& sample, std::uint64_t step) {
  const std::uint64_t rows = static_cast<std::uint64_t>(sample.tensors.front().second.shape[0]);
  for (std::uint64_t first = 0; first < rows; first += step)
    for (const auto& [name, tensor] : sample.tensors)
      expect(s.add_rows(name, tensor, first, std::min(step, rows - first)) == DETENT_OK,
             "add_rows of \"{}\" from row {} on was to succeed: {}", printable(name), first,
             printable(s.text()));
}

std::string rows(Subject& subject) {
  World world;
  SerializerUnderTest s(subject, world);
  if (!s.has_rows()) throw Skip{"it has no add_rows"};
  const Sample sample = small_sample(subject, 3);
  const Files expected = written_alone(subject, sample);
  for (const std::uint64_t step : {1U, 2U, 3U, 7U}) {
    MemoryFolder folder;
    s.announce(sample, folder);
    add_by_rows(s, sample, step);
    expect(s.finish() == DETENT_OK, "finish after rows was to succeed: {}", printable(s.text()));
    expect_same(folder.files(), expected, "added by rows, against add_tensor");
  }
  return {};
}

// 4-bit codes of an odd row length start every row on a byte.
std::string packed_rows(Subject& subject) {
  World world;
  SerializerUnderTest s(subject, world);
  if (!s.has_rows()) throw Skip{"it has no add_rows"};
  bool any = false;
  for (const detent_dtype dtype : {DETENT_I4, DETENT_U4}) {
    if (!is_declared(subject, dtype, {6, 5})) continue;
    Random random = subject.random();
    const Sample sample{{{"layer.weight", random_tensor(dtype, {6, 5}, random)}}, {}, {}};
    MemoryFolder folder;
    if (const CallsResult r = s.try_announce(sample, folder); r.status != DETENT_OK) {
      s.abort();
      continue;
    }
    any = true;
    add_by_rows(s, sample, 4);
    expect(s.finish() == DETENT_OK, "finish after rows was to succeed: {}", printable(s.text()));
    expect_same(folder.files(), written_alone(subject, sample),
                "added by rows, against add_tensor");
  }
  if (!any) throw Skip{"it takes no 4-bit codes"};
  return {};
}

std::string aliases(Subject& subject) {
  World world;
  SerializerUnderTest s(subject, world);
  if (!s.has_aliases()) throw Skip{"it has no declare_alias"};
  Sample sample = small_sample(subject);
  sample.aliases = {{"head.weight", "fc.weight"}, {"gr\u00f6\u00dfe.weight", "fc.weight"}};
  expect_content(subject, s.write(sample), sample);
  Sample tensors = sample;
  tensors.aliases.clear();
  MemoryFolder folder;
  s.announce(tensors, folder);
  expect_refused(s.declare_alias("other", "not.declared"), s.text(),
                 "an alias of a tensor that was not declared");
  s.abort();
  MemoryFolder again;
  s.announce(tensors, again);
  expect_refused(s.declare_alias("fc.bias", "fc.weight"), s.text(),
                 "an alias that is the name of another tensor");
  s.abort();
  return {};
}

// What is known only in the end finds its room.
std::string metadata(Subject& subject) {
  World world;
  SerializerUnderTest s(subject, world);
  Sample sample = small_sample(subject);
  sample.metadata = {{"digest", R"("0000000000000000")"}, {"note", R"("kept \u00e9")"}};
  MemoryFolder folder;
  s.announce(sample, folder);
  const auto& [first, tensor] = sample.tensors.front();
  expect(s.add_tensor(first, tensor) == DETENT_OK, "add_tensor was to succeed: {}",
         printable(s.text()));
  expect_refused(s.set_metadata("unknown", "1"), s.text(),
                 "a key that is first set after the first tensor");
  expect_refused(s.set_metadata("digest", R"("00000000000000001")"), s.text(),
                 "metadata longer than the room that was set aside");
  for (std::size_t i = 1; i < sample.tensors.size(); ++i)
    expect(s.add_tensor(sample.tensors[i].first, sample.tensors[i].second) == DETENT_OK,
           "after refused metadata add_tensor was to succeed: {}", printable(s.text()));
  sample.metadata[0].second = R"("a\"b\\")";
  for (const char* json : {R"("ffffffffffffffff")", R"("a\"b\\")"})
    expect(s.set_metadata("digest", json) == DETENT_OK,
           "set_metadata to {}, which is not longer, was to succeed: {}", json,
           printable(s.text()));
  expect(s.finish() == DETENT_OK, "finish was to succeed: {}", printable(s.text()));
  expect_content(subject, folder.files(), sample);
  return {};
}

// Nothing appears in the working folder, and the host's main file is there.
std::string files(Subject& subject) {
  const Sample sample = small_sample(subject);
  const TempFolder empty;
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(empty.path());
  const Files written = written_alone(subject, sample);
  std::filesystem::current_path(before);
  const bool is_empty = std::filesystem::is_empty(empty.path());
  expect(is_empty, "it wrote files beside those of the folder that it was given");
  expect(written.contains(main_file(subject)), "there is no file \"{}\", which begin named",
         main_file(subject));
  std::string names;
  for (const auto& [name, bytes] : written) names += (names.empty() ? "" : ", ") + name;
  return printable(names);
}

}  // namespace

std::span<const Case> serializer_cases() {
  static constexpr std::array kCases = {
      Case{"serializer.content", kSerializer,
           "What is written is there: every dtype, shape, name and kind of metadata "
           "(abi/serializer.h).",
           "compare what you write with the format's own description, byte by byte", content},
      Case{"serializer.no_tensors", kSerializer,
           "A model without tensors is written, or refused with a text (abi/serializer.h).",
           "write the file's frame even when nothing was declared", no_tensors},
      Case{"serializer.capabilities", kSerializer,
           "Dtypes within the capabilities are taken, others are DETENT_E_UNSUPPORTED (abi.h).",
           "list in capabilities.tensor.properties.dtype.enum what declare takes", capabilities},
      Case{"serializer.deterministic", kSerializer, "The same calls give the same bytes (R6).",
           "write no time, address, random number or order of a hash table", deterministic},
      Case{"serializer.reuse", kSerializer,
           "An instance writes one artefact after the other (abi/serializer.h).",
           "clear everything in begin, or in finish and abort", reuse},
      Case{"serializer.two_instances", kSerializer, "Instances share nothing (abi/serializer.h).",
           "keep what you know in the instance, not in globals", two_instances},
      Case{"serializer.layouts", kSerializer,
           "Tensors may have any strides and byte_offset, at any address (abi/base.h).",
           "go by strides and byte_offset, not by data and nbytes", layouts},
      Case{"serializer.rows", kSerializer,
           "Add_rows gives the bytes of add_tensor (abi/serializer.h).",
           "put rows at their place: first_row times the bytes of a row", rows},
      Case{"serializer.packed_rows", kSerializer,
           "Each row of 4-bit codes starts on a byte, also when it comes by add_rows "
           "(abi/serializer.h).",
           "count bytes of rows, (extent * bits + 7) / 8, not bits of tensors", packed_rows},
      Case{"serializer.aliases", kSerializer,
           "An alias is a second name of one set of bytes (abi/serializer.h).",
           "write the name, not the bytes again; leave declare_alias NULL if the format cannot",
           aliases},
      Case{"serializer.metadata", kSerializer,
           "After the first tensor metadata may be set again within its room (abi/serializer.h).",
           "keep the escaped length at the first add_tensor, and pad what is shorter", metadata},
      Case{"serializer.files", kSerializer,
           "Files are the host's: nothing is written elsewhere (abi/serializer.h).",
           "open files by folder.open only", files},
  };
  return kCases;
}

}  // namespace detent::conformance
