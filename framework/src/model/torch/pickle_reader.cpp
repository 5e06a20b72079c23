// SPDX-License-Identifier: Apache-2.0
#include "model/torch/pickle_reader.hpp"

#include <array>
#include <fmt/format.h>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "model/refuse.hpp"
#include "model/torch/pickle_bytes.hpp"

namespace detent {
namespace {

constexpr std::uint8_t kHighestProtocol = 5;

// The machine that a pickle is a program for: a stack, marks on it, and a memo.
class Machine {
 public:
  Machine(std::string_view bytes, const PickleCalls& calls, PickleTree* tree,
          const PickleLimits& limits)
      : in_(bytes), calls_(calls), tree_(*tree), limits_(limits) {}

  PickleResult run() {
    for (std::uint64_t count = 0;; ++count) {
      at_ = in_.position();
      if (count == limits_.opcodes)
        fail(fmt::format("it has more than {} opcodes", limits_.opcodes));
      const auto opcode = static_cast<unsigned char>(in_.take(1).front());
      if (opcode == '.') return {pop(), in_.position()};
      try {
        step(opcode);
      } catch (const PickleTruncated&) {
        throw;
      } catch (const PickleError& e) {
        throw PickleError(e.what(), at_, e.hint());
      } catch (const std::runtime_error& e) {  // of the calls
        fail(e.what());
      } catch (const std::length_error& e) {  // of the tree
        fail(e.what());
      }
    }
  }

 private:
  [[noreturn]] void fail(const std::string& message) const { throw PickleError(message, at_); }

  void step(unsigned char opcode) {
    if (!plain(opcode) && !text(opcode) && !container(opcode) && !memory(opcode) && !call(opcode))
      fail(fmt::format("opcode 0x{:02x} is none that torch.save writes", opcode));
  }

  // ---- the stack ----

  void push(PickleId id) {
    if (stack_.size() >= limits_.stack)
      fail(fmt::format("its stack is deeper than {}", limits_.stack));
    stack_.push_back(id);
  }
  void push(PickleValue value) { push(tree_.add(value)); }

  std::size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }
  PickleId top() const {
    if (stack_.size() <= floor()) fail("it takes from an empty stack");
    return stack_.back();
  }
  PickleId pop() {
    const PickleId id = top();
    stack_.pop_back();
    return id;
  }
  std::vector<PickleId> pop_to_mark() {
    if (marks_.empty()) fail("it goes back to a mark that was not set");
    const auto begin = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
    std::vector<PickleId> items(begin, stack_.end());
    stack_.erase(begin, stack_.end());
    marks_.pop_back();
    return items;
  }

  // ---- values ----

  bool plain(unsigned char opcode) {
    switch (opcode) {
      case 0x80: protocol(); return true;
      case 0x95: in_.number(8); return true;  // frames help whoever reads in portions
      case 'N': push(PickleValue{}); return true;
      case 0x88:
      case 0x89: push({.kind = PickleKind::boolean, .integer = opcode == 0x88}); return true;
      case 'J': push_integer(signed_number(in_.take(4))); return true;
      case 'K': push_integer(static_cast<std::int64_t>(in_.number(1))); return true;
      case 'M': push_integer(static_cast<std::int64_t>(in_.number(2))); return true;
      case 'I': integer_line(); return true;
      case 'L': push_integer(in_.decimal()); return true;
      case 0x8A: long_integer(in_.counted(1)); return true;
      case 0x8B: long_integer(in_.counted(4)); return true;
      case 'F': push({.kind = PickleKind::real, .real = in_.decimal_real()}); return true;
      case 'G': push({.kind = PickleKind::real, .real = in_.real()}); return true;
      default: return false;
    }
  }

  void protocol() {
    const std::uint64_t version = in_.number(1);
    if (version > kHighestProtocol) fail(fmt::format("it is of protocol {}", version));
  }

  void push_integer(std::int64_t value) { push({.kind = PickleKind::integer, .integer = value}); }

  // Protocol 1 has no opcodes for True and False.
  void integer_line() {
    PickleBytes ahead = in_;
    const std::string_view line = ahead.line();
    if (line != "00" && line != "01") return push_integer(in_.decimal());
    in_ = ahead;
    push({.kind = PickleKind::boolean, .integer = line == "01"});
  }

