// SPDX-License-Identifier: Apache-2.0
// Serializers through the ABI: a file of one 64 MiB tensor, from begin to finish, which syncs.
#include <cstdlib>
#include <filesystem>

#include "support/temp_folder.hpp"
#include "works.hpp"

namespace detent::bench {
namespace {

void write_file(const Plugin& plugin, const std::filesystem::path& folder, const std::string& file,
                const HostTensor& x, unsigned threads) {
  Serializer serializer(plugin, pool(threads), instance_config(plugin, "{}", DETENT_ROLE_NONE));
  serializer.begin(folder, file);
  serializer.declare({x.name(), x.dtype(), x.shape()});
  serializer.set_metadata("format", "\"pt\"");
  serializer.add_tensor(x.name(), x.read_only());
  serializer.finish();
  std::filesystem::remove(folder / file);
}

void add(std::vector<Work>& works, const char* id, const char* extension, unsigned threads) {
  const std::string file = std::string("model") + extension;
  const auto make = [=]() -> std::function<void()> {
    auto x = weight(DETENT_F32, kLarge);
    auto folder = std::make_shared<test::TempFolder>();
    const Plugin& plugin = plugins().get(PluginKind::serializer, id);
    return [=, &plugin] { write_file(plugin, folder->path(), file, *x, threads); };
  };
  works.push_back({work_name(std::string("write_") + id, DETENT_F32, kLarge, threads),
                   static_cast<std::uint64_t>(kLarge.rows * kLarge.columns) * 4, make});
}

}  // namespace

void add_serializers(std::vector<Work>& works) {
  add(works, "safetensors", ".safetensors", 1);
  add(works, "state_dict", ".pt", 1);
}

}  // namespace detent::bench
