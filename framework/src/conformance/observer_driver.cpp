// SPDX-License-Identifier: Apache-2.0
#include "conformance/observer_driver.hpp"

#include "base/text.hpp"
#include "conformance/any_plugin.hpp"

namespace detent::conformance {
namespace {

constexpr detent_qspec make_spec(std::int32_t granularity, std::int32_t axis, bool symmetric) {
  detent_qspec spec{};
  spec.struct_size = sizeof spec;
  spec.qdtype = spec.zero_dtype = DETENT_I8;
  spec.scale_dtype = DETENT_F32;
  spec.symmetric = symmetric ? 1 : 0;
  spec.granularity = granularity;
  spec.axis = axis;
  spec.qmin = symmetric ? -127 : -128;
  spec.qmax = 127;
  spec.scheme = "detent.affine/1";
  return spec;
}

constexpr detent_qspec make_groups() {
  detent_qspec spec = make_spec(DETENT_PER_GROUP, 0, false);
  spec.qdtype = DETENT_I4;
  spec.group_size = 16;
  spec.qmin = -8;
  spec.qmax = 7;
  return spec;
}

constexpr std::array<Target, 5> kTargets = {{
    {"asymmetric, per tensor", make_spec(DETENT_PER_TENSOR, 0, false)},
    {"symmetric, per tensor", make_spec(DETENT_PER_TENSOR, 0, true)},
    {"symmetric, per channel of axis 0", make_spec(DETENT_PER_CHANNEL, 0, true)},
    {"asymmetric, per channel of axis 1", make_spec(DETENT_PER_CHANNEL, 1, false)},
    {"asymmetric int4, per group of 16", make_groups()},
}};

std::int64_t groups_of(std::int64_t row, std::int64_t size) { return (row + size - 1) / size; }

std::int64_t row_length(const Shape& tensor) {
  if (tensor.size() < 2) return tensor.empty() ? 1 : tensor[0];
  std::int64_t n = 1;
  for (std::size_t d = 1; d < tensor.size(); ++d) n *= tensor[d];
  return n;
}

}  // namespace

std::span<const Target> all_targets() { return kTargets; }

Shape scale_shape(const detent_qspec& target, const Shape& tensor) {
  if (target.granularity == DETENT_PER_TENSOR) return {};
  if (target.granularity == DETENT_PER_CHANNEL)
    return {tensor.at(static_cast<std::size_t>(target.axis))};
  const std::int64_t rows = tensor.size() < 2 ? 1 : tensor[0];
  return {rows, groups_of(row_length(tensor), target.group_size)};
}

std::vector<std::size_t> scale_index(const detent_qspec& target, const Shape& tensor) {
  const std::uint64_t n = count_elements(tensor);
  std::vector<std::size_t> index(n, 0);
  std::uint64_t inner = 1;
  const auto axis = static_cast<std::size_t>(target.axis);
  for (std::size_t d = axis + 1; d < tensor.size(); ++d)
    inner *= static_cast<std::uint64_t>(tensor[d]);
  const auto row = static_cast<std::uint64_t>(row_length(tensor));
  const auto size = static_cast<std::uint64_t>(target.group_size);
  for (std::uint64_t i = 0; i < n; ++i) {
    if (target.granularity == DETENT_PER_CHANNEL)
      index[i] = i / inner % static_cast<std::uint64_t>(tensor[axis]);
    if (target.granularity == DETENT_PER_GROUP)
      index[i] = i / row * ((row + size - 1) / size) + i % row / size;
  }
  return index;
}

bool takes_batches(Subject& subject, const Target& target) {
  World world;
  ObserverUnderTest o(subject, world, target);
  const Input x(DETENT_F32, {2, 8}, subject.random().bells(16));
  o.observe(*x);
  const std::int32_t status = o.try_observe(*x);
  if (status == DETENT_OK) return true;
  expect(status == DETENT_E_INVALID_ARG || status == DETENT_E_UNSUPPORTED,
         "observe of a second tensor returned {}", status_name(status));
  expect(!world.text().empty(), "observe refused a second tensor without a text");
  return false;
}

ObserverUnderTest::ObserverUnderTest(Subject& subject, World& world, const Target& target)
    : subject_(subject),
      world_(world),
      target_(target),
      vtbl_(subject.vtbl<detent_observer_vtbl>()),
      configuration_(std::make_unique<Configuration>(
          subject.params(DETENT_ROLE_NONE), DETENT_ROLE_NONE, &target.spec, world.minor())) {
  const std::int32_t status = world_.call("create", [&](const detent_call* call) {
    return vtbl_.create(world_.host(), call, configuration_->c(), &handle_);
  });
  expect_instance_or_refusal(status, handle_ != nullptr);
  const bool is_refusal =
      status == DETENT_E_UNSUPPORTED || status == DETENT_E_PARAMS || status == DETENT_E_NO_MEMORY;
  if (status != DETENT_OK && !is_refusal)
    fail("create returned {}: {}", status_name(status), printable(world_.text()));
}

ObserverUnderTest::~ObserverUnderTest() {
  if (handle_ != nullptr) vtbl_.destroy(handle_);
}

std::int32_t ObserverUnderTest::try_observe(const detent_tensor& x) {
  return world_.call("observe",
                     [&](const detent_call* call) { return vtbl_.observe(handle_, call, &x); });
}

void ObserverUnderTest::observe(const detent_tensor& x) {
  world_.must("observe", [&](const detent_call* call) { return vtbl_.observe(handle_, call, &x); });
}

void ObserverUnderTest::reset() {
  world_.must("reset", [&](const detent_call* call) { return vtbl_.reset(handle_, call); });
}

void ObserverUnderTest::merge(const ObserverUnderTest& other) {
  world_.must("merge",
              [&](const detent_call* call) { return vtbl_.merge(handle_, call, other.handle_); });
}

std::string ObserverUnderTest::save(std::uint64_t step) {
  Bytes bytes({}, step);
  world_.must("save_state", [&](const detent_call* call) {
    return vtbl_.save_state(handle_, call, bytes.out());
  });
  return bytes.content();
}

std::int32_t ObserverUnderTest::load(const std::string& content, std::uint64_t step) {
  Bytes bytes(content, step);
  return world_.call("load_state", [&](const detent_call* call) {
    return vtbl_.load_state(handle_, call, bytes.in());
  });
}

std::int32_t ObserverUnderTest::try_qparams(Answers* answers) {
  Sink sink(world_.minor());
  const Lent<detent_qspec> spec(target_.spec, world_.minor(),
                                DETENT_SIZE_UPTO(detent_qspec, scheme));
  const std::int32_t status = world_.call("compute_qparams", [&](const detent_call* call) {
    return vtbl_.compute_qparams(handle_, call, spec.c(), sink.c());
  });
  Answers made = sink.take();
  if (answers != nullptr && status == DETENT_OK) *answers = std::move(made);
  return status;
}

Answers ObserverUnderTest::qparams() {
  Answers answers;
  const std::int32_t status = try_qparams(&answers);
  if (status != DETENT_OK && status != DETENT_E_NOT_READY && status != DETENT_E_UNSUPPORTED)
    fail("compute_qparams returned {}: {}", status_name(status), printable(world_.text()));
  return answers;
}

Answers ObserverUnderTest::stat(const std::string& id) {
  Sink sink(world_.minor());
  const std::int32_t status = world_.call("compute_stat", [&](const detent_call* call) {
    return vtbl_.compute_stat(handle_, call, id.c_str(), sink.c());
  });
  Answers made = sink.take();
  if (status == DETENT_E_NOT_READY) return {};
  if (status != DETENT_OK)
    fail("compute_stat({}) returned {}: {}", id, status_name(status), printable(world_.text()));
  return made;
}

Answers ObserverUnderTest::ask() {
  Answers answers = qparams();
  if (!has_stats()) return answers;
  for (const std::string& id : subject_.provides()) {
    if (!id.starts_with("stat:")) continue;
    for (auto& [name, made] : stat(id)) answers[id + " " + name] = std::move(made);
  }
  return answers;
}

}  // namespace detent::conformance
