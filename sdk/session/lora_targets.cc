#include "session/lora_targets.h"

#include <algorithm>

#include "base/strings.h"
#include "formats/json.h"
#include "text/regex.h"

namespace attune {
namespace {

bool IsNamed(const std::string& module, const std::string& name) {
  return module == name || (module.size() > name.size() && module.ends_with(name) &&
                            module[module.size() - name.size() - 1] == '.');
}

Result<std::vector<std::string>> ByName(const TargetNames& names,
                                        const std::vector<std::string>& linears) {
  for (const std::string& name : names) {
    const bool matches = std::any_of(linears.begin(), linears.end(),
                                     [&](const auto& module) { return IsNamed(module, name); });
    if (!matches) return InvalidArgument(StrCat("no linear layer is called ", Quoted(name)));
  }
  std::vector<std::string> selected;
  for (const std::string& module : linears) {
    const bool named = std::any_of(names.begin(), names.end(),
                                   [&](const auto& name) { return IsNamed(module, name); });
    if (named) selected.push_back(module);
  }
  return selected;
}

Result<std::vector<std::string>> ByRegex(const std::string& pattern,
                                         const std::vector<std::string>& linears) {
  ATTUNE_ASSIGN_OR_RETURN(const Regex regex, Regex::Compile(StrCat("^(?:", pattern, ")$")));
  RegexScratch scratch;
  std::vector<std::string> selected;
  for (const std::string& module : linears) {
    bool whole = false;
    ATTUNE_RETURN_IF_ERROR(
        regex.ForEachMatch(module, &scratch, [&](std::size_t begin, std::size_t end) {
          whole |= begin == 0 && end == module.size();
          return OkStatus();
        }));
    if (whole) selected.push_back(module);
  }
  return selected;
}

Result<std::vector<std::string>> Select(const TargetModules& targets,
                                        const std::vector<std::string>& linears) {
  if (const auto* names = std::get_if<TargetNames>(&targets)) return ByName(*names, linears);
  if (const auto* regex = std::get_if<TargetRegex>(&targets)) {
    return ByRegex(regex->pattern, linears);
  }
  return linears;
}

}  // namespace

Result<std::vector<LoraModule>> SelectModules(const PeftConfig& config,
                                              const std::vector<std::string>& linears) {
  ATTUNE_ASSIGN_OR_RETURN(const auto selected, Select(config.target_modules, linears));
  if (selected.empty()) {
    return InvalidArgument(StrCat("the targets match 0 of ", linears.size(), " linear layers"));
  }
  std::vector<LoraModule> modules;
  for (const std::string& module : selected) {
    modules.push_back({module, config.RankOf(module), static_cast<float>(config.ScaleOf(module))});
  }
  return modules;
}

}  // namespace attune
