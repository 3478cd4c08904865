// pawl: improves a small language model stage by stage with GRPO on the CPU, and says truthfully
// whether it got better.  This file parses the command line; the verbs live beside it.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <new>
#include <string>
#include <vector>

#include "apps/verbs.h"
#include "base/nearest.h"
#include "base/version.h"

namespace pawl {

CLI::App* AddVerb(CLI::App& app, const char* name, const char* description, const char* example) {
  CLI::App* verb = app.add_subcommand(name, description);
  verb->footer(std::string("Example:\n  ") + example);
  return verb;
}

namespace {

// The subcommand that was being parsed: the deepest one that was seen.
const CLI::App* Deepest(const CLI::App& app) {
  const auto used = app.get_subcommands();
  return used.empty() ? &app : Deepest(*used.back());
}

std::vector<std::string> FlagsOf(const CLI::App& app) {
  std::vector<std::string> flags;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) flags.push_back("--" + name);
  }
  return flags;
}

std::vector<std::string> VerbsOf(const CLI::App& app) {
  std::vector<std::string> verbs;
  for (const CLI::App* verb : app.get_subcommands([](const CLI::App*) { return true; })) {
    verbs.push_back(verb->get_name());
  }
  return verbs;
}

// What is wrong with the words that the parser left over.
std::string ExplainExtras(const CLI::App& app) {
  const CLI::App* deepest = Deepest(app);
  std::string text;
  for (const std::string& word : app.remaining(true)) {
    const bool flag = word.rfind("-", 0) == 0;
    const std::string name = word.substr(0, word.find('='));
    const auto known = flag ? FlagsOf(*deepest) : VerbsOf(*deepest);
    if (!text.empty()) text += "; ";
    text +=
        fmt::format("unknown {} {}{}", flag ? "flag" : "argument", name, DidYouMean(name, known));
  }
  return text;
}

int Fail(const CLI::App& app, const std::string& message) {
  const CLI::App* deepest = Deepest(app);
  const std::string verb = deepest == &app ? "" : " " + deepest->get_name();
  std::fputs(fmt::format("pawl: {}\nTry: pawl{} --help\n", message, verb).c_str(), stderr);
  return static_cast<int>(ErrorCode::kUsage);
}

int Main(int argc, char** argv) {
  CLI::App app{
      "pawl improves a small language model stage by stage with GRPO on the CPU,\n"
      "and says truthfully whether it got better."};
  app.name("pawl");
  app.set_version_flag("--version", VersionText());
  app.require_subcommand(1);
  VerbResult result;
  AddRun(app, result);
  AddPlan(app, result);
  AddBench(app, result);
  AddCompare(app, result);
  AddReport(app, result);
  AddStudy(app, result);
  AddDiagnose(app, result);
  AddGenerate(app, result);
  AddScore(app, result);
  AddTokenize(app, result);
  AddGrade(app, result);
  AddExport(app, result);
  AddData(app, result);
  AddSpeed(app, result);
  AddDoctor(app, result);
  AddDebug(app, result);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp& help) {
    return app.exit(help);
  } catch (const CLI::CallForVersion& version) {
    return app.exit(version);
  } catch (const CLI::ExtrasError&) {
    return Fail(app, ExplainExtras(app));
  } catch (const CLI::ParseError& error) {
    const std::string extras = ExplainExtras(app);
    return Fail(app, extras.empty() ? error.what() : extras);
  }
  if (!result.status) {
    std::fputs(fmt::format("pawl: {}\n", result.status.error().message).c_str(), stderr);
    return static_cast<int>(result.status.error().code);
  }
  return result.exit_code;
}

}  // namespace
}  // namespace pawl

int main(int argc, char** argv) {
  try {
    return pawl::Main(argc, argv);
  } catch (const std::bad_alloc&) {
    std::fputs("pawl: memory ran out; use a smaller batch, context or model\n", stderr);
    return static_cast<int>(pawl::ErrorCode::kResources);
  } catch (const std::exception& error) {
    std::fputs((std::string("pawl: unexpected failure: ") + error.what() + "\n").c_str(), stderr);
    return static_cast<int>(pawl::ErrorCode::kInternal);
  }
}