  void long_integer(std::string_view bytes) {
    // Numbers from 2^63 to 2^64 - 1 take a ninth byte for the sign; nothing here is that large.
    if (bytes.size() > 8) {
      push({.kind = PickleKind::big_integer, .text = bytes});
    } else {
      push_integer(signed_number(bytes));
    }
  }

  bool text(unsigned char opcode) {
    switch (opcode) {
      case 'X': push_text(in_.counted(4)); return true;
      case 0x8C: push_text(in_.counted(1)); return true;
      case 0x8D: push_text(in_.counted(8)); return true;
      case 'T': push_text(in_.counted(4)); return true;  // str of Python 2
      case 'U': push_text(in_.counted(1)); return true;
      case 'V': push_text(unescaped(in_.line())); return true;
      case 'S': push_text(unquoted(in_.line())); return true;
      case 'B': push({.kind = PickleKind::bytes, .text = in_.counted(4)}); return true;
      case 'C': push({.kind = PickleKind::bytes, .text = in_.counted(1)}); return true;
      case 0x8E:
      case 0x96: push({.kind = PickleKind::bytes, .text = in_.counted(8)}); return true;
      default: return false;
    }
  }

  void push_text(std::string_view value) { push({.kind = PickleKind::text, .text = value}); }

  // torch.save cannot write protocol 0, so its escapes are not worth a reader.
  std::string_view unescaped(std::string_view line) const {
    if (line.find('\\') != line.npos) fail("a string of protocol 0 with escapes is not read");
    return line;
  }
  std::string_view unquoted(std::string_view line) const {
    if (line.size() < 2 || line.front() != line.back() ||
        (line.front() != '\'' && line.front() != '"'))
      fail("a string lacks its quotation marks");
    return unescaped(line.substr(1, line.size() - 2));
  }

  // ---- containers ----

  bool container(unsigned char opcode) {
    switch (opcode) {
      case ']': make(PickleKind::list, {}); return true;
      case '}': make(PickleKind::dict, {}); return true;
      case ')': make(PickleKind::tuple, {}); return true;
      case 0x8F: make(PickleKind::set, {}); return true;
      case 'l': make(PickleKind::list, pop_to_mark()); return true;
      case 'd': make(PickleKind::dict, pairs(pop_to_mark())); return true;
      case 't': make(PickleKind::tuple, pop_to_mark()); return true;
      case 0x91: make(PickleKind::set, pop_to_mark()); return true;
      case 0x85:
      case 0x86:
      case 0x87: short_tuple(opcode - 0x84U); return true;
      case 'a': extend(PickleKind::list, {pop()}); return true;
      case 'e': extend(PickleKind::list, pop_to_mark()); return true;
      case 0x90: extend(PickleKind::set, pop_to_mark()); return true;
      case 's': set_item(); return true;
      case 'u': extend(PickleKind::dict, pairs(pop_to_mark())); return true;
      default: return false;
    }
  }

  void make(PickleKind kind, const std::vector<PickleId>& items) {
    push(tree_.add_container(kind, items));
  }

  void short_tuple(unsigned length) {
    std::vector<PickleId> items(length);
    for (unsigned i = length; i > 0; --i) items[i - 1] = pop();
    make(PickleKind::tuple, items);
  }

  std::vector<PickleId> pairs(std::vector<PickleId> items) const {
    if (items.size() % 2 != 0) fail("a key is without a value");
    return items;
  }

  void set_item() {
    const PickleId value = pop();
    const PickleId key = pop();
    extend(PickleKind::dict, {key, value});
  }

  void extend(PickleKind kind, const std::vector<PickleId>& items) {
    const PickleId target = top();
    if (tree_[target].kind != kind)
      fail(fmt::format("it adds items to {}", describe(tree_, target)));
    tree_.append(target, items);
  }

  // ---- marks and memo ----

  bool memory(unsigned char opcode) {
    switch (opcode) {
      case '(': set_mark(); return true;
      case '0': drop(); return true;
      case '1': pop_to_mark(); return true;
      case '2': push(top()); return true;
      case 'q': put(in_.number(1)); return true;
      case 'r': put(in_.number(4)); return true;
      case 'p': put(memo_index(in_.decimal())); return true;
      case 0x94: put(memo_.size()); return true;
      case 'h': get(in_.number(1)); return true;
      case 'j': get(in_.number(4)); return true;
      case 'g': get(memo_index(in_.decimal())); return true;
      default: return false;
    }
  }

