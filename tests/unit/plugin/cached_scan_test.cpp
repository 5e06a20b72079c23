// SPDX-License-Identifier: Apache-2.0
// Scans with a cache: what they cost, and that they say what scans without one say.
#include <fmt/format.h>

#include "base/thread_pool.hpp"
#include "cached.hpp"
#include "plugin/description_bytes.hpp"
#include "plugin/sha256.hpp"

namespace fs = std::filesystem;
using namespace detent;
using namespace detent::test;

namespace {

// Everything that a scan says, in words.
std::string told(const Registry& registry) {
  std::string text;
  for (const Plugin& p : registry.plugins()) {
    text += fmt::format("{} {} {} {} {} {} {}\n", p.path.string(), p.sha256, p.origin, p.builtin,
                        p.shadowed_by, p.index, description_bytes({p}));
  }
  for (const PluginProblem& p : registry.problems()) {
    text += fmt::format("{}: {}", p.path.string(), p.reason);
    for (const std::string& name : p.names) text += " " + name;
    text += '\n';
  }
  return text;
}

std::string reason_of(const Plugin& plugin) {
  const Error e = error_of([&] { plugin.code(); });
  CHECK(e.code() == ErrorCode::plugin);
  return e.problems()[0].message;
}

}  // namespace

TEST_CASE("a library that was scanned before is listed without being hashed or loaded") {
  const CachedFolder cached("good");
  const Registry cold = cached.scan();
  CHECK(work_of(cold) == Work{2, 2, 0});
  const Registry warm = cached.scan();
  CHECK(work_of(warm) == Work{0, 0, 2});
  CHECK(warm.plugins().size() == 6);
  CHECK(told(warm) == told(cold));
  CHECK(told(Registry::scan({search(cached.folder.path())})) == told(cold));
}

TEST_CASE("what is listed from a cache is loaded when it is used, once and alone") {
  const CachedFolder cached("good");
  cached.scan();
  const Registry warm = cached.scan();
  ThreadPool pool(1);
  const Plugin& plugin = warm.get(PluginKind::observer, "acme.nothing");
  for (int i = 0; i < 3; ++i) {
    const Observer observer(plugin, pool, {});
    CHECK(work_of(warm) == Work{1, 1, 2});
  }
  const Plugin copy = warm.get(PluginKind::observer, "fixture.observer");
  CHECK(copy.code().vtbl != plugin.code().vtbl);
  CHECK(warm.get(PluginKind::quantizer, "fixture.quantizer").code().library == copy.code().library);
  CHECK(work_of(warm) == Work{2, 2, 2});
}

TEST_CASE("two hundred libraries cost two loads when two are used") {
  const CachedFolder cached("many");
  const std::string bytes = bytes_of(cached.file("template"));
  for (int i = 1; i < 200; ++i) {
    const std::string id = fmt::format("many.{:03}", i);
    cached.folder.write(id + ".detent.so", with(bytes, "many.000", id));
  }
  CHECK(work_of(cached.scan()) == Work{200, 200, 0});
  const Registry warm = cached.scan();
  CHECK(warm.plugins().size() == 200);
  CHECK(work_of(warm) == Work{0, 0, 200});
  warm.get(PluginKind::observer, "many.017").code();
  warm.get(PluginKind::observer, "many.199").code();
  CHECK(work_of(warm) == Work{2, 2, 200});
}

TEST_CASE("what a scan refuses, one with a cache refuses in the same words") {
  const TempFolder all;
  for (const fs::directory_entry& scenario : fs::directory_iterator(DETENT_FIXTURES)) {
    for (const fs::directory_entry& file : fs::directory_iterator(scenario)) {
      const std::string name = file.path().filename().string();
      fs::copy_file(file, all / (scenario.path().filename().string() + "_" + name));
    }
  }
  all.write("a_text.detent.so", "I am not a library\n");
  fs::create_symlink("nowhere", all / "dangling.detent.so");
  const TempFolder cache_folder;
  const PluginCacheFile cache{cache_folder / "c", 0};
  const std::vector<SearchFolder> folders{search(fixture_folder("other")), search(all.path())};
  const std::string without = told(Registry::scan(folders));
  CHECK(contains(without, "changes the floating-point mode"));
  CHECK(contains(without, "neither is used"));
  CHECK(contains(without, "built for ABI 0.2"));
  for (int i = 0; i < 3; ++i) CHECK(told(Registry::scan(folders, {}, cache)) == without);
  CHECK(Registry::scan(folders, {}, cache).work().from_cache > 5);
}

TEST_CASE("a file that takes the place of another with the same size and time is not the other") {
  const CachedFolder cached("other");
  cached.scan();
  const fs::file_time_type before = fs::last_write_time(cached.file());
  replace(cached.file(), with(bytes_of(cached.file()), "acme.nothing", "acme.another"));
  fs::last_write_time(cached.file(), before);
  for (int i = 0; i < 2; ++i) {  // the second time nothing of the first was kept
    const Registry warm = cached.scan();
    CHECK(work_of(warm) == Work{1, 0, 0});
    CHECK(warm.plugins().empty());
    REQUIRE(warm.problems().size() == 1);
    CHECK(contains(warm.problems()[0].reason, "was replaced after this process had loaded it"));
  }
}

TEST_CASE("a file that was written to just now is not cached") {
  CachedFolder cached("other");
  cached.cache.settled_ns = PluginCacheFile{}.settled_ns;
  for (int i = 0; i < 2; ++i) CHECK(work_of(cached.scan()) == Work{1, 1, 0});
}

