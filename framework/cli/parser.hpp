// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace detent::cli {

// Parses the command line and runs the command; the exit code. Throws Error.
int parse_and_run(int argc, char** argv);

}  // namespace detent::cli
