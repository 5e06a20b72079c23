// SPDX-License-Identifier: Apache-2.0
#include <cstdlib>
#include <fstream>
#include <iterator>

#include "fixtures.hpp"
#include "support/other_table.hpp"
#include "support/temp_folder.hpp"

namespace fs = std::filesystem;
using namespace detent;
using namespace detent::test;

namespace {

ThreadPool& pool() {
  static ThreadPool two(2);
  return two;
}

std::string read(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

const Plugin& fixture() { return good().get(PluginKind::serializer, "fixture.serializer"); }

Serializer make(const std::string& mode = "", const Plugin& plugin = fixture()) {
  InstanceConfig config = with_mode(mode, "model.bin");
  config.role = DETENT_ROLE_NONE;
  return Serializer(plugin, pool(), config);
}

std::string with_alias(const Plugin& plugin) {
  const TempFolder folder;
  Serializer serializer = make("", plugin);
  serializer.begin(folder.path(), "model.bin");
  serializer.declare({"w", DETENT_F32, {2, 3}});
  serializer.declare_alias("also", "w");
  serializer.finish();
  return read(folder / "model.bin");
}

}  // namespace

TEST_CASE("a serializer is called in order and its files are named") {
  const TempFolder folder;
  Serializer serializer = make("subfolder");
  const HostTensor w("w", DETENT_F32, {2, 3});
  serializer.begin(folder.path(), "model.bin");
  serializer.declare({"w", DETENT_F32, {2, 3}});
  serializer.set_metadata("format", "\"pt\"");
  serializer.add_tensor("w", w.read_only());
  CHECK(serializer.finish() == std::vector<std::string>{"parts/one/a.bin", "model.bin"});
  CHECK(read(folder / "model.bin") == "declare w\nmeta format=\"pt\"\nadd w 24\n");
}

TEST_CASE("a serializer is told of aliases, and one that knows none is not asked") {
  CHECK(with_alias(fixture()) == "declare w\nalias also = w\n");

  Plugin older = fixture();  // compiled when the table was shorter
  detent_serializer_vtbl table = *static_cast<const detent_serializer_vtbl*>(older.code().vtbl);
  table.struct_size = DETENT_SIZE_UPTO(detent_serializer_vtbl, get_extension);
  older.source = with_table(older, &table);
  CHECK(with_alias(older) == "declare w\n");
  table.struct_size = sizeof table;
  table.declare_alias = nullptr;
  CHECK(with_alias(older) == "declare w\n");
}

TEST_CASE("a serializer that is not finished is aborted and leaves nothing") {
  const TempFolder folder;
  ::unsetenv("DETENT_FIXTURE_ABORTED");
  {
    Serializer serializer = make("subfolder");
    serializer.begin(folder.path(), "model.bin");
    CHECK(fs::exists(folder / "model.bin"));
  }
  CHECK(std::getenv("DETENT_FIXTURE_ABORTED") != nullptr);
  CHECK(fs::is_empty(folder.path()));
}

TEST_CASE("what fails in a serializer names the file and the system's reason") {
  const TempFolder folder;
  folder.write("existing.bin", "mine");
  Serializer existing = make("existing");
  const Error taken = error_of([&] { existing.begin(folder.path(), "model.bin"); });
  CHECK(taken.code() == ErrorCode::io);
  CHECK(taken.problems()[0].message ==
        "cannot create " + (folder / "existing.bin").string() + ": File exists");
  CHECK(read(folder / "existing.bin") == "mine");

  ::unsetenv("DETENT_FIXTURE_ABORTED");
  {
    Serializer far = make("far");
    far.begin(folder.path(), "far.bin");
    far.set_metadata("k", "1");
    const Error e = error_of([&] { far.finish(); });
    CHECK(e.code() == ErrorCode::io);
    CHECK(contains(e.what(), "far.bin: File too large"));
  }
  CHECK(std::getenv("DETENT_FIXTURE_ABORTED") == nullptr);  // finish or abort, not both
  CHECK_FALSE(fs::exists(folder / "far.bin"));
}

TEST_CASE("a serializer cannot write outside its folder") {
  const TempFolder folder;
  fs::create_directory(folder / "out");
  Serializer serializer = make("outside");
  CHECK(error_of([&] { serializer.begin(folder / "out", "model.bin"); }).code() ==
        ErrorCode::plugin);
  CHECK_FALSE(fs::exists(folder / "escaped"));
}

TEST_CASE("a tensor that a serializer refuses is a quantization error that names it") {
  const TempFolder folder;
  Serializer serializer = make("refuse_tensor");
  const HostTensor w("fc1.weight", DETENT_I4, {2, 3});
  serializer.begin(folder.path(), "model.bin");
  const Error e = error_of([&] { serializer.add_tensor("fc1.weight", w.read_only()); });
  CHECK(e.code() == ErrorCode::quantization);
  CHECK(e.problems()[0].message ==
        "serializer \"fixture.serializer\" on \"fc1.weight\": this format has no int4");
  CHECK(e.problems()[0].where.tensor == "fc1.weight");
}

TEST_CASE("a serializer is not used before begin nor after finish") {
  const TempFolder folder;
  Serializer serializer = make();
  CHECK(error_of([&] { serializer.finish(); }).code() == ErrorCode::unexpected);
  serializer.begin(folder.path(), "model.bin");
  serializer.finish();
  CHECK(error_of([&] { serializer.set_metadata("k", "1"); }).code() == ErrorCode::unexpected);
}
