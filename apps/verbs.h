// The verbs of the command line, one file each.  A verb registers its flags and a callback; the
// callback returns a Status, which main turns into a message and an exit code.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>

#include "base/error.h"

namespace pawl {

// Where callbacks leave their result: main reads it after parsing.
struct VerbResult {
  Status status;
  int exit_code = 0;  // used when status is a success
};

void AddRun(CLI::App& app, VerbResult& result);
void AddBench(CLI::App& app, VerbResult& result);
void AddCompare(CLI::App& app, VerbResult& result);
void AddReport(CLI::App& app, VerbResult& result);
void AddStudy(CLI::App& app, VerbResult& result);
void AddPlan(CLI::App& app, VerbResult& result);
void AddDiagnose(CLI::App& app, VerbResult& result);
void AddGenerate(CLI::App& app, VerbResult& result);
void AddScore(CLI::App& app, VerbResult& result);
void AddTokenize(CLI::App& app, VerbResult& result);
void AddGrade(CLI::App& app, VerbResult& result);
void AddExport(CLI::App& app, VerbResult& result);
void AddData(CLI::App& app, VerbResult& result);
void AddSpeed(CLI::App& app, VerbResult& result);
void AddDoctor(CLI::App& app, VerbResult& result);
void AddDebug(CLI::App& app, VerbResult& result);

// A subcommand with a one-line description and one example, both shown by --help.
CLI::App* AddVerb(CLI::App& app, const char* name, const char* description, const char* example);

}  // namespace pawl
