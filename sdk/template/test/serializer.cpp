// SPDX-License-Identifier: Apache-2.0
// Loads the built library as a host does and drives it: @NAME@_test <path of @NAME@.detent.so>.
#include <cstdio>

#include <detent/sdk/testing.hpp>

namespace testing = detent::sdk::testing;

static int failures = 0;
#define CHECK(condition) \
  if (!(condition)) ++failures, std::fprintf(stderr, "line %d: %s\n", __LINE__, #condition)

static const testing::Params no_params;

// A matrix, given column by column, and packed codes; metadata that is known last.
static int32_t write(const testing::Serializer& s, testing::Call& call, testing::Folder& folder) {
  const testing::Tensor a({2, 2}, {1, 2}, std::vector<float>{1, 3, 2, 4});
  testing::Tensor b(testing::Tensor::Zeros{}, DETENT_I4, {3});
  b.bytes()[0] = 0x21, b.bytes()[1] = 0x03;
  const detent_tensor_spec a_spec = a.spec("a"), b_spec = b.spec("b");
  CHECK(s->begin(s, call, folder, "model.tensors") == DETENT_OK);
  CHECK(s->declare(s, call, &a_spec) == DETENT_OK);
  CHECK(s->declare(s, call, &b_spec) == DETENT_OK);
  CHECK(s->set_metadata(s, call, "note", "\"      \"") == DETENT_OK);
  int32_t status = s->add_tensor(s, call, "a", a);
  if (status == DETENT_OK) status = s->add_tensor(s, call, "b", b);
  if (status == DETENT_OK) status = s->set_metadata(s, call, "note", "\"late\"");
  if (status == DETENT_OK) status = s->finish(s, call);
  return status;
}

static void reads_what_it_wrote(const detent_plugin& plugin) {
  const testing::Serializer s(plugin, no_params.config("", nullptr));
  testing::Call call;
  testing::Folder folder;
  folder.step = 7;  // the host takes and gives seven bytes at a time
  CHECK(write(s, call, folder) == DETENT_OK);
  uint64_t n = 0;
  CHECK(s->open(s, call, folder, "model.tensors", &n) == DETENT_OK);
  CHECK(n == 2);
  detent_tensor_spec spec{};
  CHECK(s->tensor_at(s, call, 1, &spec) == DETENT_OK);
  CHECK(std::string(spec.name) == "b" && spec.dtype == DETENT_I4 && spec.shape[0] == 3);
  CHECK(s->tensor_at(s, call, 2, &spec) == DETENT_E_INVALID_ARG);
  const testing::Tensor a(testing::Tensor::Zeros{}, DETENT_F32, {2, 2});
  CHECK(s->read_tensor(s, call, 0, a) == DETENT_OK);
  CHECK((a.values<float>() == std::vector<float>{1, 2, 3, 4}));
  const testing::Tensor b(testing::Tensor::Zeros{}, DETENT_I4, {3});
  CHECK(s->read_tensor(s, call, 1, b) == DETENT_OK);
  CHECK(b.raw()[0] == 0x21 && b.raw()[1] == 0x03);
  testing::Store metadata;
  CHECK(s->read_metadata(s, call, metadata.sink()) == DETENT_OK);
  CHECK(metadata.meta["note"].find("\"late\"") == 0);
  s->close(s);
}

static void refuses_broken_files(const detent_plugin& plugin) {
  const testing::Serializer s(plugin, no_params.config("", nullptr));
  testing::Call call;
  testing::Folder whole;
  CHECK(write(s, call, whole) == DETENT_OK);
  const std::string bytes = whole.content("model.tensors");
  uint64_t n = 0;
  for (size_t size = 0; size + 8 < bytes.size(); size += 8) {  // cut off after `size` bytes
    testing::Folder folder;
    const detent_file* file = nullptr;
    const detent_folder* c = folder;
    CHECK(c->open(c, "model.tensors", &file) == DETENT_OK);
    if (size != 0) file->pwrite(file, 0, bytes.data(), size);
    CHECK(s->open(s, call, folder, "model.tensors", &n) == DETENT_E_IO);
  }
}

static void keeps_the_order_of_calls(const detent_plugin& plugin) {
  const testing::Serializer s(plugin, no_params.config("", nullptr));
  testing::Call call;
  testing::Folder folder;
  CHECK(s->finish(s, call) == DETENT_E_INVALID_ARG);
  const testing::Tensor a({1}, std::vector<float>{1});
  const detent_tensor_spec spec = a.spec("a");
  CHECK(s->begin(s, call, folder, "model.tensors") == DETENT_OK);
  CHECK(s->declare(s, call, &spec) == DETENT_OK);
  CHECK(s->declare(s, call, &spec) == DETENT_E_INVALID_ARG);
  CHECK(s->add_tensor(s, call, "b", a) == DETENT_E_INVALID_ARG);
  CHECK(s->finish(s, call) == DETENT_E_INVALID_ARG);
  CHECK(call.message.find("\"a\"") == 0);
  s->abort(s);
}

static void reports_a_full_disk(const detent_plugin& plugin) {
  const testing::Serializer s(plugin, no_params.config("", nullptr));
  testing::Call call;
  testing::Folder folder;
  folder.room = 100;
  CHECK(write(s, call, folder) == DETENT_E_IO);
  s->abort(s);
}

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const testing::Library library{std::string(argv[1])};
  const detent_plugin& plugin = library.plugin("@ID@");
  reads_what_it_wrote(plugin);
  refuses_broken_files(plugin);
  keeps_the_order_of_calls(plugin);
  reports_a_full_disk(plugin);
  return failures == 0 ? 0 : 1;
}
