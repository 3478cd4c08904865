// The tested causes behind a run's result.
#pragma once

#include <string>
#include <vector>

#include "diagnose/finding.h"
#include "records/records.h"

namespace pawl {

// A pure function of the records; every hypothesis has a finding, in a fixed order.
std::vector<Finding> Diagnose(const RunRecords& run);

// {"format_version":1,"run","findings":[...],"answers":{"base":{...},"final":{...}},"notes":[...]}.
Json DiagnosisJson(const RunRecords& run, const std::vector<Finding>& findings);
// The same as plain text.
std::string DiagnosisText(const std::vector<Finding>& findings);
// "+2.1 (95 % interval -1.0 to +5.2, n = 60) points"
std::string MeasurementText(const Measurement& measurement);

}  // namespace pawl
