#include "cli/ane_files.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>
#include <variant>

#include "ane/mil/parse.h"
#include "base/strings.h"

namespace attune {
namespace {

constexpr std::string_view kRoot = "@model_path/";

void Collect(const std::vector<ane::mil::Argument>& arguments, std::set<std::string>* paths) {
  for (const ane::mil::Argument& argument : arguments) {
    const auto* literal = std::get_if<ane::mil::Literal>(&argument.value);
    if (literal == nullptr) continue;
    if (const auto* blob = std::get_if<ane::mil::Blob>(&literal->data)) paths->insert(blob->path);
  }
}

// "@model_path/weights/weight.bin" below `directory`. Empty where it would lead out.
std::string Below(const std::string& directory, std::string_view path) {
  if (!path.starts_with(kRoot) || path.find("..") != std::string_view::npos) return "";
  return JoinPath(directory, std::string(path.substr(kRoot.size())));
}

Status Add(FileSystem& files, const std::string& name, const std::string& path,
           AneProgramFiles* out) {
  ATTUNE_ASSIGN_OR_RETURN(auto map, files.Map(path));
  out->weights[name] = map->bytes();
  out->maps.push_back(std::move(map));
  return OkStatus();
}

Status AddBelow(FileSystem& files, const std::string& directory, bool all, AneProgramFiles* out) {
  for (const std::string& name : WeightPathsOf(out->program)) {
    const std::string path = Below(directory, name);
    if (!all && (path.empty() || !files.Exists(path))) continue;
    if (path.empty()) return InvalidArgument(StrCat(name, ": not below @model_path"));
    ATTUNE_RETURN_IF_ERROR(Add(files, name, path, out));
  }
  return OkStatus();
}

Status AddNamed(FileSystem& files, const std::string& option, AneProgramFiles* out) {
  const std::vector<std::string> names = WeightPathsOf(out->program);
  const auto equals = option.starts_with(kRoot) ? option.find('=') : std::string::npos;
  if (equals != std::string::npos) {
    const std::string name = option.substr(0, equals);
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      return InvalidArgument(StrCat(name, ": the program does not refer to it"));
    }
    return Add(files, name, option.substr(equals + 1), out);
  }
  if (files.IsDirectory(option)) return AddBelow(files, option, /*all=*/true, out);
  if (names.size() != 1) {
    return InvalidArgument(StrCat(BaseName(option), ": the program refers to ", names.size(),
                                  " weight files; say which, as @model_path/...=FILE"));
  }
  return Add(files, names.front(), option, out);
}

}  // namespace

bool IsBroken(const ane::Violation& violation) {
  return violation.severity != ane::Severity::kSlow &&
         violation.severity != ane::Severity::kDoubtful;
}

std::vector<std::string> WeightPathsOf(const ane::mil::Program& program) {
  std::set<std::string> paths;
  for (const ane::mil::Function& function : program.functions) {
    for (const ane::mil::Statement& statement : function.body) {
      Collect(statement.arguments, &paths);
      Collect(statement.attributes, &paths);
    }
  }
  return {paths.begin(), paths.end()};
}

Result<AneProgramFiles> ReadAneProgram(FileSystem& files, const std::string& path,
                                       const std::vector<std::string>& weights) {
  AneProgramFiles out;
  ATTUNE_ASSIGN_OR_RETURN(const std::string text,
                          files.Read(path, ane::mil::ParseLimits{}.text_bytes));
  auto program = ane::mil::Parse(text);
  if (!program.ok()) return Status(program.status()).WithContext(BaseName(path));
  out.program = *std::move(program);
  for (const std::string& option : weights) {
    ATTUNE_RETURN_IF_ERROR(AddNamed(files, option, &out));
  }
  if (weights.empty()) {
    const auto slash = path.rfind('/');
    const std::string directory = slash == std::string::npos ? "." : path.substr(0, slash);
    ATTUNE_RETURN_IF_ERROR(AddBelow(files, directory, /*all=*/false, &out));
  }
  return out;
}

}  // namespace attune
