// SIGINT and SIGTERM ask the program to stop; a second one ends it at once.
#pragma once

namespace pawl {

// Installs the handlers (and ignores SIGPIPE and SIGXFSZ, whose errors writes report).
void CatchSignals();
int StopSignal();  // the number of the signal that came; 0: none

}  // namespace pawl
