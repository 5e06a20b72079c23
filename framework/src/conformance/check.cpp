// SPDX-License-Identifier: Apache-2.0
#include "conformance/check.hpp"

#include <algorithm>
#include <cstring>
#include <exception>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/text.hpp"
#include "conformance/child.hpp"
#include "conformance/subject.hpp"
#include "conformance/tables.hpp"
#include "json/parse.hpp"
#include "plugin/plugin.hpp"
#include "plugin/sha256.hpp"

namespace detent::conformance {
namespace {

// The last one; it judges by the output of all the others.
constexpr std::string_view kStdoutCase = "boundary.stdout";

// What a case may take says nothing of how long a library takes to be loaded.
constexpr std::chrono::milliseconds kListing{10000};

struct Listed {
  std::string id;
  std::uint32_t kind = 0;
};

json::Value answer_of(const char* status, const std::string& message, const std::string& hint) {
  return json::Object{
      {"status", status}, {"message", printable(message)}, {"hint", printable(hint)}};
}

// In the child, or in this process for a debugger.
std::string run_case(const Case& test, Subject& subject) {
  const auto answer = [&] {
    try {
      return answer_of("pass", test.run(subject), "");
    } catch (const Failure& f) {
      return answer_of("fail", f.message, f.hint.empty() ? test.hint : f.hint);
    } catch (const Skip& s) {
      return answer_of("skip", s.reason, "");
    } catch (const std::exception& e) {
      return answer_of("fail", std::string("unexpected: ") + e.what(), test.hint);
    }
  };
  return json::dump(answer());
}

Outcome outcome_of(const std::string& status) {
  return status == "pass" ? Outcome::pass : status == "skip" ? Outcome::skip : Outcome::fail;
}

std::string last_line(const std::string& text) {
  const std::string_view all = std::string_view(text).substr(0, text.find_last_not_of("\n \t") + 1);
  return printable(all.substr(all.rfind('\n') + 1));
}

std::string text_at(const json::Value& answer, const char* pointer) {
  const json::Value* v = answer.at_pointer(pointer);
  return v != nullptr && v->if_string() != nullptr ? *v->if_string() : "";
}

// A process that ended without an answer.
void explain_end(const ChildResult& child, std::chrono::milliseconds timeout, CaseResult& result) {
  result.outcome = child.end == ChildResult::End::timed_out ? Outcome::timeout : Outcome::crash;
  if (child.end == ChildResult::End::timed_out)
    result.message = fmt::format("no end after {} s", static_cast<double>(timeout.count()) / 1000);
  if (child.end == ChildResult::End::crashed)
    result.message = "ended by " + signal_name(child.signal);
  if (child.end == ChildResult::End::exited)
    result.message = fmt::format("ended the process with exit status {}", child.exit_status);
  if (const std::string said = last_line(child.err); !said.empty())
    result.message += ", having said: " + said;
  result.hint = std::string(result.test->hint);
}

class Checker {
 public:
  Checker(const std::filesystem::path& file, const CheckOptions& options,
          const std::function<void(const SubjectResults&, const CaseResult&)>& done)
      : file_(std::filesystem::absolute(file)), options_(options), done_(done) {}

  CheckReport run() {
    CheckReport report{file_, sha256_of(File::open_to_read(file_)), {}};
    require_matching_case();
    const std::vector<Listed> plugins = list();
    SubjectResults library{"", "library", {}};
    for (const Case* test : all_cases())
      if (wanted(*test, kLibrary)) run(*test, 0, library);
    report.subjects.push_back(std::move(library));
    bool found = options_.id.empty();
    for (std::size_t i = 0; i < plugins.size(); ++i) {
      if (!options_.id.empty() && plugins[i].id != options_.id) continue;
      found = true;
      report.subjects.push_back(run_plugin(plugins[i], i));
    }
    if (!found) refuse_id(plugins);
    return report;
  }

 private:
  bool wanted(const Case& test, unsigned concerns) const {
    if ((test.concerns & concerns) == 0) return false;
    return options_.only.empty() || glob_match(options_.only, test.name);
  }

  void require_matching_case() const {
    std::vector<std::string> names;
    for (const Case* test : all_cases()) {
      if (options_.only.empty() || glob_match(options_.only, test->name)) return;
      names.emplace_back(test->name);
    }
    const std::string near = nearest_name(options_.only, names);
    throw Error(ErrorCode::config, fmt::format("no case matches \"{}\"", options_.only),
                near.empty() ? "see detent plugins check --list"
                             : fmt::format("did you mean \"{}\"?", near));
  }

  [[noreturn]] void refuse_id(const std::vector<Listed>& plugins) const {
    std::vector<std::string> ids;
    for (const Listed& p : plugins) ids.push_back(p.id);
    throw Error(ErrorCode::config,
                fmt::format("{} has no plugin \"{}\"", file_.string(), options_.id),
                ids.empty() ? "it lists none" : "it has " + join_words(ids));
  }

