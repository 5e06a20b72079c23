// SPDX-License-Identifier: Apache-2.0
// What a serializer may do to a program that it is lent, and what is refused.
#include "plugin/program_lender.hpp"

#include "fixtures.hpp"
#include <detent/sdk/testing.hpp>

using namespace detent;
using namespace detent::test;
using Texts = std::vector<std::string>;

namespace {

// Writes down what it is told; fails where the test says so.
class RecordingEdit : public ProgramEdit {
 public:
  RecordingEdit(Texts& log, std::string fail_at, ErrorCode code)
      : log_(log), fail_at_(std::move(fail_at)), code_(code) {}
  void define(const std::string& source) override { note("define " + source); }
  void prepare(const std::string& name, const std::string& f,
               std::span<const EditArgument> a) override {
    note("prepare " + name + call(f, a));
  }
  void set_tensor(const std::string& name, const detent_tensor& t) override {
    note("set " + name + " " + std::to_string(t.nbytes));
  }
  void replace_operand(std::size_t use, std::size_t k, const std::string& f,
                       std::span<const EditArgument> a) override {
    note("operand " + std::to_string(use) + "." + std::to_string(k) + call(f, a));
  }
  void replace_use(std::size_t use, const std::string& f,
                   std::span<const EditArgument> a) override {
    note("use " + std::to_string(use) + call(f, a));
  }
  void replace_result(std::size_t use, const std::string& f,
                      std::span<const EditArgument> a) override {
    note("result " + std::to_string(use) + call(f, a));
  }
  void replace_reads(const std::string& t, const std::string& f,
                     std::span<const EditArgument> a) override {
    note("reads " + t + call(f, a));
  }
  void set_extra_file(const std::string& name, std::string bytes) override {
    note("extra " + name + "=" + bytes);
  }
  void write(const std::function<void(std::span<const std::byte>)>& take) override {
    note("write");
    const std::string parts[] = {"PK", "", "archive"};
    for (const std::string& part : parts) take(std::as_bytes(std::span(part)));
  }

 private:
  static std::string call(const std::string& f, std::span<const EditArgument> arguments) {
    using Kind = EditArgument::Kind;
    std::string text = ": " + f;
    for (const EditArgument& a : arguments) {
      switch (a.kind) {
        case Kind::operand: text += " operand" + std::to_string(a.operand); break;
        case Kind::tensor: text += " t:" + a.name; break;
        case Kind::prepared: text += " p:" + a.name; break;
        case Kind::integer: text += " " + std::to_string(a.integer); break;
        case Kind::real: text += " " + std::to_string(a.real); break;
        case Kind::boolean: text += a.boolean ? " true" : " false"; break;
      }
    }
    return text;
  }
  void note(const std::string& what) {
    if (!fail_at_.empty() && what.starts_with(fail_at_)) throw Error(code_, "the edit failed");
    log_.push_back(what);
  }
  Texts& log_;
  std::string fail_at_;
  ErrorCode code_;
};

ProgramView view() {
  static QuantTarget target;
  target.scheme = "detent.affine/1";
  ProgramView v;
  v.runtime = "LibTorch 2.0";
  v.tensors.push_back({{"w", DETENT_F32, {2, 3}},
                       "detent.affine/1",
                       &target,
                       {{"bits", "8"}},
                       {{"w", DETENT_I8, {2, 3}}, {"w_scale", DETENT_F32, {2}}},
                       {"qweight", "scale"}});
  v.tensors.push_back({{"b", DETENT_F32, {2}}, "", nullptr, {}, {{"b", DETENT_F32, {2}}}, {}});
  v.uses.push_back({"linear", "w", "fc", true, {}, {}});
  v.uses.push_back({"matmul", "w", "fc", false, {}, {}});
  v.uses[0].input = {DETENT_ACTIVATION_STATIC, target, "fc.input_scale", ""};
  return v;
}

// A lender in the middle of a call into a plugin.
struct Lent {
  explicit Lent(const std::string& fail_at = "", ErrorCode code = ErrorCode::quantization)
      : lender(view(), std::make_unique<RecordingEdit>(log, fail_at, code)), p(lender.c()) {
    lender.set_call(call);
  }
  std::int32_t set(const char* name, const detent_tensor* t) { return p->set_tensor(p, name, t); }
  std::int32_t reads(const char* name, std::vector<detent_program_arg> args = {}) {
    return p->replace_reads(p, name, "f", args.data(), args.size());
  }
  std::int32_t use(std::uint64_t i, std::vector<detent_program_arg> args = {}) {
    return p->replace_use(p, i, "f", args.data(), args.size());
  }
  bool refused(std::int32_t status, const char* text) {
    INFO(call.message);
    return status == DETENT_E_INVALID_ARG && contains(call.message, text) &&
           lender.mistake() == call.message;
  }

