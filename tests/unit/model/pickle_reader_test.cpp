// SPDX-License-Identifier: Apache-2.0
#include "model/torch/pickle_reader.hpp"

#include "model/torch/torch_calls.hpp"
#include "model_files.hpp"
#include "support/catch.hpp"
#include "support/torch_archive.hpp"

namespace detent::test {
namespace {

using namespace std::string_literals;

// A pickle as one line of text: what json.dumps would say, nearly.
std::string text_of(const PickleTree& tree, PickleId id, int depth = 0) {
  const PickleValue& value = tree[id];
  const auto items = [&](const char* open, const char* close) {
    std::string text = open;
    if (depth < 8)
      for (const PickleId item : tree.items(id)) text += text_of(tree, item, depth + 1) + " ";
    return text + close;
  };
  switch (value.kind) {
    case PickleKind::none: return "None";
    case PickleKind::boolean: return value.integer != 0 ? "True" : "False";
    case PickleKind::integer: return std::to_string(value.integer);
    case PickleKind::big_integer: return "big" + std::to_string(value.text.size());
    case PickleKind::real: return std::to_string(value.real);
    case PickleKind::text: return "'" + std::string(value.text) + "'";
    case PickleKind::bytes: return "b'" + std::string(value.text) + "'";
    case PickleKind::list: return items("[ ", "]");
    case PickleKind::tuple: return items("( ", ")");
    case PickleKind::dict: return items("{ ", "}");
    case PickleKind::set: return items("< ", ">");
    case PickleKind::global: return "global " + std::string(value.text);
    case PickleKind::object: return std::string(value.text) + items("{ ", "}");
    default: return "?";
  }
}

std::string read(const std::string& bytes, bool torchscript = false) {
  PickleTree tree;
  try {
    const PickleResult result = read_pickle(bytes, TorchCalls(torchscript), &tree);
    return text_of(tree, result.root);
  } catch (const PickleError& e) {
    return "byte " + std::to_string(e.position()) + ": " + e.what();
  }
}

}  // namespace

TEST_CASE("Pickles that Python wrote are read, of every protocol") {
  // pickle.dumps({"a": [1, -2, 300, 70000, 2**40, 2.5, True, None], "t": (1, (), b"x", "\xfc")}, n)
  CHECK(read("}q\x00(X\x01\x00\x00\x00"s
             "aq\x01]q\x02(K\x01J\xfe\xff\xff\xffM,\x01Jp\x11\x01\x00L1099511627776L\n"
             "G@\x04\x00\x00\x00\x00\x00\x00I01\nNeX\x01\x00\x00\x00"
             "tq\x03(K\x01)K\x07tq\x04u."s) ==
        "{ 'a' [ 1 -2 300 70000 1099511627776 2.500000 True None ] 't' ( 1 ( ) 7 ) }");
  CHECK(
      read("\x80\x02}q\x00(X\x01\x00\x00\x00"s
           "aq\x01]q\x02(K\x01J\xfe\xff\xff\xffM,\x01Jp\x11\x01\x00\x8a\x06\x00\x00\x00\x00\x00\x01"
           "G@\x04\x00\x00\x00\x00\x00\x00\x88NeX\x01\x00\x00\x00tq\x03(K\x01)X\x02\x00\x00\x00"
           "\xc3\xbcq\x07tq\x08u."s) ==
      "{ 'a' [ 1 -2 300 70000 1099511627776 2.500000 True None ] 't' ( 1 ( ) '\xc3\xbc' ) }");
  CHECK(read("\x80\x04\x95/\x00\x00\x00\x00\x00\x00\x00}\x94(\x8c\x01"
             "a\x94]\x94(K\x01J\xfe\xff\xff\xff\x88Ne\x8c\x01t\x94K\x01)C\x01x\x94\x87\x94u."s) ==
        "{ 'a' [ 1 -2 True None ] 't' ( 1 ( ) b'x' ) }");
  CHECK(read("\x80\x04\x8f\x94(K\x01K\x02\x90(K\x03\x91\x86."s) == "( < 1 2 > < 3 > )");
  CHECK(read("(I12\nF0.5\nS'it'\nVis\nl."s) == "[ 12 0.500000 'it' 'is' ]");
  CHECK(read("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."s) == "big10");
  CHECK(read("\x80\x02\x8a\x00\x8a\x01\xff\x86."s) == "( 0 -1 )");
}

TEST_CASE("A function that a pickle calls is refused by its name, with its place") {
  const auto refused = [](const std::string& module, const std::string& name) {
    const std::string text = read(
        pickle::whole(pickle::call(pickle::global(module, name), pickle::text("touch /tmp/x"))));
    return contains(text, "refuses \"" + module + "." + name + "\"");
  };
  CHECK(refused("posix", "system"));
  CHECK(refused("os", "system"));
  CHECK(refused("builtins", "eval"));
  CHECK(refused("__builtin__", "exec"));
  CHECK(refused("subprocess", "Popen"));
  CHECK(refused("torch.jit", "load"));
  CHECK(refused("torch._utils", "_rebuild_tensor_v2_"));
  CHECK(refused("torch.serialization", "_load"));
  CHECK(refused("numpy.core.multiarray", "_reconstruct"));
  CHECK(refused("__torch__", "Net"));  // which only TorchScript archives may hold
  // By every other opcode that calls or makes objects.
  CHECK(contains(read("\x80\x02"
                      "cposix\nsystem\n(X\x01\x00\x00\x00xt\x81."s),
                 "posix.system"));
  CHECK(contains(read("\x80\x04\x8c\x05posix\x8c\x06system\x93)R."s), "refuses \"posix.system\""));
  CHECK(contains(read("\x80\x04\x8c\x05posix\x8c\x06system\x93)}\x92."s), "\"posix.system\""));
  CHECK(contains(read("(X\x01\x00\x00\x00xiposix\nsystem\n."s), "refuses \"posix.system\""));
  CHECK(contains(read("(cposix\nsystem\nX\x01\x00\x00\x00xo."s), "refuses \"posix.system\""));
  CHECK(read("\x80\x02"
             "cposix\nsystem\n)R."s)
            .starts_with("byte 17: "));
  // Named and not called, it is a name.
  CHECK(read("cposix\nsystem\n."s) == "global posix.system");
}

TEST_CASE("A pickled module is refused with what to save instead") {
  PickleTree tree;
  try {
    const std::string bytes =
        pickle::whole(pickle::global("torch.nn.modules.linear", "Linear") + ")\x81}b");
    read_pickle(bytes, TorchCalls(false), &tree);
    FAIL("accepted");
  } catch (const PickleError& e) {
    CHECK(contains(e.what(), "refuses \"torch.nn.modules.linear.Linear\""));
    CHECK(contains(e.hint(), "torch.save(model.state_dict(), path)"));
  }
}

TEST_CASE("Objects of TorchScript's own classes are opaque, with their state") {
  const std::string bytes = pickle::whole(pickle::global("__torch__.a", "Net") + ")\x81" +
                                          pickle::dict(pickle::text("x") + "K\x01") + "b");
  CHECK(read(bytes, true) == "__torch__.a.Net{ { 'x' 1 } }");
}

TEST_CASE("A pickle that breaks the rules of its machine is refused at the byte where it does") {
  CHECK(read("."s) == "byte 0: it takes from an empty stack");
  CHECK(read("K\x01(0K\x02"
             "0."s) == "1");  // POP takes a mark, or a value
  CHECK(contains(read("K\x01(R."s), "byte 3: it takes from an empty stack"));
  CHECK(contains(read("t."s), "a mark that was not set"));
  CHECK(contains(read("}(K\x01u."s), "a key is without a value"));
  CHECK(contains(read("K\x01K\x02"
                      "a."s),
                 "adds items to an int"));
  CHECK(contains(read("]K\x01K\x02s."s), "adds items to a list"));
  CHECK(contains(read("h\x05."s), "nothing was remembered as number 5"));
  CHECK(contains(read("j\xff\xff\xff\xff."s), "nothing was remembered as number 4294967295"));
  CHECK(contains(read("g-1\n."s), "is negative"));
  CHECK(contains(read("K\x01g99999999999999999999\n."s), "is no number"));
  CHECK(contains(read("K\x01K\x02"
                      "b."s),
                 "sets the state of an int"));
  CHECK(contains(read("\x80\x06N."s), "of protocol 6"));
  CHECK(contains(read("\x82\x01."s), "opcode 0x82 is none"));
  CHECK(contains(read("Px\n."s), "opcode 0x50 is none"));
  CHECK(contains(read("K\x01)R."s), "it calls an int"));
  CHECK(contains(read("ca\nb\nK\x01R."s), "arguments are no tuple"));
  CHECK(contains(read("K\x01Q."s), "a persistent id is no tuple"));
}

TEST_CASE("Lengths in a pickle are checked against its bytes") {
  CHECK(contains(read("X\xff\xff\xff\xff"
                      "abc"s),
                 "4294967295 bytes are needed where 3 are left"));
  CHECK(contains(read("\x8d\xff\xff\xff\xff\xff\xff\xff\xff"
                      "abc"s),
                 "are needed where 3 are left"));
  CHECK(contains(read("\x8b\xff\xff\xff\x7f."s), "are needed where 1 are left"));
  CHECK(contains(read("B\x04\x00\x00\x00"
                      "abc"s),
                 "4 bytes are needed"));
  CHECK(contains(read("cos"s), "a line does not end"));
  CHECK(contains(read("c" + std::string(5000, 'a') + "\nb\n."), "a line is longer"));
  CHECK(contains(read("(((((("s), "1 bytes are needed where 0 are left"));
}

TEST_CASE("A place in the memo far away takes no memory") {
  CHECK(read("K\x07r\xff\xff\xff\xff"
             "0j\xff\xff\xff\xff."s) == "7");
}

TEST_CASE("A pickle can be nested, or contain itself, without harm to its reader") {
  CHECK(read(std::string(500'000, ']') + std::string(499'999, 'a') + ".").starts_with("[ [ [ "));
  CHECK(read("]q\x00h\x00"
             "a."s)
            .starts_with("[ [ [ "));
}