  // What the library says it has; nothing when it cannot be loaded, which a case will say.
  std::vector<Listed> list() const {
    const ChildResult child =
        run_in_child([&] { return describe(); }, std::max(options_.timeout, kListing));
    std::vector<Listed> plugins;
    if (child.end != ChildResult::End::answered) return plugins;
    const json::Value answer = json::parse(child.answer);
    for (const json::Value& p : *answer.if_array()) {
      std::uint64_t kind = 0;
      p.at_pointer("/kind")->to_uint(&kind);
      plugins.push_back({text_at(p, "/id"), static_cast<std::uint32_t>(kind)});
    }
    return plugins;
  }

  std::string describe() const {
    json::Array plugins;
    try {
      Subject subject(file_, options_.seed, {});
      const std::uint64_t n = subject.library().plugin_count();
      for (std::uint64_t i = 0; i < std::min<std::uint64_t>(n, 1024); ++i) {
        subject.choose(i);
        const detent_plugin& p = subject.plugin();
        plugins.push_back(json::Object{{"id", printable(p.id != nullptr ? p.id : "")},
                                       {"kind", static_cast<std::int64_t>(p.kind)}});
      }
    } catch (const Failure&) {
    }
    return json::dump(std::move(plugins));
  }

  SubjectResults run_plugin(const Listed& plugin, std::size_t index) {
    printed_.clear();
    const bool known = plugin.kind >= 1 && plugin.kind <= 4;
    SubjectResults results{
        plugin.id, known ? to_string(static_cast<PluginKind>(plugin.kind)) : "unknown", {}};
    for (const Case* test : all_cases())
      if (wanted(*test, known ? 1U << plugin.kind : kEveryPlugin)) run(*test, index, results);
    return results;
  }

  void run(const Case& test, std::size_t index, SubjectResults& into) {
    CaseResult result{&test, Outcome::pass, {}, {}, 0};
    const auto work = [&] {
      Subject subject(file_, options_.seed, options_.params);
      subject.choose(index);
      return run_case(test, subject);
    };
    ChildResult child;
    if (options_.in_process) {
      child.answer = work();
      child.end = ChildResult::End::answered;
    } else {
      child = run_in_child(work, options_.timeout);
    }
    result.milliseconds = child.milliseconds;
    if (child.end != ChildResult::End::answered) {
      explain_end(child, options_.timeout, result);
    } else {
      const json::Value answer = json::parse(child.answer);
      result.outcome = outcome_of(text_at(answer, "/status"));
      result.message = text_at(answer, "/message");
      result.hint = text_at(answer, "/hint");
    }
    if (!child.out.empty() && printed_.empty())
      printed_ = fmt::format("printed to stdout in {}: {}", test.name, last_line(child.out));
    if (test.name == kStdoutCase && result.outcome == Outcome::pass && !printed_.empty()) {
      result.outcome = Outcome::fail;
      result.message = printed_;
      result.hint = test.hint;
    }
    into.cases.push_back(std::move(result));
    if (done_) done_(into, into.cases.back());
  }

  std::filesystem::path file_;
  const CheckOptions& options_;
  const std::function<void(const SubjectResults&, const CaseResult&)>& done_;
  std::string printed_;  // by this plugin, in whatever case came first
};

}  // namespace

const char* to_string(Outcome outcome) {
  switch (outcome) {
    case Outcome::pass: return "pass";
    case Outcome::fail: return "fail";
    case Outcome::skip: return "skip";
    case Outcome::crash: return "crash";
    case Outcome::timeout: return "timeout";
  }
  return "";
}

Totals CheckReport::totals() const {
  Totals totals;
  for (const SubjectResults& s : subjects) {
    for (const CaseResult& c : s.cases) {
      if (c.outcome == Outcome::pass)
        ++totals.passed;
      else if (c.outcome == Outcome::skip)
        ++totals.skipped;
      else
        ++totals.failed;
    }
  }
  return totals;
}

std::vector<const Case*> all_cases() {
  std::vector<const Case*> all;
  for (const auto& table : {library_cases(), descriptor_cases(), parameter_cases(),
                            observer_cases(), observer_input_cases(), observer_merge_cases(),
                            observer_state_cases(), observer_stat_cases(), quantizer_cases(),
                            quantizer_rule_cases(), serializer_cases(), serializer_fault_cases(),
                            serializer_reading_cases(), validator_cases(), validator_fault_cases(),
                            boundary_cases(), process_cases()})
    for (const Case& test : table) all.push_back(&test);
  return all;
}

CheckReport check_plugin_file(
    const std::filesystem::path& file, const CheckOptions& options,
    const std::function<void(const SubjectResults&, const CaseResult&)>& done) {
  return Checker(file, options, done).run();
}

}  // namespace detent::conformance
