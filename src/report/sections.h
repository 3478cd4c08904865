// The sections of a report, each a function of the records.  A section without records is empty or
// says what is missing.
#pragma once

#include "diagnose/finding.h"
#include "records/records.h"
#include "report/document.h"

namespace pawl {

Document ModelsSection(const RunRecords& run);       // accuracy, length and speed of each model
Document ExpectationSection(const RunRecords& run);  // expected against measured
Document StagesSection(const RunRecords& run);       // stage by stage with gates
Document CurvesSection(const RunRecords& run);       // training curves
Document PatternsSection(const RunRecords& run);     // kinds of answers, with examples
Document DiagnosisSection(const std::vector<Finding>& findings);
Document MachineSection(const RunRecords& run);  // processor and memory over time
Document KnowledgeSection(const RunRecords& run);
Document ScalingSection(const RunRecords& run, const std::vector<Finding>& findings);
Document EvidenceSection(const RunRecords& run);  // hashes every file: reads the whole folder

// Training prompts of a stage so far: steps x prompts a step; absent where the records do not say.
std::optional<double> PromptsPerStep(const StageRecords& stage);

}  // namespace pawl
