// SPDX-License-Identifier: Apache-2.0
// Cases of a library: its symbols, its entry function, its life.
#include <algorithm>
#include <array>
#include <cstring>
#include <ctime>
#include <dlfcn.h>
#include <set>
#include <thread>

#include "base/error.hpp"
#include "base/text.hpp"
#include "conformance/case.hpp"
#include "conformance/elf_symbols.hpp"
#include "conformance/process_state.hpp"
#include "conformance/subject.hpp"
#include "plugin/fp_mode.hpp"

namespace detent::conformance {
namespace {

ElfSymbols symbols_of(const Subject& subject) {
  try {
    return read_elf_symbols(subject.path());
  } catch (const Error& e) {
    throw Failure{e.problems().front().message, e.problems().front().hint};
  }
}

std::string some(std::vector<std::string> names) {
  constexpr std::size_t kShown = 5;
  const std::size_t n = names.size();
  if (n > kShown) names.resize(kShown);
  for (std::string& name : names) name = printable(name);
  return fmt::format("{}{}", fmt::join(names, ", "),
                     n > kShown ? fmt::format(" and {} more", n - kShown) : "");
}

std::string loads(Subject& subject) {
  subject.library();
  return {};
}

std::string symbol(Subject& subject) {
  const ElfSymbols symbols = symbols_of(subject);
  expect(std::count(symbols.exported.begin(), symbols.exported.end(), DETENT_ENTRY_SYMBOL) == 1,
         "does not export " DETENT_ENTRY_SYMBOL);
  return {};
}

std::string exports(Subject& subject) {
  std::vector<std::string> others = symbols_of(subject).exported;
  std::erase(others, DETENT_ENTRY_SYMBOL);
  expect(others.empty(), "also exports {}", some(others));
  return {};
}

std::string unique_symbols(Subject& subject) {
  const std::vector<std::string> unique = symbols_of(subject).unique;
  expect(unique.empty(), "has symbols that are shared by the whole process: {}", some(unique));
  return {};
}

std::string stack(Subject& subject) {
  expect(!symbols_of(subject).executable_stack, "asks for a stack that can be executed");
  return {};
}

// The highest version of each family ("GLIBC_2.34", "GLIBCXX_3.4.30").
std::string versions(Subject& subject) {
  const auto key = [](const std::string& v) {
    std::vector<int> numbers;
    for (std::size_t i = v.find('_'); i < v.size(); ++i)
      if (std::isdigit(static_cast<unsigned char>(v[i]))) {
        if (!std::isdigit(static_cast<unsigned char>(v[i - 1]))) numbers.push_back(0);
        numbers.back() = numbers.back() * 10 + (v[i] - '0');
      }
    return numbers;
  };
  std::map<std::string, std::string> highest;
  for (const std::string& v : symbols_of(subject).needed) {
    std::string& best = highest[v.substr(0, v.find('_'))];
    if (best.empty() || key(best) < key(v)) best = v;
  }
  std::vector<std::string> all;
  for (const auto& [family, version] : highest) all.push_back(version);
  return all.empty() ? "needs no versioned library" : "needs " + join_words(all);
}

std::string header(Subject& subject) {
  const detent_library* l = subject.entry()(DETENT_ABI_MAJOR);
  expect(l != nullptr, "detent_entry({}) is NULL", DETENT_ABI_MAJOR);
  expect(l->magic == DETENT_MAGIC, "magic is {:#x} instead of {:#x}", l->magic, DETENT_MAGIC);
  expect(l->abi_major == DETENT_ABI_MAJOR, "abi_major is {} where {} was asked for", l->abi_major,
         DETENT_ABI_MAJOR);
  expect(l->abi_min_minor <= l->abi_minor, "abi_min_minor {} is above its abi_minor {}",
         l->abi_min_minor, l->abi_minor);
  const std::uint64_t least = DETENT_SIZE_UPTO(detent_library, plugin_at);
  expect(l->struct_size >= least, "struct_size is {}, below {}", l->struct_size, least);
  expect(l->struct_size <= 4096, "struct_size is {}", l->struct_size);
  expect(l->plugin_count != nullptr && l->plugin_at != nullptr,
         "plugin_count or plugin_at is NULL");
  const bool init = DETENT_HAS(l, detent_library, init);
  expect(init == DETENT_HAS(l, detent_library, deinit), "it has only one of init and deinit");
  return fmt::format("ABI {}.{}", l->abi_major, l->abi_minor);
}

std::string pure(Subject& subject) {
  const detent_entry_fn entry = subject.entry();
  const detent_library* first = entry(DETENT_ABI_MAJOR);
  std::string before(reinterpret_cast<const char*>(first), sizeof(detent_library));
  const detent_library* other = nullptr;
  std::thread([&] { other = entry(DETENT_ABI_MAJOR); }).join();
  subject.start();
  expect(other == first && entry(DETENT_ABI_MAJOR) == first,
         "a second call gave another detent_library than the first");
  expect(std::memcmp(before.data(), first, before.size()) == 0,
         "the detent_library changed between two calls");
  return {};
}

std::string unknown_majors(Subject& subject) {
  const detent_entry_fn entry = subject.entry();
  for (const std::uint32_t major : {1000U, 0x7FFFFFFFU, 0xFFFFFFFFU})
    expect(entry(major) == nullptr, "detent_entry({}) is not NULL", major);
  for (std::uint32_t major = 0; major < 10; ++major) {
    const detent_library* l = entry(major);
    expect(l == nullptr || l->abi_major == major, "detent_entry({}) gave a library of major {}",
           major, l != nullptr ? l->abi_major : 0);
  }
  return {};
}

std::string list(Subject& subject) {
  const detent_library& l = subject.library();
  const std::uint64_t n = l.plugin_count();
  expect(n > 0, "plugin_count is 0");
  for (std::uint64_t i = 0; i < n; ++i) {
    const detent_plugin* p = l.plugin_at(i);
    expect(p != nullptr, "plugin_at({}) is NULL, plugin_count is {}", i, n);
    expect(p == l.plugin_at(i), "plugin_at({}) gave two answers", i);
  }
  for (const std::uint64_t beyond : {n, n + 1, std::uint64_t{1} << 32, UINT64_MAX})
    expect(l.plugin_at(beyond) == nullptr, "plugin_at({}) is not NULL, plugin_count is {}", beyond,
           n);
  subject.start();
  expect(l.plugin_count() == n, "plugin_count changed after init");
  return {};
}

std::string names_differ(Subject& subject) {
  const detent_library& l = subject.library();
  std::set<std::pair<std::uint32_t, std::string>> seen;
  const auto add = [&](const detent_plugin& p, const char* name) {
    expect(seen.emplace(p.kind, normalise_name(name)).second,
           "two plugins of one kind answer to \"{}\"", printable(name));
  };
  for (std::uint64_t i = 0; i < l.plugin_count(); ++i) {
    const detent_plugin& p = *l.plugin_at(i);
    add(p, p.id);
    for (const char* const* a = p.aliases; a != nullptr && *a != nullptr; ++a) add(p, *a);
  }
  return {};
}

std::string nested_init(Subject& subject) {
  const detent_library& l = subject.library();
  if (l.init == nullptr || l.deinit == nullptr) throw Skip{"it has no init"};
  World first;
  World second;
  const auto init = [&](World& w) {
    w.must("init", [&](const detent_call* c) { return l.init(w.host(), c); });
  };
  init(first);
  init(second);
  l.deinit();
  expect(l.plugin_at(0) != nullptr, "plugin_at(0) is NULL after the inner deinit");
  l.deinit();
  init(first);
  l.deinit();
  return {};
}

std::string unloads(Subject& subject) {
  const bool says_so = symbols_of(subject).never_unloaded;
  subject.start();
  if (subject.library().deinit != nullptr) subject.library().deinit();
  ::dlclose(subject.handle());
  void* const still = ::dlopen(subject.path().c_str(), RTLD_NOW | RTLD_NOLOAD);
  if (says_so) return "says that it stays loaded (-z nodelete)";
  expect(still == nullptr, "stays mapped after dlclose without saying so");
  return {};
}

std::string quiet_load(Subject& subject) {
  const FpMode mode;
  const ProcessState before = ProcessState::now();
  subject.library();
  expect(mode.restore(), "loading it changed the floating-point mode of the thread");
  const ProcessState after = ProcessState::now();
  const std::string changes = after.changes_since(before);
  expect(changes.empty(), "loading it: {}", changes);
  expect(after.threads() == before.threads(), "loading it started {} threads",
         after.threads() - before.threads());
  return {};
}

std::string fast_scan(Subject& subject) {
  timespec begin{};
  timespec end{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
  subject.plugin();
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
  const double ms = static_cast<double>(end.tv_sec - begin.tv_sec) * 1e3 +
                    static_cast<double>(end.tv_nsec - begin.tv_nsec) / 1e6;
  expect(ms < 500, "loading it and reading its descriptors took {:.0f} ms of processor time", ms);
  return fmt::format("{:.1f} ms", ms);
}

constexpr std::array<Case, 15> kCases = {{
    {"entry.loads", kLibrary, "The dynamic loader and the handshake accept the file (abi.h).",
     "link what it needs, and build it with the SDK of this host", &loads},
    {"entry.symbol", kLibrary, "It exports the function detent_entry (abi.h, DETENT_ENTRY_SYMBOL).",
     "declare detent_entry with DETENT_EXPORT, by including detent/abi.h", &symbol},
    {"entry.exports", kLibrary,
     "It exports nothing else: other plugins live in the same process (R7).",
     "link with a version script: { global: detent_entry; local: *; }; detent_add_plugin does",
     &exports},
    {"entry.unique_symbols", kLibrary,
     "It has no STB_GNU_UNIQUE symbol, which the whole process would share (R7).",
     "compile with -fvisibility=hidden and link with a version script, or use -fno-gnu-unique",
     &unique_symbols},
    {"entry.stack", kLibrary, "It does not make the stack of the process executable (R7).",
     "link with -z noexecstack", &stack},
    {"entry.versions", kLibrary, "Which versions of the C and C++ libraries it needs; for reading.",
     "", &versions},
    {"entry.header", kLibrary, "Magic, versions, sizes and functions of detent_library (abi.h).",
     "fill in detent_library from the constants of detent/abi.h", &header},
    {"entry.pure", kLibrary,
     "detent_entry has no side effect and one answer (abi.h, detent_entry).",
     "return the address of one constant detent_library", &pure},
    {"entry.unknown_majors", kLibrary,
     "detent_entry gives NULL for a major that it does not speak (abi.h, detent_entry).",
     "compare abi_major with DETENT_ABI_MAJOR", &unknown_majors},
    {"entry.list", kLibrary,
     "plugin_at gives one answer below plugin_count and NULL from there on (abi.h, plugin_at).",
     "compare the index with the number of plugins", &list},
    {"entry.names_differ", kLibrary,
     "No two plugins of a kind share an id or alias, '_', '-' and case aside (abi.h, aliases).",
     "rename one of them", &names_differ},
    {"entry.nested_init", kLibrary, "init and deinit come in pairs that may nest (abi.h, init).",
     "count init and deinit, and keep no host in a global", &nested_init},
    {"entry.unloads", kLibrary, "dlclose unloads it, or it says that it stays (abi.h, deinit).",
     "thread_local objects with destructors and unique symbols pin a library: drop them, or link "
     "with -z nodelete",
     &unloads},
    {"entry.quiet_load", kLibrary, "Loading it leaves the process alone (R7).",
     "do not link with -ffast-math, and do nothing in constructors of global objects", &quiet_load},
    {"entry.fast_scan", kLibrary, "Descriptors can be read at once: no work before init (abi.h).",
     "make descriptors constants, and work in create", &fast_scan},
}};

}  // namespace

std::span<const Case> library_cases() { return kCases; }

}  // namespace detent::conformance
