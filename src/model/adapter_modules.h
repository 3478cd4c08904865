// The modules that an adapter may change.  Private to model/.
#pragma once

#include <array>
#include <string>

#include "model/adapter.h"

namespace pawl {

std::string ModulePath(std::size_t layer, std::size_t module);  // "model.layers.0.mlp.up_proj"

// PEFT's rule for lists: the whole path, or its end after a dot; "all-linear" is every module.
bool MatchesTarget(const std::string& path, const std::string& target);

// Zero factors of rank `rank` for the modules named.
AdapterLayer MakeAdapterLayer(const ModelConfig& config, std::size_t rank,
                              const std::array<bool, kLinearModules>& adapted);

}  // namespace pawl
