// SPDX-License-Identifier: Apache-2.0
// Cases of a descriptor, and of its parameter schema against what create does.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "base/error.hpp"
#include "base/text.hpp"
#include "config/schema.hpp"
#include "conformance/any_plugin.hpp"
#include "conformance/case.hpp"
#include "conformance/subject.hpp"
#include "plugin/descriptor.hpp"

namespace detent::conformance {
namespace {

template <class F>
void quote_error(F&& f) {
  try {
    f();
  } catch (const Error& e) {
    throw Failure{e.problems().front().message, e.problems().front().hint};
  }
}

std::string valid(Subject& subject) {
  quote_error([&] { describe(subject.plugin(), 0); });
  return {};
}

std::string table(Subject& subject) {
  const std::uint64_t size = subject.plugin().struct_size;
  expect(size >= DETENT_SIZE_UPTO(detent_plugin, vtbl), "struct_size is {}", size);
  quote_error([&] { check_vtbl(subject.plugin()); });
  return {};
}

std::string words(Subject& subject) {
  const detent_plugin& p = subject.plugin();
  for (const auto& [what, text] : {std::pair{"name", p.name}, {"description", p.description}}) {
    expect(text != nullptr && text[0] != '\0', "its {} is empty", what);
    expect(std::string_view(text).find('\n') == std::string_view::npos, "its {} has several lines",
           what);
  }
  return {};
}

std::string promises(Subject& subject) {
  constexpr std::uint64_t kKnown = DETENT_PLUGIN_MERGE_EXACT | DETENT_PLUGIN_DETERMINISTIC |
                                   DETENT_PLUGIN_WANTS_ISOLATION | DETENT_PLUGIN_ROWWISE;
  const detent_plugin& p = subject.plugin();
  expect((p.flags & ~kKnown) == 0, "flags has bits that mean nothing: {:#x}", p.flags & ~kKnown);
  const bool observer = p.kind == DETENT_KIND_OBSERVER;
  expect(observer || !subject.promises(DETENT_PLUGIN_MERGE_EXACT),
         "promises exact merging, and is no observer");
  expect(p.kind != DETENT_KIND_SERIALIZER || !subject.promises(DETENT_PLUGIN_ROWWISE),
         "promises ROWWISE, which says nothing of serializers");
  if (observer) {
    const auto& vtbl = *static_cast<const detent_observer_vtbl*>(p.vtbl);
    expect(!subject.promises(DETENT_PLUGIN_MERGE_EXACT) ||
               DETENT_HAS(&vtbl, detent_observer_vtbl, merge),
           "promises exact merging, and has no merge");
  }
  return {};
}

std::string constant(Subject& subject) {
  const detent_plugin before = subject.plugin();
  const std::string id = before.id;
  {
    World world;
    AnyPlugin any(subject, world);
    (void)any.try_create(DETENT_ROLE_WEIGHT);
  }
  const detent_plugin& after = subject.plugin();
  expect(after.id == before.id && after.vtbl == before.vtbl && after.flags == before.flags &&
             after.params_schema == before.params_schema && id == after.id,
         "the descriptor changed after create");
  return {};
}

std::string schema_known(Subject& subject) {
  const std::string unsupported = unsupported_schema(subject.schema());
  expect(unsupported.empty(), "{}", unsupported);
  const json::Value* type = subject.schema().at_pointer("/type");
  expect(type != nullptr && type->if_string() != nullptr && *type->if_string() == "object",
         "the schema is not one of an object");
  return {};
}

constexpr std::array<Case, 6> kDescriptor = {{
    {"descriptor.valid", kEveryPlugin,
     "Id, semver, texts in UTF-8, lists and schema can be read (abi.h, detent_plugin).",
     "see the comments of detent_plugin in detent/abi.h", &valid},
    {"descriptor.table", kEveryPlugin,
     "vtbl has the size and the functions that its kind needs (abi/<kind>.h, R4).",
     "fill in struct_size and every function that is not optional", &table},
    {"descriptor.words", kEveryPlugin, "name and description say in one line what it is (abi.h).",
     "write a name and a one-line description", &words},
    {"descriptor.promises", kEveryPlugin, "flags are promises that its kind can make (abi.h).",
     "use the DETENT_PLUGIN_ flags that detent/abi.h defines for this kind", &promises},
    {"descriptor.constant", kEveryPlugin, "A descriptor never changes (abi.h, detent_plugin).",
     "make it a constant", &constant},
    {"parameters.schema", kEveryPlugin,
     "params_schema uses the keywords that hosts know; defaults obey it (abi.h, params_schema).",
     "see the list of keywords at params_schema in detent/abi.h", &schema_known},
}};

}  // namespace

std::span<const Case> descriptor_cases() { return kDescriptor; }

}  // namespace detent::conformance
