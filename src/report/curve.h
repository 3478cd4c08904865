// Training curves as inline SVG with a text alternative.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"

namespace pawl {

// The values of `key` against "step" of the records that have both; empty when fewer than two do.
std::string CurveSvg(const std::vector<Json>& records, const std::string& key,
                     const std::string& title);

}  // namespace pawl