  Texts log;
  sdk::testing::Call call;
  ProgramLender lender;
  const detent_program* p;
};

const HostTensor& codes() {
  static const HostTensor tensor("w", DETENT_I8, {2, 3});
  return tensor;
}

}  // namespace

TEST_CASE("a serializer sees the operators and what is stored of the tensors") {
  Lent lent;
  CHECK(std::string(lent.p->runtime) == "LibTorch 2.0");
  REQUIRE(lent.p->n_uses == 2);
  REQUIRE(lent.p->n_tensors == 2);
  const detent_program_use* use = nullptr;
  REQUIRE(lent.p->use_at(lent.p, 0, &use) == DETENT_OK);
  CHECK(use->struct_size == sizeof(detent_program_use));
  CHECK(std::string(use->op) == "linear");
  CHECK(std::string(use->weight) == "w");
  CHECK(std::string(use->site) == "fc");
  CHECK(use->replaceable == 1);
  CHECK(use->input->mode == DETENT_ACTIVATION_STATIC);
  CHECK(std::string(use->input->scale) == "fc.input_scale");
  CHECK(use->input->zero_point == nullptr);
  CHECK(std::string(use->input->qspec->scheme) == "detent.affine/1");
  CHECK(use->output->mode == DETENT_ACTIVATION_FLOAT);
  CHECK(use->output->qspec == nullptr);
  const detent_program_tensor* t = nullptr;
  REQUIRE(lent.p->tensor_at(lent.p, 0, &t) == DETENT_OK);
  CHECK(std::string(t->original->name) == "w");
  CHECK(std::string(t->scheme) == "detent.affine/1");
  REQUIRE(t->n_stored == 2);
  CHECK(std::string(t->stored[1].name) == "w_scale");
  CHECK(std::string(t->outputs[1]) == "scale");
  CHECK(std::string(t->meta->get_meta(t->meta, "bits")) == "8");
  REQUIRE(lent.p->tensor_at(lent.p, 1, &t) == DETENT_OK);
  CHECK(t->scheme == nullptr);
  CHECK(t->qspec == nullptr);
  CHECK(t->meta == nullptr);
  CHECK(t->outputs == nullptr);
  CHECK(lent.p->use_at(lent.p, 2, &use) == DETENT_E_INVALID_ARG);
  CHECK(lent.p->tensor_at(lent.p, 0, nullptr) == DETENT_E_INVALID_ARG);
}

TEST_CASE("what a serializer says reaches the edit") {
  Lent lent;
  const detent_program* p = lent.p;
  const detent_program_arg tensor{DETENT_ARG_TENSOR, 0, 0, "w"};
  const detent_program_arg kept{DETENT_ARG_TENSOR, 0, 0, "b"};
  const detent_program_arg prepared{DETENT_ARG_PREPARED, 0, 0, "w:packed"};
  const detent_program_arg numbers[] = {{DETENT_ARG_INT, -3, 0, nullptr},
                                        {DETENT_ARG_FLOAT, 0, 0.5, nullptr},
                                        {DETENT_ARG_BOOL, 1, 0, nullptr}};
  CHECK(p->define(p, "def f(): ...") == DETENT_OK);
  CHECK(p->prepare(p, "w:packed", "pack", &tensor, 1) == DETENT_OK);
  CHECK(p->replace_operand(p, 0, 0, "f", numbers, 3) == DETENT_OK);
  CHECK(lent.use(0, {{DETENT_ARG_OPERAND, 2, 0, nullptr}, prepared, kept}) == DETENT_OK);
  CHECK(p->replace_result(p, 0, "f", nullptr, 0) == DETENT_OK);
  CHECK(p->replace_operand(p, 1, 1, "f", nullptr, 0) == DETENT_OK);
  CHECK(lent.reads("w", {tensor}) == DETENT_OK);
  CHECK(lent.set("w", codes().lent()) == DETENT_OK);
  CHECK(p->set_extra_file(p, "quantization", "{}", 2) == DETENT_OK);
  CHECK(p->warn(p, "portable_form", "because") == DETENT_OK);
  sdk::testing::Folder folder;
  folder.step = 3;
  const detent_file* file = nullptr;
  static_cast<const detent_folder*>(folder)->open(folder, "m.pt", &file);
  CHECK(p->write(p, file) == DETENT_OK);
  CHECK(lent.lender.written());
  CHECK(folder.content("m.pt") == "PKarchive");
  CHECK(lent.lender.mistake().empty());
  CHECK(lent.log == Texts{"define def f(): ...", "prepare w:packed: pack t:w",
                          "operand 0.0: f -3 0.500000 true", "use 0: f operand2 p:w:packed t:b",
                          "result 0: f", "operand 1.1: f", "reads w: f t:w", "set w 6",
                          "extra quantization={}", "write"});
  REQUIRE(lent.lender.warnings().size() == 1);
  CHECK(lent.lender.warnings()[0].code == "portable_form");
  CHECK(lent.refused(p->define(p, "more"), "after it was written"));
}

