// SPDX-License-Identifier: Apache-2.0
// The options of every command, the exit codes, and what goes to which stream in which characters.
#include <algorithm>
#include <limits>
#include <regex>
#include <set>
#include <sstream>

#include "support/catch.hpp"
#include "support/json_at.hpp"
#include "support/program.hpp"
#include "support/tiny_model.hpp"

namespace detent::test {
namespace {

using Words = std::vector<std::string>;
using Options = std::set<std::string>;  // "-s,--set"

constexpr const char* kPipeline = R"({
  "model": {"path": "model.safetensors"},
  "rules": [{"match": {"type": "Linear"}, "weight": {"quantizer": "int8"}}],
  "outputs": [{"serializer": "safetensors", "path": "out/q.safetensors"}],
  "validation": {"validators": ["sqnr", "size", "weight_range", "roundtrip"]},
  "report": {"path": "out"}
})";

struct Job {
  TempFolder folder;
  Job() {
    write_safetensors(folder / "model.safetensors", tiny_network());
    write_file(folder / "p.json", kPipeline);
  }
  std::string path(const std::string& name) const { return (folder / name).string(); }
  Outcome detent(Words words) const {
    for (std::string& w : words)
      if (w.starts_with("@")) w = path(w.substr(1));
    return run_detent(words);
  }
};

Options options_in_help(Words command) {
  command.push_back("--help");
  std::istringstream help(run_detent(command).out);
  static const std::regex option(R"(^  (-[A-Za-z],)?(--[a-z-]+))");
  Options found;
  std::smatch match;
  for (std::string line; std::getline(help, line);)
    if (std::regex_search(line, match, option)) found.insert(match[1].str() + match[2].str());
  found.erase("-h,--help");
  return found;
}

bool is_ascii(const std::string& text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return c == '\n' || (c >= ' ' && c <= '~'); });
}

}  // namespace

TEST_CASE("every option has its long form, the common ones a short one", "[cli][options]") {
  const Options everywhere = {"-V,--version", "-J,--json", "-q,--quiet", "-v,--verbose",
                              "-P,--plugin-path"};
  const std::vector<std::pair<Words, Options>> table = {
      {{}, everywhere},
      {{"run"},
       {"-s,--set", "-S,--strict", "-j,--threads", "-f,--overwrite", "-g,--progress", "--state",
        "--memory-limit", "--trust-model"}},
      {{"plan"}, {"-s,--set", "-S,--strict", "-j,--threads", "--memory-limit", "--trust-model"}},
      {{"observe"},
       {"-s,--set", "-S,--strict", "-j,--threads", "-f,--overwrite", "-g,--progress", "--state",
        "--shard", "--trust-model"}},
      {{"config", "check"}, {"-s,--set", "-S,--strict"}},
      {{"config", "schema"}, {}},
      {{"plugins", "list"}, {}},
      {{"plugins", "show"}, {}},
      {{"plugins", "try"}, {"-d,--data", "-p,--params", "-t,--target", "--html"}},
      {{"inspect"}, {}},
      {{"compare"}, {}},
      {{"dequantize"}, {"-f,--overwrite"}},
      {{"verify"}, {}},
      {{"report"}, {}},
      {{"doctor"}, {}},
  };
  const std::string page = read_file(DETENT_CLI_PAGE);
  for (const auto& [command, expected] : table) {
    CAPTURE(command);
    CHECK(options_in_help(command) == expected);
    for (const std::string& option : expected) {
      CAPTURE(option);
      CHECK(page.find("`" + option.substr(option.find("--"))) != std::string::npos);
      if (option[1] != '-') CHECK(page.find("`" + option.substr(0, 2) + "`") != std::string::npos);
    }
  }
}

TEST_CASE("a short option does what the long one does", "[cli][options]") {
  const Job job;
  CHECK(run_detent({"-V"}).out == run_detent({"--version"}).out);
  CHECK(job.detent({"plan", "@p.json", "-J"}).out == job.detent({"plan", "@p.json", "--json"}).out);
  REQUIRE(job.detent({"run", "@p.json"}).exit_code == 0);
  CHECK(job.detent({"run", "@p.json"}).exit_code == 5);
  CHECK(job.detent({"run", "@p.json", "-f", "-q"}).exit_code == 0);
  CHECK(job.detent({"plan", "@p.json", "-S", "-s", "/rules=[]"}).exit_code == 2);
  CHECK(job.detent({"run", "@nothing.json", "-J"}).out.find("\"error\"") != std::string::npos);
}

// Code 1 is for mistakes of the program, which no input is known to bring about; 130 and 143 need a
// signal.
TEST_CASE("every kind of failure has its exit code", "[cli][options]") {
  const Job job;
  write_file(job.folder / "no_plugin.detent.so", "this is no library");
  std::vector<float> values(16 * 64, 1.0F);
  values[3] = -std::numeric_limits<float>::infinity();
  write_safetensors(job.folder / "infinite.safetensors", {f32("fc1.weight", {16, 64}, values)});
  struct Case {
    int code;
    Words words;
  };
  const Case cases[] = {
      {0, {"run", "@p.json"}},
      {2, {"run", "@p.json", "--no-such-option"}},
      {2, {"run", "@p.json", "-f", "--set", "/rules/0/weight/quantizer=int5"}},
      {2, {"run", "@p.json", "-f", "--strict", "--set", "/rules=[]"}},
      {3, {"run", "@p.json", "-f", "--set", "/model/path=infinite.safetensors"}},
      {4,
       {"run", "@p.json", "-f", "--set",
        R"(/validation/validators=[{"id": "sqnr", "params": {"critical_db": 99, "warn_db": 99}}])"}},
      {5, {"run", "@p.json", "-f", "--set", "/model/path=nothing.safetensors"}},
      {5, {"run", "@p.json"}},  // the output exists
      {6, {"plugins", "show", "@no_plugin.detent.so"}},
  };
  for (const Case& c : cases) {
    CAPTURE(c.words);
    const Outcome outcome = job.detent(c.words);
    INFO(outcome.err);
    CHECK(outcome.exit_code == c.code);
    CHECK((outcome.err.find("error: ") == 0) == (c.code != 0));
  }
}