  void set_mark() {
    if (marks_.size() >= limits_.stack)
      fail(fmt::format("it sets more than {} marks", limits_.stack));
    marks_.push_back(stack_.size());
  }

  // Of a mark with nothing above it, the mark itself goes.
  void drop() {
    if (!marks_.empty() && stack_.size() == marks_.back()) {
      marks_.pop_back();
    } else {
      pop();
    }
  }

  std::uint64_t memo_index(std::int64_t index) const {
    if (index < 0) fail("a place in the memo is negative");
    return static_cast<std::uint64_t>(index);
  }
  // A hash table: a place of 2^32 - 1 takes no more memory than one of 0.
  void put(std::uint64_t index) {
    memo_[index] = top();
    if (memo_.size() > limits_.memo)
      fail(fmt::format("it remembers more than {} values", limits_.memo));
  }
  void get(std::uint64_t index) {
    const auto found = memo_.find(index);
    if (found == memo_.end()) fail(fmt::format("nothing was remembered as number {}", index));
    push(found->second);
  }

  // ---- what Python would import and call ----

  bool call(unsigned char opcode) {
    switch (opcode) {
      case 'c': import_line(); return true;
      case 0x93: import_stack(); return true;
      case 'R':
      case 0x81: call_with(pop()); return true;
      case 0x92: call_with_keywords(); return true;
      case 'b': build(); return true;
      case 'Q': push(calls_.persistent(tree_, pop())); return true;
      case 'i':
      case 'o': call_class(opcode); return true;
      default: return false;
    }
  }

  void push_global(std::string_view module, std::string_view name) {
    push({.kind = PickleKind::global, .text = tree_.keep(fmt::format("{}.{}", module, name))});
  }

  void import_line() {
    const std::string_view module = in_.line();
    push_global(module, in_.line());
  }

  void import_stack() {
    const PickleValue name = tree_[pop()];
    const PickleValue module = tree_[pop()];
    if (name.kind != PickleKind::text || module.kind != PickleKind::text)
      fail("the name of a class or function is no string");
    push_global(module.text, name.text);
  }

  void call_with(PickleId arguments) {
    const PickleId callee = pop();
    if (tree_[arguments].kind != PickleKind::tuple) fail("a call's arguments are no tuple");
    push(calls_.call(tree_, callee, arguments));
  }

  void call_with_keywords() {
    const PickleId keywords = pop();
    if (tree_[keywords].kind != PickleKind::dict || !tree_.items(keywords).empty())
      fail("a call has arguments by name");
    call_with(pop());
  }

  // INST and OBJ, of protocols 0 and 1: the class comes in a line, or first of the arguments.
  void call_class(unsigned char opcode) {
    if (opcode == 'i') import_line();
    const PickleId line = opcode == 'i' ? pop() : 0;
    std::vector<PickleId> items = pop_to_mark();
    if (opcode == 'o' && items.empty()) fail("an object has no class");
    const PickleId callee = opcode == 'i' ? line : items.front();
    if (opcode == 'o') items.erase(items.begin());
    push(calls_.call(tree_, callee, tree_.add_container(PickleKind::tuple, items)));
  }

  // An OrderedDict's own attributes ("_metadata") say nothing of tensors, nor do a tensor's.
  void build() {
    const PickleId state = pop();
    const PickleId target = top();
    switch (tree_[target].kind) {
      case PickleKind::object: tree_.append(target, std::array{state}); return;
      case PickleKind::dict:
      case PickleKind::tensor: return;
      default: fail(fmt::format("it sets the state of {}", describe(tree_, target)));
    }
  }

  PickleBytes in_;
  const PickleCalls& calls_;
  PickleTree& tree_;
  const PickleLimits& limits_;
  std::uint64_t at_ = 0;  // of the opcode
  std::vector<PickleId> stack_;
  std::vector<std::size_t> marks_;
  std::unordered_map<std::uint64_t, PickleId> memo_;
};

}  // namespace

PickleResult read_pickle(std::string_view bytes, const PickleCalls& calls, PickleTree* tree,
                         const PickleLimits& limits) {
  return Machine(bytes, calls, tree, limits).run();
}

}  // namespace detent