TEST_CASE("arguments that cannot be are refused") {
  using Args = std::vector<detent_program_arg>;
  const auto refused = [](const Args& args, const char* text) {
    Lent lent;
    return lent.refused(lent.use(0, args), text) && lent.log.empty();
  };
  CHECK(refused({{DETENT_ARG_OPERAND, 3, 0, nullptr}}, "operand 3: there are 3"));
  CHECK(refused({{DETENT_ARG_OPERAND, -1, 0, nullptr}}, "operand -1"));
  CHECK(refused({{DETENT_ARG_TENSOR, 0, 0, nullptr}}, "is NULL"));
  CHECK(refused({{DETENT_ARG_TENSOR, 0, 0, ""}}, "is empty"));
  CHECK(refused({{DETENT_ARG_PREPARED, 0, 0, "w"}}, "nothing is prepared"));
  CHECK(refused({{DETENT_ARG_BOOL, 2, 0, nullptr}}, "0 or 1"));
  CHECK(refused({{99, 0, 0, nullptr}}, "99 is no kind"));
  CHECK(refused(Args(65, {DETENT_ARG_INT, 0, 0, nullptr}), "more than 64"));
  Lent lent;
  CHECK(lent.refused(lent.p->replace_use(lent.p, 0, "f", nullptr, 1), "arguments are NULL"));
  Lent reads;
  CHECK(reads.refused(reads.reads("w", {{DETENT_ARG_OPERAND, 0, 0, nullptr}}), "there are 0"));
}

TEST_CASE("names and indices that are not there are refused") {
  const auto refused = [](const char* text, auto what) {
    Lent lent;
    return lent.refused(what(lent.p), text) && lent.log.empty();
  };
  using P = const detent_program*;
  CHECK(refused("use 2 of 2", [](P p) { return p->replace_use(p, 2, "f", nullptr, 0); }));
  CHECK(refused("use 2 of 2", [](P p) { return p->replace_operand(p, 2, 0, "f", nullptr, 0); }));
  CHECK(refused("use 9 of 2", [](P p) { return p->replace_result(p, 9, "f", nullptr, 0); }));
  CHECK(refused("operand 2", [](P p) { return p->replace_operand(p, 0, 2, "f", nullptr, 0); }));
  CHECK(refused("view of its weight", [](P p) { return p->replace_use(p, 1, "f", nullptr, 0); }));
  CHECK(refused("no name of a function",
                [](P p) { return p->replace_use(p, 0, "f()", nullptr, 0); }));
  CHECK(refused("is NULL", [](P p) { return p->replace_use(p, 0, nullptr, nullptr, 0); }));
  CHECK(refused("no tensor of the model",
                [](P p) { return p->replace_reads(p, "x", "f", nullptr, 0); }));
  CHECK(refused("is NULL", [](P p) { return p->define(p, nullptr); }));
  CHECK(refused("is empty", [](P p) { return p->define(p, ""); }));
  CHECK(refused("longer than", [](P p) {
    return p->define(p, std::string((std::size_t{1} << 20) + 1, 'x').c_str());
  }));
  CHECK(
      refused("no name of an extra file", [](P p) { return p->set_extra_file(p, "../x", "", 0); }));
  CHECK(refused("are NULL", [](P p) { return p->set_extra_file(p, "x", nullptr, 4); }));
  CHECK(refused("no file", [](P p) { return p->write(p, nullptr); }));
  CHECK(refused("no name", [](P p) { return p->warn(p, "not a word", "x"); }));
}

