// The header of a safetensors file: text to validated entries.  Used by checkpoint/safetensors.cc.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "checkpoint/safetensors.h"

namespace pawl {

struct SafetensorsHeader {
  std::vector<TensorInfo> tensors;     // in the order of offsets, which count from the data's start
  std::vector<std::uint32_t> by_name;  // indices into tensors, sorted by name
};

// text: the whole header with its padding; data_bytes: what follows it in the file.
Result<SafetensorsHeader> ParseSafetensorsHeader(std::string_view text, std::size_t data_bytes,
                                                 const std::string& place);

}  // namespace pawl
