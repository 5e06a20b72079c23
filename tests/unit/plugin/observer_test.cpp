// SPDX-License-Identifier: Apache-2.0
#include <cstring>

#include "fixtures.hpp"

using namespace detent;
using namespace detent::test;

namespace {

ThreadPool& pool() {
  static ThreadPool two(2);
  return two;
}

Observer make(const std::string& mode = "", std::int64_t elements = 4) {
  Observer observer(good().get(PluginKind::observer, "fixture.observer"), pool(), with_mode(mode));
  const HostTensor x("x", DETENT_F32, {elements});
  observer.observe(x.read_only());
  return observer;
}

QuantTarget int8_target(bool symmetric) {
  QuantTarget target;
  target.spec.qdtype = DETENT_I8;
  target.spec.scale_dtype = DETENT_F32;
  target.spec.zero_dtype = DETENT_I8;
  target.spec.symmetric = symmetric ? 1 : 0;
  target.spec.qmin = -64;
  target.spec.qmax = 63;
  target.scheme = "detent.affine/1";
  return target;
}

std::int64_t seen(const Observer& observer) {
  TensorStore out;
  observer.compute_stat("stat:counts/1", out);
  std::int64_t n = 0;
  std::memcpy(&n, out.find("observed")->bytes().data(), 8);
  return n;
}

std::string qparams_error(const std::string& mode, bool symmetric = false) {
  const Observer observer = make(mode);
  TensorStore out;
  const Error e = error_of([&] { observer.compute_qparams(int8_target(symmetric), out); });
  CHECK(e.code() == ErrorCode::plugin);
  const std::string place =
      "observer \"fixture.observer\" on \"fc1.weight\" broke its contract: compute_qparams: ";
  REQUIRE(e.problems()[0].message.substr(0, place.size()) == place);
  return e.problems()[0].message.substr(place.size());
}

}  // namespace

TEST_CASE("an observer accumulates, merges and is reset") {
  Observer a = make("", 4);
  const Observer b = make("", 10);
  CHECK(seen(a) == 4);
  CHECK(a.can_merge());
  a.merge(b);
  CHECK(seen(a) == 14);
  CHECK(seen(b) == 10);
  a.reset();
  CHECK(seen(a) == 0);
}

TEST_CASE("a state that was saved is loaded, and one that is damaged is an input/output error") {
  const Observer a = make("", 6);
  const std::string state = a.save_state();
  CHECK(state.size() == 8);
  Observer b = make("", 1);
  b.load_state(state);
  CHECK(seen(b) == 6);
  for (const std::string& bad : {state.substr(0, 7), state + "x", std::string()}) {
    const Error e = error_of([&] { b.load_state(bad); });
    CHECK(e.code() == ErrorCode::io);
    CHECK(contains(e.what(), "not 8 bytes"));
  }
}

TEST_CASE("scale and zero point arrive, and what was in the store before does not stay") {
  const Observer observer = make("scheme");
  TensorStore out;
  out.add("scale", DETENT_F32, {9});
  observer.compute_qparams(int8_target(false), out);
  CHECK(out.find("scale")->shape().empty());
  CHECK(static_cast<const float*>(out.find("scale")->view().data)[0] == 0.5F);
  CHECK(static_cast<const std::int8_t*>(out.find("zero_point")->view().data)[0] == 3);
  observer.compute_qparams(int8_target(true), out);
  CHECK(out.find("zero_point") == nullptr);
}

TEST_CASE("no data observed is a refusal, not a broken contract") {
  const Observer observer(good().get(PluginKind::observer, "fixture.observer"), pool(),
                          with_mode(""));
  TensorStore out;
  const Error e = error_of([&] { observer.compute_qparams(int8_target(true), out); });
  CHECK(e.code() == ErrorCode::quantization);
  CHECK(e.problems()[0].message ==
        "observer \"fixture.observer\" on \"fc1.weight\": no data observed");
}

TEST_CASE("scales and zero points that cannot be are a broken contract") {
  CHECK(qparams_error("no_scale") == "there is no \"scale\"");
  CHECK(qparams_error("zero_scale") == "element 0 of \"scale\" is not finite and above zero");
  CHECK(qparams_error("scale_dtype") == "\"scale\" is F64, the target asks for F32");
  CHECK(qparams_error("far_zero_point") == "element 0 of \"zero_point\" lies outside -64..63");
}

TEST_CASE("an observer is asked only for the statistics that it lists") {
  const Observer observer = make();
  CHECK(observer.provides("stat:counts/1"));
  CHECK_FALSE(observer.provides("stat:hessian/1"));
  TensorStore out;
  CHECK(error_of([&] { observer.compute_stat("stat:hessian/1", out); }).code() ==
        ErrorCode::config);
  CHECK(out.tensors().empty());
}

TEST_CASE("an observer without merge says so") {
  const Plugin& plugin = good().get(PluginKind::observer, "acme.nothing");
  Observer a(plugin, pool(), {});
  const Observer b(plugin, pool(), {});
  CHECK_FALSE(a.can_merge());
  CHECK(error_of([&] { a.merge(b); }).code() == ErrorCode::quantization);
}

TEST_CASE("the target reaches create, and a copy of it keeps its own text") {
  auto first = std::make_unique<QuantTarget>(int8_target(true));
  CHECK(std::string(first->c()->scheme) == "detent.affine/1");
  const QuantTarget copy = *first;
  CHECK(copy.c()->scheme == copy.scheme.c_str());
  first.reset();
  CHECK(std::string(copy.c()->scheme) == "detent.affine/1");
  InstanceConfig config = with_mode("needs_target");
  const Plugin& plugin = good().get(PluginKind::observer, "fixture.observer");
  CHECK_THROWS(Observer(plugin, pool(), config));
  config.qspec = &copy;
  CHECK_NOTHROW(Observer(plugin, pool(), config));
}

TEST_CASE("an error of an activation's observer names the layer") {
  InstanceConfig config = with_mode("unsupported", "encoder.0");
  config.role = DETENT_ROLE_ACTIVATION;
  Observer observer(good().get(PluginKind::observer, "fixture.observer"), pool(), config);
  const HostTensor x("x", DETENT_F32, {4});
  const Error e = error_of([&] { observer.observe(x.read_only()); });
  CHECK(e.problems()[0].where.layer == "encoder.0");
  CHECK(e.problems()[0].where.tensor.empty());
}

TEST_CASE("a plugin of one kind is not made into an instance of another") {
  const Plugin& plugin = good().get(PluginKind::quantizer, "fixture.quantizer");
  CHECK(error_of([&] { Observer(plugin, pool(), {}); }).code() == ErrorCode::unexpected);
}
