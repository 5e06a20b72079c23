// SPDX-License-Identifier: Apache-2.0
// Cases of serializers whose host makes mistakes, changes its mind, or has a full disk.
#include <algorithm>
#include <array>
#include <set>

#include "base/text.hpp"
#include "conformance/case.hpp"
#include "conformance/serializer_sample.hpp"

namespace detent::conformance {
namespace {

Files written_alone(Subject& subject, const Sample& sample) {
  World world;
  SerializerUnderTest s(subject, world);
  return s.write(sample);
}

void expect_usable(SerializerUnderTest& s, const Sample& sample, const Files& expected,
                   const std::string& after) {
  const std::string text = files_difference(s.write(sample), expected);
  expect(text.empty(), "the file that was written after {} is another one: {}", after, text);
}

void add(SerializerUnderTest& s, const Sample& sample, std::size_t i) {
  const auto& [name, tensor] = sample.tensors[i];
  expect(s.add_tensor(name, tensor) == DETENT_OK, "add_tensor of \"{}\" was to succeed: {}",
         printable(name), printable(s.text()));
}

Made with_shape(Made tensor, Shape shape) {
  tensor.shape = std::move(shape);
  return tensor;
}

std::string missing(Subject& subject) {
  const Sample sample = small_sample(subject);
  const Files expected = written_alone(subject, sample);
  World world;
  SerializerUnderTest s(subject, world);
  for (std::size_t added = 0; added < sample.tensors.size(); ++added) {
    MemoryFolder folder;
    s.announce(sample, folder);
    for (std::size_t i = 0; i < added; ++i) add(s, sample, i);
    const std::int32_t status = s.finish();
    expect(status == DETENT_E_INVALID_ARG, "finish returned {} after {} of {} tensors",
           status_name(status), added, sample.tensors.size());
    expect(!s.text().empty(), "finish refused without a text");
    expect_usable(s, sample, expected, "a finish that was refused");
  }
  return {};
}

std::string half_rows(Subject& subject) {
  World world;
  SerializerUnderTest s(subject, world);
  if (!s.has_rows()) throw Skip{"it has no add_rows"};
  Sample sample = small_sample(subject);
  sample.tensors.resize(1);
  MemoryFolder folder;
  s.announce(sample, folder);
  const auto& [name, tensor] = sample.tensors.front();
  expect(s.add_rows(name, tensor, 0, 2) == DETENT_OK, "add_rows was to succeed: {}",
         printable(s.text()));
  const std::int32_t status = s.finish();
  expect(status == DETENT_E_INVALID_ARG && !s.text().empty(),
         "finish returned {} {} a text after 2 of {} rows", status_name(status),
         s.text().empty() ? "without" : "with", tensor.shape[0]);
  return {};
}

struct Mistake {
  const char* what;
  std::int32_t (*make)(SerializerUnderTest&, const Sample&);  // everything is declared
};

constexpr std::array kMistakes = {
    Mistake{"a tensor that was not declared",
            [](SerializerUnderTest& s, const Sample& m) {
              return s.add_tensor("not.declared", m.tensors[0].second);
            }},
    Mistake{"a tensor of which the first was to be another",
            [](SerializerUnderTest& s, const Sample& m) {
              return s.add_tensor(m.tensors[1].first, m.tensors[1].second);
            }},
    Mistake{"a tensor that is added twice",
            [](SerializerUnderTest& s, const Sample& m) {
              add(s, m, 0);
              return s.add_tensor(m.tensors[0].first, m.tensors[0].second);
            }},
    Mistake{"a tensor beyond the last",
            [](SerializerUnderTest& s, const Sample& m) {
              for (std::size_t i = 0; i < m.tensors.size(); ++i) add(s, m, i);
              return s.add_tensor(m.tensors[0].first, m.tensors[0].second);
            }},
    Mistake{"a tensor of another dtype than was declared",
            [](SerializerUnderTest& s, const Sample& m) {
              Made other = m.tensors[0].second;
              other.dtype = other.dtype == DETENT_I32 ? DETENT_F32 : DETENT_I32;
              other.bytes.resize(4 * count_elements(other.shape));
              return s.add_tensor(m.tensors[0].first, other);
            }},
    Mistake{"a tensor with extents in another order than was declared",
            [](SerializerUnderTest& s, const Sample& m) {
              const Made& t = m.tensors[0].second;
              return s.add_tensor(m.tensors[0].first, with_shape(t, {t.shape[1], t.shape[0]}));
            }},
    Mistake{"a tensor with fewer rows than were declared",
            [](SerializerUnderTest& s, const Sample& m) {
              return s.add_tensor(m.tensors[0].first, rows_of(m.tensors[0].second, 0, 2));
            }},
    Mistake{"a name that is declared twice",
            [](SerializerUnderTest& s, const Sample& m) {
              return s.declare(m.tensors[0].first, m.tensors[0].second);
            }},
    Mistake{"a tensor that is declared after the first was added",
            [](SerializerUnderTest& s, const Sample& m) {
              add(s, m, 0);
              return s.declare("late", m.tensors[0].second);
            }},
};

constexpr std::array kRowMistakes = {
    Mistake{"rows of a tensor that was not declared",
            [](SerializerUnderTest& s, const Sample& m) {
              return s.add_rows("not.declared", m.tensors[0].second, 0, 1);
            }},
    Mistake{"rows that begin behind the first",
            [](SerializerUnderTest& s, const Sample& m) {
              return s.add_rows(m.tensors[0].first, m.tensors[0].second, 1, 1);
            }},
    Mistake{"rows that were there before",
            [](SerializerUnderTest& s, const Sample& m) {
              (void)s.add_rows(m.tensors[0].first, m.tensors[0].second, 0, 2);
              return s.add_rows(m.tensors[0].first, m.tensors[0].second, 1, 1);
            }},
    Mistake{"more rows than were declared",
            [](SerializerUnderTest& s, const Sample& m) {
              Made more = m.tensors[0].second;
              more.bytes += more.bytes;
              more.shape[0] *= 2;
              return s.add_rows(m.tensors[0].first, more, 0,
                                static_cast<std::uint64_t>(more.shape[0]));
            }},
    Mistake{"rows of another length than was declared",
            [](SerializerUnderTest& s, const Sample& m) {
              const Made& t = m.tensors[0].second;
              return s.add_rows(m.tensors[0].first, with_shape(t, {t.shape[1], t.shape[0]}), 0, 1);
            }},
};

std::string order(Subject& subject) {
  const Sample sample = small_sample(subject);
  const Files expected = written_alone(subject, sample);
  World world;
  SerializerUnderTest s(subject, world);
  const auto try_one = [&](const Mistake& mistake) {
    MemoryFolder folder;
    s.announce(sample, folder);
    expect_refused(mistake.make(s, sample), s.text(), mistake.what);
    s.abort();
    expect_usable(s, sample, expected, mistake.what);
  };
  for (const Mistake& mistake : kMistakes) try_one(mistake);
  if (s.has_rows())
    for (const Mistake& mistake : kRowMistakes) try_one(mistake);
  return {};
}

// A call that is refused takes nothing with it: the next, right one goes on.
std::string goes_on(Subject& subject) {
  const Sample sample = small_sample(subject);
  World world;
  SerializerUnderTest s(subject, world);
  MemoryFolder folder;
  s.announce(sample, folder);
  for (std::size_t i = 0; i < sample.tensors.size(); ++i) {
    expect_refused(s.add_tensor("not.declared", sample.tensors[i].second), s.text(),
                   "a tensor that was not declared");
    add(s, sample, i);
  }
  expect(s.finish() == DETENT_OK, "finish was to succeed: {}", printable(s.text()));
  const std::string text = files_difference(folder.files(), written_alone(subject, sample));
  expect(text.empty(), "refused calls left something in the file: {}", text);
  return {};
}

std::string abort(Subject& subject) {
  const Sample sample = small_sample(subject);
  const Files expected = written_alone(subject, sample);
  World world;
  SerializerUnderTest s(subject, world);
  const auto stop = [&](const char* stage) {
    s.abort();
    expect_usable(s, sample, expected, std::string("an abort after ") + stage);
  };
  MemoryFolder folders[5];
  expect(s.begin(folders[0]) == DETENT_OK, "begin was to succeed: {}", printable(s.text()));
  stop("begin");
  expect(s.begin(folders[1]) == DETENT_OK, "begin was to succeed: {}", printable(s.text()));
  expect(s.declare("other", sample.tensors[0].second) == DETENT_OK, "declare was to succeed: {}",
         printable(s.text()));
  expect(s.set_metadata("other", "1") == DETENT_OK, "set_metadata was to succeed: {}",
         printable(s.text()));
  stop("declare and set_metadata");
  s.announce(sample, folders[2]);
  add(s, sample, 0);
  stop("the first add_tensor");
  s.announce(sample, folders[3]);
  for (std::size_t i = 0; i < sample.tensors.size(); ++i) add(s, sample, i);
  stop("the last add_tensor");
  if (!s.has_rows()) return {};
  s.announce(sample, folders[4]);
  expect(s.add_rows(sample.tensors[0].first, sample.tensors[0].second, 0, 1) == DETENT_OK,
         "add_rows was to succeed: {}", printable(s.text()));
  stop("the first row");
  return {};
}

// The instance is destroyed in the middle of its work.
std::string abandoned(Subject& subject) {
  const Sample sample = small_sample(subject);
  World world;
  MemoryFolder folder;
  {
    SerializerUnderTest s(subject, world);
    s.announce(sample, folder);
    add(s, sample, 0);
    s.abort();
  }
  expect(folder.misuse().empty(), "destroy: {}", folder.misuse());
  expect(world.kept_bytes() == 0, "after destroy {} of host.alloc are not freed",
         human_bytes(world.kept_bytes()));
  return {};
}

std::string short_writes(Subject& subject) {
  const Sample sample = small_sample(subject, 5);
  const Files expected = written_alone(subject, sample);
  World world;
  SerializerUnderTest s(subject, world);
  for (const std::uint64_t step : {1U, 7U, 64U}) {
    const std::string text = files_difference(s.write(sample, {.step = step}), expected);
    expect(text.empty(), "when pwrite takes at most {} bytes at a time, {}", step, text);
  }
  return {};
}

// Which pwrites to let fail: all of them where there are few.
std::set<std::int64_t> failing_writes(std::int64_t all) {
  std::set<std::int64_t> chosen;
  constexpr std::int64_t kMost = 96;
  for (std::int64_t i = 0; i < std::min(all, kMost); ++i)
    chosen.insert({i * all / std::min(all, kMost), std::max<std::int64_t>(all - 1 - i / 2, 0)});
  return chosen;
}

std::string failing_write(Subject& subject) {
  const Sample sample = small_sample(subject);
  World world;
  SerializerUnderTest s(subject, world);
  MemoryFolder good;
  expect(s.try_write(sample, good).status == DETENT_OK, "write was to succeed: {}",
         printable(s.text()));
  for (const std::int64_t n : failing_writes(good.transfers())) {
    MemoryFolder folder({.failing = n});
    const CallsResult r = s.try_write(sample, folder);
    if (r.status == DETENT_OK) {  // it may have tried again, and then everything is there
      expect(files_difference(folder.files(), good.files()).empty(),
             "pwrite {} of {} failed, every call returned DETENT_OK, and the file is broken", n + 1,
             good.transfers());
      continue;
    }
    expect(r.status == DETENT_E_IO, "when pwrite {} failed, {} returned {}", n + 1, r.call,
           status_name(r.status));
    expect(!r.text.empty(), "when pwrite {} failed, {} returned DETENT_E_IO without a text", n + 1,
           r.call);
    expect_usable(s, sample, good.files(), "a failed pwrite");
  }
  return fmt::format("{} calls of pwrite", good.transfers());
}

std::string failing_open(Subject& subject) {
  const Sample sample = small_sample(subject);
  World world;
  SerializerUnderTest s(subject, world);
  for (const std::int32_t status : {DETENT_E_IO, DETENT_E_INVALID_ARG, DETENT_E_NO_MEMORY}) {
    MemoryFolder folder({.open_status = status});
    const CallsResult r = s.try_write(sample, folder);
    expect(r.status == status, "folder.open returned {}, and {} {}", status_name(status),
           r.call.empty() ? "finish" : r.call, status_name(r.status));
    expect(!r.text.empty(), "a failed folder.open became {} without a text", status_name(r.status));
  }
  expect_usable(s, sample, written_alone(subject, sample), "a failed open");
  return {};
}

}  // namespace

std::span<const Case> serializer_fault_cases() {
  static constexpr std::array kCases = {
      Case{
          "serializer.missing", kSerializer,
          "Finish is DETENT_E_INVALID_ARG when a declared tensor was not added (abi/serializer.h).",
          "count what was added against what was declared", missing},
      Case{"serializer.half_rows", kSerializer,
           "Finish is DETENT_E_INVALID_ARG when rows of a tensor are missing (abi/serializer.h).",
           "count the rows that were added against the first extent", half_rows},
      Case{"serializer.order", kSerializer,
           "Tensors are declared first, then added in that order, each once, as declared "
           "(abi/serializer.h).",
           "compare name, dtype and shape with the declaration whose turn it is", order},
      Case{"serializer.goes_on", kSerializer,
           "A call that is refused changes nothing (abi/serializer.h).",
           "check everything before you write or count anything", goes_on},
      Case{"serializer.abort", kSerializer, "After abort an instance is as new (abi/serializer.h).",
           "drop files, declarations and metadata in abort", abort},
      Case{"serializer.abandoned", kSerializer,
           "Abort and destroy let go of everything (abi/serializer.h).",
           "write nothing in abort and destroy, and free what host.alloc gave", abandoned},
      Case{"serializer.short_writes", kSerializer,
           "Pwrite may take fewer bytes than it is given (abi/serializer.h).",
           "go on behind the bytes that were taken until all are", short_writes},
      Case{"serializer.failing_write", kSerializer,
           "A pwrite that returns -1 is DETENT_E_IO of the call that made it, with a text "
           "(abi/serializer.h).",
           "look at the result of every pwrite, those of finish too", failing_write},
      Case{"serializer.failing_open", kSerializer,
           "A status of folder.open is passed on, with a text (abi/serializer.h).",
           "return what folder.open returned, and name the file", failing_open},
  };
  return kCases;
}

}  // namespace detent::conformance