TEST_CASE("what is said twice is refused") {
  Lent lent;
  const detent_program* p = lent.p;
  REQUIRE(lent.use(0) == DETENT_OK);
  CHECK(lent.use(0) == DETENT_E_INVALID_ARG);
  CHECK(lent.call.message == "the operator of use 0 is replaced twice");
  CHECK(p->replace_operand(p, 0, 0, "f", nullptr, 0) == DETENT_E_INVALID_ARG);
  REQUIRE(p->replace_operand(p, 1, 0, "f", nullptr, 0) == DETENT_OK);
  CHECK(p->replace_operand(p, 1, 0, "f", nullptr, 0) == DETENT_E_INVALID_ARG);
  REQUIRE(lent.reads("w") == DETENT_OK);
  CHECK(lent.reads("w") == DETENT_E_INVALID_ARG);
  REQUIRE(lent.set("w", codes().lent()) == DETENT_OK);
  CHECK(lent.set("w", codes().lent()) == DETENT_E_INVALID_ARG);
  REQUIRE(p->set_extra_file(p, "x", "", 0) == DETENT_OK);
  CHECK(p->set_extra_file(p, "x", "", 0) == DETENT_E_INVALID_ARG);
  REQUIRE(p->prepare(p, "a", "f", nullptr, 0) == DETENT_OK);
  CHECK(p->prepare(p, "a", "f", nullptr, 0) == DETENT_E_INVALID_ARG);
  // The first mistake is remembered, whatever comes later.
  CHECK(lent.lender.mistake() == "the operator of use 0 is replaced twice");
}

TEST_CASE("tensors that lie about themselves are refused") {
  const auto refused = [](detent_tensor t, const char* text) {
    Lent lent;
    return lent.refused(lent.set("w", &t), text) && lent.log.empty();
  };
  const detent_tensor good = codes().read_only();
  detent_tensor t = good;
  t.nbytes = 5;
  CHECK(refused(t, "does not hold all"));
  t = good;
  t.byte_offset = UINT64_MAX;
  CHECK(refused(t, "does not hold all"));
  t = good;
  t.data = nullptr;
  CHECK(refused(t, "no data"));
  t = good;
  t.shape = nullptr;
  CHECK(refused(t, "no shape"));
  t = good;
  t.ndim = 1000;
  CHECK(refused(t, "too many dimensions"));
  t = good;
  t.dtype = DETENT_I4;
  CHECK(refused(t, "less than a byte"));
  t = good;
  t.dtype = 0;
  CHECK(refused(t, "no tensor can have"));
  t = good;
  const std::int64_t columns_first[] = {1, 2};
  t.strides = columns_first;
  CHECK(refused(t, "not compact"));
  t = good;
  const std::int64_t huge[] = {INT64_MAX, INT64_MAX};
  t.shape = huge;
  CHECK(refused(t, "no tensor can have"));
  Lent lent;
  CHECK(lent.refused(lent.set("w", nullptr), "is NULL"));
}

TEST_CASE("a program with loose ends is not written") {
  sdk::testing::Folder folder;
  const detent_file* file = nullptr;
  static_cast<const detent_folder*>(folder)->open(folder, "m.pt", &file);
  Lent changed;
  REQUIRE(changed.set("w", codes().lent()) == DETENT_OK);
  CHECK(changed.refused(changed.p->write(changed.p, file), "its reads were not replaced"));
  Lent missing;
  REQUIRE(missing.reads("w", {{DETENT_ARG_TENSOR, 0, 0, "w_scale"}}) == DETENT_OK);
  CHECK(missing.refused(missing.p->write(missing.p, file), "\"w_scale\" is an argument"));
}

TEST_CASE("between calls nothing is done") {
  Lent lent;
  lent.lender.set_call(nullptr);
  CHECK(lent.p->define(lent.p, "def f(): ...") == DETENT_E_INVALID_ARG);
  CHECK(lent.log.empty());
}

TEST_CASE("a source that does not compile leaves the rest as it was") {
  Lent lent("define");
  CHECK(lent.p->define(lent.p, "def f(): ...") == DETENT_E_UNSUPPORTED);
  CHECK(lent.call.message == "the edit failed");
  CHECK(lent.lender.failure() == nullptr);
  CHECK(lent.use(0) == DETENT_OK);
}

TEST_CASE("an edit that fails is kept for the host") {
  Lent lent("use", ErrorCode::unexpected);
  CHECK(lent.use(0) == DETENT_E_INTERNAL);
  REQUIRE(lent.lender.failure() != nullptr);
  CHECK(lent.reads("w") == DETENT_E_INTERNAL);
  CHECK(lent.log.empty());
  const Error e = error_of([&] { std::rethrow_exception(lent.lender.failure()); });
  CHECK(e.code() == ErrorCode::unexpected);
}

TEST_CASE("a full disk ends the writing") {
  Lent lent;
  sdk::testing::Folder folder;
  folder.room = 4;
  const detent_file* file = nullptr;
  static_cast<const detent_folder*>(folder)->open(folder, "m.pt", &file);
  CHECK(lent.p->write(lent.p, file) == DETENT_E_IO);
  CHECK(lent.lender.failure() == nullptr);
  CHECK_FALSE(lent.lender.written());
}
