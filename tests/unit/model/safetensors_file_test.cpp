// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <cstddef>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include "model/model.hpp"
#include "support/temp_folder.hpp"
#include "unit/model/model_files.hpp"

namespace detent {
namespace {

namespace fs = std::filesystem;
using test::contains;
using test::open_refusal;
using test::safetensors;
using test::TempFolder;

constexpr const char* kTwo = R"({"fc.weight":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},)"
                             R"("fc.bias":{"dtype":"F32","shape":[2],"data_offsets":[24,32]},)"
                             R"("__metadata__":{"format":"pt"}})";

}  // namespace

TEST_CASE("A safetensors file is opened and its tensors are read") {
  const TempFolder folder;
  const fs::path path = folder.write("m.safetensors", safetensors(kTwo, 32));
  const auto model = open_model(path, {});
  CHECK(model->format() == "safetensors");
  CHECK(model->files() == std::vector<fs::path>{path});
  CHECK(model->metadata() == std::vector<std::pair<std::string, std::string>>{{"format", "pt"}});
  CHECK(model->tensor_bytes() == 32);
  CHECK(model->find("fc") == nullptr);
  const TensorInfo* bias = model->find("fc.bias");
  REQUIRE(bias != nullptr);
  CHECK(bias->layer == "fc");
  CHECK(bias->param == "bias");
  CHECK(bias->type == "Linear");
  std::vector<std::byte> out(8);
  model->read(*bias, out);
  for (std::size_t i = 0; i < 8; ++i) CHECK(std::to_integer<std::size_t>(out[i]) == 24 + i);
}

TEST_CASE("Tensors are read by several threads at once") {
  const TempFolder folder;
  const auto model = open_model(folder.write("m.safetensors", safetensors(kTwo, 32)), {});
  std::vector<std::thread> threads;
  std::vector<int> wrong(4, 0);
  for (std::size_t t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      const TensorInfo& tensor = model->tensors()[t % 2];
      std::vector<std::byte> out(tensor.nbytes);
      for (int i = 0; i < 1000; ++i) {
        model->read(tensor, out);
        if (std::to_integer<std::size_t>(out[0]) != (t % 2 == 0 ? 0U : 24U)) ++wrong[t];
      }
    });
  for (std::thread& t : threads) t.join();
  CHECK(wrong == std::vector<int>(4, 0));
}

TEST_CASE("A buffer of the wrong size is a mistake of the program") {
  const TempFolder folder;
  const auto model = open_model(folder.write("m.safetensors", safetensors(kTwo, 32)), {});
  std::vector<std::byte> out(7);
  try {
    model->read(model->tensors()[1], out);
    FAIL("no error");
  } catch (const Error& e) {
    CHECK(e.code() == ErrorCode::unexpected);
  }
}

TEST_CASE("A file that changes after it was opened is noticed") {
  const TempFolder folder;
  const fs::path path = folder.write("m.safetensors", safetensors(kTwo, 32));
  const auto model = open_model(path, {});
  std::vector<std::byte> out(24);
  const auto error = [&] { return test::refusal([&] { model->read(model->tensors()[0], out); }); };
  CHECK(error() == "accepted");
  SECTION("cut short") {
    fs::resize_file(path, fs::file_size(path) - 8);
    CHECK(contains(test::refusal([&] {
                     std::vector<std::byte> bias(8);
                     model->read(model->tensors()[1], bias);
                   }),
                   "ends at byte"));
    CHECK(contains(error(), "was changed by another program"));
  }
  SECTION("written to") {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));  // one tick of the file system
    folder.write("m.safetensors", safetensors(kTwo, 32));
    CHECK(contains(error(), "was changed by another program"));
  }
  SECTION("replaced by another file: the opened one is still what it was") {
    folder.write("new", "something else");
    fs::rename(folder / "new", path);
    CHECK(error() == "accepted");
  }
}

TEST_CASE("What is no safetensors file is refused by what it is") {
  const TempFolder folder;
  CHECK(contains(open_refusal(folder / "none.safetensors"), "cannot open: No such file"));
  CHECK(contains(open_refusal(folder.write("e.safetensors", "")), "is empty"));
  CHECK(contains(open_refusal(folder.write("z.safetensors", "PK\x03\x04" + std::string(99, 'x'))),
                 "looks like a zip archive"));
  CHECK(contains(open_refusal(folder.write("m.pt", "x")),
                 "is no file of PyTorch: it is neither a zip archive nor a pickle"));
  CHECK(contains(open_refusal(folder.write("M.BIN", "GGUF")), "it looks like a GGUF file"));
  CHECK(contains(open_refusal(folder.write("l.pth", "version https://git-lfs.github.com")),
                 "git lfs pull"));
  CHECK(contains(open_refusal(folder.write("m.onnx", "x")),
                 "unsupported file extension .onnx\nhint: use a .safetensors file or a Hugging"));
  CHECK(contains(open_refusal(folder.write("m.gguf", "x")), "unsupported file extension .gguf"));
  CHECK(contains(open_refusal(folder.write("model", "x")), "has no file extension"));
  CHECK(contains(open_refusal(folder.write("model.safetensors.index.json", "{}")),
                 "give the path of the folder"));
}

TEST_CASE("A FIFO, a device or an unreadable file is refused and does not block") {
  const TempFolder folder;
  const fs::path fifo = folder / "f.safetensors";
  REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
  CHECK(contains(open_refusal(fifo), "is a FIFO, not a regular file"));
  fs::create_symlink("/dev/zero", folder / "d.safetensors");
  CHECK(contains(open_refusal(folder / "d.safetensors"), "is a device"));
  fs::create_symlink("l.safetensors", folder / "l.safetensors");
  CHECK(contains(open_refusal(folder / "l.safetensors"), "cannot open"));
  CHECK(contains(open_refusal(folder / std::string(5000, 'n')), "cannot open"));
  const fs::path closed = folder.write("c.safetensors", safetensors("{}", 0));
  fs::permissions(closed, fs::perms::none);
  if (::geteuid() != 0) CHECK(contains(open_refusal(closed), "Permission denied"));
}

TEST_CASE("A model cut at any byte is refused") {
  const TempFolder folder;
  const std::string whole = safetensors(kTwo, 32);
  for (std::size_t n = 0; n < whole.size(); ++n) {
    INFO(n);
    CHECK(open_refusal(folder.write("m.safetensors", whole.substr(0, n))) != "accepted");
  }
  CHECK(open_refusal(folder.write("m.safetensors", whole + "x")) != "accepted");
  CHECK(open_refusal(folder.write("m.safetensors", whole)) == "accepted");
}

}  // namespace detent
