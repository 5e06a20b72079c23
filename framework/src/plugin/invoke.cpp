// SPDX-License-Identifier: Apache-2.0
#include <exception>
#include <fmt/format.h>
#include <string_view>

#include "base/cancel.hpp"
#include "base/error.hpp"
#include "base/text.hpp"
#include "plugin/call_scope.hpp"
#include "plugin/fp_mode.hpp"

namespace detent {
namespace {

const char* status_words(std::int32_t status) {
  switch (status) {
    case DETENT_E_INTERNAL: return "an internal error";
    case DETENT_E_INVALID_ARG: return "an invalid argument";
    case DETENT_E_UNSUPPORTED: return "not supported";
    case DETENT_E_PARAMS: return "bad parameters";
    case DETENT_E_NO_MEMORY: return "not enough memory";
    case DETENT_E_CANCELLED: return "cancelled, though nobody asked for it";
    case DETENT_E_BAD_STATE: return "the saved state is not its own, damaged or of another version";
    case DETENT_E_NOT_READY: return "no data observed";
    case DETENT_E_IO: return "reading or writing failed";
    case DETENT_E_NUMERIC: return "values that are not finite";
    case DETENT_E_NOT_FOUND: return "not found";
    case DETENT_E_CRASHED: return "its process ended";
    case DETENT_E_TIMEOUT: return "it did not come to an end";
    default: return "a status that the ABI does not define";
  }
}

Where where_of(const PluginCall& site) {
  Where where;
  where.plugin = site.id;
  if (site.target_is == PluginCall::Target::tensor) where.tensor = site.target;
  if (site.target_is == PluginCall::Target::layer) where.layer = site.target;
  return where;
}

std::string place_of(const PluginCall& site) {
  std::string place = fmt::format("{} \"{}\"", site.kind, site.id);
  if (!site.target.empty()) place += fmt::format(" on \"{}\"", printable(site.target));
  return place;
}

ErrorCode code_of(std::int32_t status, const Operation& operation) {
  using Params = Operation::Params;
  switch (status) {
    case DETENT_E_UNSUPPORTED:
    case DETENT_E_NUMERIC: return ErrorCode::quantization;
    case DETENT_E_NOT_READY:
      return operation.needs_data ? ErrorCode::quantization : ErrorCode::plugin;
    case DETENT_E_BAD_STATE: return operation.reads_state ? ErrorCode::io : ErrorCode::plugin;
    case DETENT_E_IO: return ErrorCode::io;
    case DETENT_E_PARAMS:
      if (operation.params == Params::bad_config) return ErrorCode::config;
      return operation.params == Params::bad_fit ? ErrorCode::quantization : ErrorCode::plugin;
    default: return ErrorCode::plugin;
  }
}

[[noreturn]] void throw_status(const PluginCall& site, const Operation& operation,
                               std::int32_t status, std::string_view text) {
  if (status == DETENT_E_CANCELLED) check_cancelled();
  const std::size_t line_end = text.find('\n');
  std::string reason = printable(text.substr(0, line_end));
  std::string hint;
  if (line_end != std::string_view::npos) {
    const std::string_view rest = text.substr(line_end + 1);
    hint = printable(rest.substr(0, rest.find('\n')));
  }
  if (reason.empty()) {
    reason = fmt::format("{} failed: {} (status {})", operation.name, status_words(status), status);
  }
  // These say what became of the plugin, the others what the plugin says.
  const bool ended = status == DETENT_E_CRASHED || status == DETENT_E_TIMEOUT;
  throw Error(code_of(status, operation),
              fmt::format("{}{} {}", place_of(site), ended ? "" : ":", reason), std::move(hint),
              where_of(site));
}

}  // namespace

void throw_refused(const PluginCall& site, const std::string& why) {
  throw Error(ErrorCode::quantization, fmt::format("{}: {}", place_of(site), why), "",
              where_of(site));
}

void throw_broken_contract(const PluginCall& site, const std::string& what) {
  throw Error(ErrorCode::plugin, fmt::format("{} broke its contract: {}", place_of(site), what),
              "this is a mistake in the plugin: report it to its vendor", where_of(site));
}

CallOutcome attempt(const char* name, CallScope& scope,
                    const std::function<std::int32_t(const detent_call*)>& function) {
  const FpMode mode;
  CallOutcome outcome;
  try {
    outcome.status = function(scope.c());
  } catch (const std::exception& e) {
    outcome.broken =
        fmt::format("threw an exception across the boundary in {}: {}", name, printable(e.what()));
  } catch (...) {
    outcome.broken = fmt::format("threw an exception across the boundary in {}", name);
  }
  const bool kept_mode = mode.restore();
  if (outcome.broken.empty()) outcome.broken = scope.broken();
  if (outcome.broken.empty() && scope.threw_in_parallel_for())
    outcome.broken = fmt::format("threw an exception out of parallel_for in {}", name);
  if (outcome.broken.empty() && outcome.status == DETENT_OK && !kept_mode)
    outcome.broken = fmt::format("{} changed the floating-point mode of the process", name);
  outcome.text = scope.text();
  return outcome;
}

void invoke(const PluginCall& site, const Operation& operation, ThreadPool& pool,
            HostServices& services,
            const std::function<std::int32_t(const detent_call*)>& function) {
  CallScope scope(pool, services);
  const CallOutcome outcome = attempt(operation.name, scope, function);
  if (!outcome.broken.empty()) throw_broken_contract(site, outcome.broken);
  if (outcome.status != DETENT_OK) throw_status(site, operation, outcome.status, outcome.text);
}

}  // namespace detent