TEST_CASE("mistakes of a pipeline are all told before the model is opened", "[cli][options]") {
  const Job job;
  write_file(job.folder / "p.json", R"({
    "model": {"path": "nothing.safetensors"},
    "rules": [{"weight": {"quantizer": "int4_groupwise", "params": {"group_size": 0}}},
              {"weight": {"observer": "middle", "quantizer": "int8"}}],
    "outputs": [{"serializer": "safetensors", "path": "q.onnx"}]})");
  const Outcome outcome = job.detent({"run", "@p.json"});
  INFO(outcome.err);
  CHECK(outcome.exit_code == 2);
  for (const char* words : {"p.json:3:", "p.json:4:", "p.json:5:", "middle", "group_size", ".onnx"})
    CHECK(outcome.err.find(words) != std::string::npos);
  CHECK(outcome.err.find("nothing.safetensors") == std::string::npos);
}

TEST_CASE("what the program says is ASCII", "[cli][options]") {
  const Job job;
  REQUIRE(job.detent({"run", "@p.json"}).exit_code == 0);
  const std::vector<Words> all = {{"--help"},
                                  {"run", "--help"},
                                  {"run", "@p.json", "--overwrite"},
                                  {"run", "@p.json"},
                                  {"run", "@p.json", "--overwrite", "--progress", "json"},
                                  {"plan", "@p.json"},
                                  {"plan", "@p.json", "--set", "/rules=[]"},
                                  {"config", "check", "@p.json"},
                                  {"config", "check", "@p.json", "--set", "/rulez=1"},
                                  {"config", "schema"},
                                  {"plugins", "list"},
                                  {"plugins", "show", "histogram"},
                                  {"plugins", "try", "minmax", "--data", "@model.safetensors"},
                                  {"inspect", "@out/q.safetensors"},
                                  {"compare", "@model.safetensors", "@out/q.safetensors"},
                                  {"dequantize", "@out/q.safetensors", "@float.safetensors"},
                                  {"verify", "@out/q.safetensors"},
                                  {"report", "@out"},
                                  {"doctor"}};
  for (const Words& words : all) {
    CAPTURE(words);
    const Outcome outcome = job.detent(words);
    CHECK(is_ascii(outcome.out));
    CHECK(is_ascii(outcome.err));
    CHECK_FALSE((outcome.out + outcome.err).empty());
  }
}

TEST_CASE("progress as JSON is a line for every tensor, on standard error", "[cli][options]") {
  const Job job;
  const Outcome outcome = job.detent({"run", "@p.json", "--progress", "json", "--json"});
  REQUIRE(outcome.exit_code == 0);
  const json::Value report = json::parse(outcome.out);
  std::vector<std::string> items;
  double done = 0;
  std::istringstream lines(outcome.err);
  for (std::string line; std::getline(lines, line);) {
    const json::Value event = json::parse(line);
    CHECK(text(event, "/event") == "progress");
    CHECK(text(event, "/unit") == "bytes");
    CHECK(number(event, "/done") >= done);
    done = number(event, "/done");
    CHECK(number(event, "/total") == number(report, "/totals/bytes_before"));
    if (event.at_pointer("/item") != nullptr) items.push_back(text(event, "/item"));
  }
  CHECK(done == number(report, "/totals/bytes_before"));
  std::vector<std::string> planned;
  for (const json::Value& t : list(report, "/plan/tensors")) planned.push_back(text(t, "/name"));
  CHECK(items == planned);
}

TEST_CASE("a run that goes well says nothing on standard error", "[cli][options]") {
  const Job job;
  CHECK(job.detent({"run", "@p.json"}).err.empty());
  CHECK(job.detent({"run", "@p.json", "-f", "--progress", "none"}).err.empty());
  const Outcome quiet = job.detent({"run", "@p.json", "-f", "--quiet"});
  CHECK(quiet.err.empty());
  CHECK(quiet.out.empty());
  const Outcome unknown = job.detent({"run", "@p.json", "-f", "--progress", "gui"});
  CHECK(unknown.exit_code == 2);
  CHECK(unknown.err.find("json") != std::string::npos);
}

TEST_CASE("warnings are told on standard error, in the report, and not with --quiet",
          "[cli][options]") {
  const Job job;
  const Words none = {"run", "@p.json", "-f", "--set", "/rules=[]"};
  const auto with = [&](const char* option) {
    Words words = none;
    words.emplace_back(option);
    return job.detent(words);
  };
  const Outcome warned = with("--json");
  CHECK(warned.exit_code == 0);
  CHECK(warned.err.find("[nothing_to_quantize]") != std::string::npos);
  CHECK_FALSE(
      text(item(json::parse(warned.out), "/warnings", "code", "nothing_to_quantize"), "/message")
          .empty());
  CHECK(with("--quiet").err.empty());
  CHECK(with("--verbose").err.find("nothing_to_quantize") != std::string::npos);
}

}  // namespace detent::test