TEST_CASE("Limits on opcodes, stack, memo and memory end a pickle that goes on and on") {
  const auto with = [](const std::string& bytes, const PickleLimits& limits,
                       std::uint64_t memory = PickleTree::kMaxBytes) {
    PickleTree tree(memory);
    return refusal([&] {
      try {
        read_pickle(bytes, TorchCalls(false), &tree, limits);
      } catch (const PickleError& e) {
        throw Error(ErrorCode::io, e.what());
      }
    });
  };
  const std::string nones(1000, 'N');
  CHECK(with(nones + ".", {}) == "accepted");
  CHECK(contains(with(nones + ".", {.opcodes = 999}), "more than 999 opcodes"));
  CHECK(contains(with(nones + ".", {.stack = 999}), "its stack is deeper than 999"));
  CHECK(contains(with(std::string(1000, '(') + ".", {.stack = 999}), "more than 999 marks"));
  CHECK(
      contains(with("N" + std::string(1000, '\x94') + ".", {.memo = 999}), "more than 999 values"));
  CHECK(contains(with(nones + ".", {}, 20'000), "describes more values than are read"));
  CHECK(contains(with("(" + nones + "l.", {}, 42'000), "describes more values"));
}

TEST_CASE("Tensors are rebuilt only from arguments that PyTorch gives") {
  const auto rebuilt = [](const std::string& arguments) {
    return read(pickle::whole(
        pickle::call(pickle::global("torch._utils", "_rebuild_tensor_v2"), arguments)));
  };
  using pickle::integer, pickle::integers, pickle::storage;
  const std::string floats = storage("FloatStorage", "0", 6);
  CHECK(rebuilt(floats + integer(0) + integers({2, 3}) + integers({3, 1})) == "?");
  CHECK(contains(rebuilt(integer(0) + integer(0) + integers({}) + integers({})), "arguments of"));
  CHECK(contains(rebuilt(floats + integer(-1) + integers({}) + integers({})), "arguments of"));
  CHECK(contains(rebuilt(floats + integer(0) + integers({-2}) + integers({1})), "shape holds -2"));
  CHECK(contains(rebuilt(floats + integer(0) + integers({2}) + integers({-1})), "stride holds -1"));
  CHECK(contains(rebuilt(floats + integer(0) + integers({2}) + integers({1, 1})), "1 sizes and 2"));
  const std::vector<std::int64_t> many(65, 1);
  CHECK(contains(rebuilt(floats + integer(0) + integers(many) + integers(many)), "has 65 axes"));
  CHECK(contains(rebuilt(storage("FloatStorage", "0", INT64_MAX)), "larger than 2^64"));
  CHECK(contains(rebuilt(storage("StringStorage", "0", 1)), "\"torch.StringStorage\""));
  CHECK(contains(rebuilt(storage("FloatStorage", "0", -1)), "not that of a storage"));
}

}  // namespace detent::test
