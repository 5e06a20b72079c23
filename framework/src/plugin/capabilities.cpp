// SPDX-License-Identifier: Apache-2.0
#include "plugin/capabilities.hpp"

#include <fmt/format.h>

#include "base/dtype.hpp"
#include "plugin/instance.hpp"

namespace detent {
namespace {

constexpr const char* kMembers[] = {"tensor", "target"};

// "int8", "uint4", "float16", "float8_e4m3fn" as numpy and torch call them.
std::string code_name(detent_dtype dtype) {
  const unsigned bits = DETENT_DTYPE_BITS(dtype);
  switch (DETENT_DTYPE_CODE(dtype)) {
    case 0: return fmt::format("int{}", bits);
    case 1: return fmt::format("uint{}", bits);
    case 2: return fmt::format("float{}", bits);
    case 4: return fmt::format("bfloat{}", bits);
    default: return dtype_name(dtype);
  }
}

const char* granularity_name(std::int32_t granularity) {
  switch (granularity) {
    case DETENT_PER_TENSOR: return "per_tensor";
    case DETENT_PER_CHANNEL: return "per_channel";
    case DETENT_PER_GROUP: return "per_group";
    default: return "per_block";
  }
}

}  // namespace

std::string wrong_in_capabilities(const json::Value& capabilities) {
  for (const char* member : kMembers) {
    const json::Value* schema = capabilities.if_object()->find(member);
    if (schema == nullptr) continue;
    if (schema->if_object() == nullptr)
      return fmt::format("\"{}\" is {}, not an object", member, schema->kind());
    const std::string unsupported = unsupported_schema(*schema);
    if (!unsupported.empty()) return fmt::format("\"{}\": {}", member, unsupported);
  }
  return {};
}

json::Object tensor_facts(detent_dtype dtype, const std::vector<std::int64_t>& shape) {
  return {{"dtype", dtype_name(dtype)},
          {"ndim", static_cast<std::int64_t>(shape.size())},
          {"shape", json::Array(shape.begin(), shape.end())}};
}

json::Object target_facts(const QuantTarget& target) {
  const detent_qspec& q = target.spec;
  return {{"dtype", code_name(q.qdtype)},
          {"symmetric", q.symmetric != 0},
          {"granularity", granularity_name(q.granularity)},
          {"axis", static_cast<std::int64_t>(q.axis)},
          {"group_size", q.group_size},
          {"qmin", q.qmin},
          {"qmax", q.qmax},
          {"scheme", target.scheme}};
}

std::vector<SchemaProblem> beyond_capabilities(const Plugin& plugin, const char* member,
                                               const json::Object& facts) {
  const json::Object* all = plugin.capabilities.if_object();
  const json::Value* schema = all == nullptr ? nullptr : all->find(member);
  if (schema == nullptr) return {};
  // A newer host knows more facts than the plugin limits.
  json::Object open = *schema->if_object();
  open.set("additionalProperties", true);
  return check_against_schema(facts, open,
                              fmt::format("{} \"{}\"", to_string(plugin.kind), plugin.id));
}

}  // namespace detent
