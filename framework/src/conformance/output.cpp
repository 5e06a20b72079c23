// SPDX-License-Identifier: Apache-2.0
#include "conformance/output.hpp"

#include <algorithm>
#include <cstring>

namespace detent::conformance {
namespace {

bool is_failure(const CaseResult& r) {
  return r.outcome != Outcome::pass && r.outcome != Outcome::skip;
}

json::Value to_json(const SubjectResults& subject) {
  json::Array cases;
  for (const CaseResult& r : subject.cases)
    cases.push_back(json::Object{{"name", r.test->name},
                                 {"status", to_string(r.outcome)},
                                 {"rule", r.test->rule},
                                 {"message", r.message},
                                 {"hint", r.hint},
                                 {"ms", r.milliseconds}});
  return json::Object{{"id", subject.id}, {"kind", subject.kind}, {"cases", std::move(cases)}};
}

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '&': out += "&amp;"; break;
      case '"': out += "&quot;"; break;
      case '\n': out += "&#10;"; break;
      default: out += c;
    }
  }
  return out;
}

std::string junit_case(const SubjectResults& subject, const CaseResult& r) {
  std::string inner;
  const std::string body =
      escaped(r.message + "\nrule: " + r.test->rule + (r.hint.empty() ? "" : "\nhint: " + r.hint));
  if (r.outcome == Outcome::skip)
    inner = fmt::format("<skipped message=\"{}\"/>", escaped(r.message));
  if (r.outcome == Outcome::fail)
    inner = fmt::format("<failure message=\"{}\">{}</failure>", escaped(r.message), body);
  if (r.outcome == Outcome::crash || r.outcome == Outcome::timeout)
    inner = fmt::format("<error type=\"{}\" message=\"{}\">{}</error>", to_string(r.outcome),
                        escaped(r.message), body);
  const std::string owner = subject.id.empty() ? "library" : escaped(subject.id);
  return fmt::format("    <testcase classname=\"{}\" name=\"{}\" time=\"{:.3f}\">{}</testcase>\n",
                     owner, r.test->name, r.milliseconds / 1000, inner);
}

std::string junit_suite(const SubjectResults& subject) {
  std::string cases;
  double time = 0;
  int failures = 0;
  int errors = 0;
  int skipped = 0;
  for (const CaseResult& r : subject.cases) {
    cases += junit_case(subject, r);
    time += r.milliseconds / 1000;
    failures += r.outcome == Outcome::fail;
    errors += r.outcome == Outcome::crash || r.outcome == Outcome::timeout;
    skipped += r.outcome == Outcome::skip;
  }
  const std::string name = subject.id.empty() ? "library" : subject.kind + " " + subject.id;
  return fmt::format(
      "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" "
      "skipped=\"{}\" time=\"{:.3f}\">\n{}  </testsuite>\n",
      escaped(name), subject.cases.size(), failures, errors, skipped, time, cases);
}

std::string concerned(unsigned concerns) {
  if (concerns == kEveryPlugin) return "every plugin";
  std::string all;
  for (const auto& [bit, name] : {std::pair{kLibrary, "library"},
                                  {kObserver, "observers"},
                                  {kQuantizer, "quantizers"},
                                  {kSerializer, "serializers"},
                                  {kValidator, "validators"}})
    if ((concerns & bit) != 0) all += (all.empty() ? "" : ", ") + std::string(name);
  return all;
}

}  // namespace

std::string to_text(const SubjectResults& subject, const CaseResult& r) {
  const std::string owner = subject.id.empty() ? "" : subject.id + ": ";
  std::string text = fmt::format("{:<7} {}{}", to_string(r.outcome), owner, r.test->name);
  if (!is_failure(r)) return text + (r.message.empty() ? "" : " (" + r.message + ")") + "\n";
  text += fmt::format("\n        {}\n  rule  {}\n", r.message, r.test->rule);
  if (!r.hint.empty()) text += fmt::format("  hint  {}\n", r.hint);
  return text;
}

std::string closing_line(const CheckReport& report) {
  const Totals t = report.totals();
  return fmt::format("{} passed, {} failed, {} skipped", t.passed, t.failed, t.skipped);
}

json::Value to_json(const CheckReport& report) {
  json::Array plugins;
  for (const SubjectResults& s : report.subjects)
    if (!s.id.empty()) plugins.push_back(to_json(s));
  const Totals t = report.totals();
  return json::Object{
      {"file", report.file.string()},
      {"sha256", report.sha256},
      {"library", to_json(report.subjects.front())},
      {"plugins", std::move(plugins)},
      {"totals", json::Object{{"passed", t.passed}, {"failed", t.failed}, {"skipped", t.skipped}}}};
}

std::string to_junit(const CheckReport& report) {
  std::string suites;
  for (const SubjectResults& s : report.subjects) suites += junit_suite(s);
  const Totals t = report.totals();
  return fmt::format(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"{}\" "
      "tests=\"{}\" failures=\"{}\" skipped=\"{}\">\n{}</testsuites>\n",
      escaped(report.file.filename().string()), t.passed + t.failed + t.skipped, t.failed,
      t.skipped, suites);
}

std::string list_cases() {
  std::size_t width = 0;
  for (const Case* c : all_cases()) width = std::max(width, std::strlen(c->name));
  std::string text;
  for (const Case* c : all_cases()) text += fmt::format("{:<{}}  {}\n", c->name, width, c->rule);
  return text;
}

json::Value list_cases_json() {
  json::Array cases;
  for (const Case* c : all_cases())
    cases.push_back(json::Object{{"name", c->name},
                                 {"concerns", concerned(c->concerns)},
                                 {"rule", c->rule},
                                 {"hint", c->hint}});
  return json::Object{{"cases", std::move(cases)}};
}

}  // namespace detent::conformance
