// toml++ without exceptions: errors come back as values.
#pragma once

#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>
