// SPDX-License-Identifier: Apache-2.0
#include "config/problems.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <tuple>

namespace detent {
namespace {

constexpr std::size_t kMostProblems = 100;

bool is_inside(std::string_view pointer, std::string_view root) {
  return pointer.starts_with(root) &&
         (pointer.size() == root.size() || pointer[root.size()] == '/');
}

}  // namespace

const AppliedOverride* Source::override_of(std::string_view pointer) const {
  const auto it = std::find_if(overrides.rbegin(), overrides.rend(), [&](const AppliedOverride& o) {
    return is_inside(pointer, o.root);
  });
  return it == overrides.rend() ? nullptr : &*it;
}

Where Source::locate(const std::string& pointer, json::Position position) const {
  Where where;
  where.pointer = pointer;
  if (const AppliedOverride* o = override_of(pointer)) {
    where.file = "--set " + o->given;
    if (o->target == pointer) return where;  // the value as a whole: 1:1 says nothing
  } else {
    where.file = file;
  }
  where.line = position.line;
  where.column = position.column;
  return where;
}

void Problems::add(const std::string& pointer, json::Position position, std::string message,
                   std::string hint) {
  add({std::move(message), std::move(hint), source_.locate(pointer, position)});
}

void Problems::add(Problem problem) {
  if (problems_.size() < kMostProblems) {
    problems_.push_back(std::move(problem));
  } else {
    ++left_out_;
  }
}

bool Problems::any_inside(std::string_view pointer) const {
  return std::any_of(problems_.begin(), problems_.end(),
                     [&](const Problem& p) { return is_inside(p.where.pointer, pointer); });
}

void Problems::throw_if_any(ErrorCode code) {
  if (problems_.empty()) return;
  std::stable_sort(problems_.begin(), problems_.end(), [](const Problem& a, const Problem& b) {
    return std::tie(a.where.file, a.where.line, a.where.column) <
           std::tie(b.where.file, b.where.line, b.where.column);
  });
  if (left_out_ > 0) {
    Where where;
    where.file = source_.file;
    problems_.push_back({fmt::format("and {} more mistakes", left_out_), "", where});
  }
  throw Error(code, std::move(problems_));
}

}  // namespace detent
