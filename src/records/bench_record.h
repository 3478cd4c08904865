// The results of bench in a run's benchmark folder.
#pragma once

#include "records/records.h"

namespace pawl {

// The newest document of each name, in the order of the names; damaged ones become notes.
std::vector<BenchRecord> ReadBenchRecords(const std::filesystem::path& folder,
                                          std::vector<std::string>& notes);

}  // namespace pawl
