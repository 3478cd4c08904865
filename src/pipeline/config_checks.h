// What must hold between the settings of a configuration.
#pragma once

#include <string>
#include <vector>

#include "pipeline/config.h"

namespace pawl {
// Adds one line per problem.
void CheckConfig(const RunConfig& config, std::vector<std::string>& wrongs);
}  // namespace pawl
