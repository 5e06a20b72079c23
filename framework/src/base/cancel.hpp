// SPDX-License-Identifier: Apache-2.0
// Cancellation by SIGINT and SIGTERM: a flag that signal handlers set and that work looks at.
#pragma once

namespace detent {

// First signal: the flag; a second one ends the process at once. Called once, by the program.
void install_signal_handlers();

int cancelled_by();      // 0, SIGINT or SIGTERM
void check_cancelled();  // throws Error{interrupted} or Error{terminated}

}  // namespace detent