TEST_CASE("a file that changes between the listing and its use is refused") {
  const CachedFolder cached("other");
  cached.scan();
  const Registry warm = cached.scan();
  replace(cached.file(), bytes_of(cached.file()));
  const Plugin& plugin = warm.get(PluginKind::observer, "acme.nothing");
  const std::string reason = "observer \"acme.nothing\" cannot be used: " + cached.file().string() +
                             ": was changed by somebody since it was listed";
  CHECK(reason_of(plugin) == reason);
  CHECK(reason_of(plugin) == reason);
  CHECK(warm.work().loaded == 0);
}

TEST_CASE("a cache that tells lies of a hash has the file refused once and is forgotten") {
  const CachedFolder cached("other");
  cached.scan();
  cached.forge("nothing", [](PluginCache::Entry& e) { e.sha256 = std::string(64, 'a'); });
  const Registry warm = cached.scan();
  CHECK(contains(reason_of(warm.plugins().at(0)),
                 "has not the contents that the plugin cache tells of"));
  CHECK(work_of(warm) == Work{1, 0, 1});
  const Registry next = cached.scan();
  CHECK(work_of(next) == Work{1, 1, 0});
  CHECK(next.plugins().at(0).code().vtbl != nullptr);
}

TEST_CASE("a cache that tells lies of what a library says has it refused once and is forgotten") {
  const CachedFolder cached("other");
  cached.scan();
  cached.forge("nothing", [](PluginCache::Entry& e) {
    e.description = with(e.description, "acme.nothing", "acme.silvery");
  });
  const Registry warm = cached.scan();
  CHECK(contains(reason_of(warm.get(PluginKind::observer, "acme.silvery")),
                 "describes its plugins otherwise than the plugin cache does"));
  CHECK(cached.scan().find(PluginKind::observer, "acme.silvery") == nullptr);
}

TEST_CASE("a cache whose descriptions are none is as good as no cache") {
  const CachedFolder cached("other");
  const std::string cold = told(cached.scan());
  for (const std::string& bytes :
       {std::string(), std::string("nonsense"), std::string(99, '\xff')}) {
    cached.forge("nothing", [&](PluginCache::Entry& e) { e.description = bytes; });
    const Registry warm = cached.scan();
    CHECK(told(warm) == cold);
    CHECK(work_of(warm) == Work{1, 1, 0});
    CHECK(work_of(cached.scan()) == Work{0, 0, 1});
  }
}

#if defined(__x86_64__)
TEST_CASE("a library that a cache calls good is still refused for what it does when loaded") {
  const CachedFolder cached("flush_to_zero");
  const CachedFolder good("other");
  good.scan();
  PluginCache known(good.cache);
  const PluginCache::Entry* entry = known.find(good.file(), *File::identity_of(good.file()));
  REQUIRE(entry != nullptr);
  const fs::path broken = cached.file("broken");
  PluginCache forged(cached.cache);
  forged.keep(broken, {*File::identity_of(broken), sha256_of(File::open_to_read(broken)),
                       entry->description});
  forged.save();
  const unsigned before = __builtin_ia32_stmxcsr() & 0xFFC0U;
  const Registry warm = cached.scan();
  CHECK(contains(reason_of(warm.plugins().at(0)), "changes the floating-point mode"));
  CHECK((__builtin_ia32_stmxcsr() & 0xFFC0U) == before);
  CHECK(contains(only_problem(cached.scan()), "changes the floating-point mode"));
}
#endif

TEST_CASE("a pinned plugin is hashed in full, whatever the cache says") {
  const CachedFolder cached("pinned");
  const std::string hash = cached.scan().plugins().at(0).sha256;
  const Registry right = cached.scan({{"int3", hash}});
  CHECK(work_of(right) == Work{1, 0, 1});
  CHECK(right.get(PluginKind::observer, "int3").code().vtbl != nullptr);
  CHECK(work_of(right) == Work{2, 1, 1});

  const std::string other(64, '1');
  const std::string refusal = only_problem(cached.scan({{"int3", other}}));
  CHECK(refusal == "is not the pinned \"int3\": its sha256 is " + hash + ", the pin is " + other);
  cached.forge("int3", [&](PluginCache::Entry& e) { e.sha256 = other; });
  const Registry lied_to = cached.scan({{"int3", other}});
  CHECK(only_problem(lied_to) == refusal);
  CHECK(lied_to.plugins().empty());
  CHECK(lied_to.work().loaded == 0);
}

TEST_CASE("a plugin that hides a pinned name is refused by what the cache knows of it") {
  const CachedFolder cached("impostor");
  cached.scan();
  const Registry warm = cached.scan({{"nihil", std::string(64, '1')}});
  CHECK(warm.plugins().empty());
  CHECK(work_of(warm) == Work{1, 0, 1});
  CHECK(contains(only_problem(warm), "is not the pinned \"nihil\""));
  CHECK(warm.problems().at(0).names == std::vector<std::string>{"helpful", "nihil", "zilch"});
}

TEST_CASE("descriptions that are cut short or changed are refused or read, and nothing else") {
  const std::string whole = description_bytes(good().plugins());
  CHECK(description_bytes(plugins_of(whole)) == whole);
  for (std::size_t n = 0; n < whole.size(); ++n) {
    CHECK_THROWS(plugins_of(std::string_view(whole).substr(0, n)));
  }
  CHECK_THROWS(plugins_of(whole + '\0'));
  std::size_t read = 0;
  for (std::size_t i = 0; i < whole.size() * 8; ++i) {
    std::string damaged = whole;
    damaged[i / 8] = static_cast<char>(damaged[i / 8] ^ (1 << (i % 8)));
    try {
      const std::vector<Plugin> plugins = plugins_of(damaged);
      CHECK(description_bytes(plugins) != whole);
      ++read;
    } catch (const std::exception&) {
    }
  }
  CHECK(read > 0);
}
