// SPDX-License-Identifier: Apache-2.0
#include "conformance/writing_life.hpp"

#include "conformance/serializer_sample.hpp"
#include "conformance/validator_driver.hpp"

namespace detent::conformance {
namespace {

// Everything that the reading side gives; the status alone where a call fails.
std::string read_back(Subject& subject, World& world, const Files& files) {
  SerializerUnderTest s(subject, world);
  if (!s.made()) return "not made";
  MemoryFolder folder(files);
  std::uint64_t n = 0;
  std::int32_t status = s.open(folder, &n);
  if (status != DETENT_OK) return "open: " + status_name(status);
  std::string all = fmt::format("{} tensors", n);
  for (std::uint64_t i = 0; i < n && status == DETENT_OK; ++i) {
    detent_tensor_spec spec{};
    status = s.tensor_at(i, &spec);
    if (status == DETENT_OK) all += spec.name;
  }
  Sink sink(world.minor());
  if (status == DETENT_OK) status = s.read_metadata(sink);
  s.close();
  if (status != DETENT_OK) return "reading: " + status_name(status);
  for (const auto& [key, json] : sink.meta()) all += key + json;
  return all;
}

}  // namespace

std::string live_as_serializer(Subject& subject, World& world) {
  const Sample sample = small_sample(subject);
  Files files;
  bool can_read = false;
  {
    SerializerUnderTest s(subject, world);
    if (!s.made()) return "not made";
    can_read = s.can_read();
    MemoryFolder folder;
    const CallsResult written = s.try_write(sample, folder);
    if (written.status != DETENT_OK)
      return written.call.substr(0, 20) + ": " + status_name(written.status);
    files = folder.files();
  }
  std::string all;
  for (const auto& [name, content] : files) all += name + content;
  return can_read ? all + read_back(subject, world, files) : all;
}

std::string live_as_validator(Subject& subject, World& world) {
  Random random = subject.random();
  const Exhibit sound = quantized_exhibit("fc.weight", random);
  const std::vector<Exhibit> exhibits = {sound, kept_exhibit("fc.bias", {12}, random),
                                         faulty(sound, "code out of range"),
                                         faulty(sound, "stored bytes differ")};
  ValidatorUnderTest v(subject, world, {.may_starve = true});
  if (!v.made()) return "not made";
  const std::string all = text_of(v.run(exhibits, good_output()));
  return v.starved() ? "no memory" : all;
}

void provoke_serializer(Subject& subject, World& world, const Refusal& refused) {
  const Sample sample = small_sample(subject);
  SerializerUnderTest s(subject, world);
  MemoryFolder folders[3];
  s.announce(sample, folders[0]);
  refused("add_tensor of what was not declared",
          s.add_tensor("not.declared", sample.tensors[0].second), s.text());
  s.abort();
  s.announce(sample, folders[1]);
  refused("finish without the tensors", s.finish(), s.text());
  MemoryFolder full({.failing = 0});
  const CallsResult written = s.try_write(sample, full);
  refused("a file that cannot be written", written.status, written.text);
  if (!s.can_read()) return;
  std::uint64_t n = 0;
  MemoryFolder none(Files{});
  refused("open of a file that is not there", s.open(none, &n), s.text());
  MemoryFolder strange(Files{{main_file(subject), "what is no model"}});
  refused("open of what is no model", s.open(strange, &n), s.text());
}

}  // namespace detent::conformance
