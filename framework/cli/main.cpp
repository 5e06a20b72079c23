// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <cstring>
#include <exception>

#include "base/cancel.hpp"
#include "base/error.hpp"
#include "cli/output.hpp"
#include "cli/parser.hpp"

namespace {

// Also when the command line itself is wrong.
bool wants_json(int argc, char** argv) {
  for (int i = 1; i < argc; ++i)
    if (std::strcmp(argv[i], "--json") == 0 || std::strcmp(argv[i], "-J") == 0) return true;
  return false;
}

int run(int argc, char** argv) {
  using namespace detent;
  const bool json = wants_json(argc, argv);
  try {
    return cli::parse_and_run(argc, argv);
  } catch (const Error& e) {
    cli::print_error(e, json);
    return e.exit_code();
  } catch (const std::bad_alloc&) {
    const Error e(ErrorCode::unexpected, "out of memory", "see peak_memory_bytes of `detent plan`");
    cli::print_error(e, json);
    return e.exit_code();
  } catch (const std::exception& e) {
    const Error error(ErrorCode::unexpected, std::string("unexpected: ") + e.what(),
                      "this is a mistake in detent: please report it with the command");
    cli::print_error(error, json);
    return error.exit_code();
  }
}

}  // namespace

int main(int argc, char** argv) {
  detent::install_signal_handlers();
  const int code = run(argc, argv);
  // A full disk or closed pipe behind stdout must not look like success.
  const bool written = std::fflush(stdout) == 0 && std::ferror(stdout) == 0;
  return code == 0 && !written ? static_cast<int>(detent::ErrorCode::io) : code;
}
