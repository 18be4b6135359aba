#include "config/config.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "config/cross_checks.h"
#include "config/sections.h"
#include "config/yaml_document.h"

namespace attune {
namespace {

// Checks compare each with each.
constexpr std::size_t kMaxJobs = 64;

// Without "." and empty segments, so that one vault named twice is found to be one.
std::string Tidy(std::string_view path) {
  std::string out(path.substr(0, 1) == "/" ? "/" : "");
  while (!path.empty()) {
    const std::size_t slash = std::min(path.find('/'), path.size());
    const std::string_view segment = path.substr(0, slash);
    path.remove_prefix(std::min(slash + 1, path.size()));
    if (segment.empty() || segment == ".") continue;
    out = JoinPath(out, std::string(segment));
  }
  return out.empty() ? "." : out;
}

std::string Resolved(const std::string& directory, const std::string& path) {
  if (path.empty()) return path;
  return Tidy(path.front() == '/' ? path : JoinPath(directory, path));
}

Status ReadJob(const Place& place, const YamlNode& node, NightJob* job) {
  std::string adapter;
  std::vector<Field> fields = JobFields(job);
  fields.push_back({"name", Name(&job->policy.name), true});
  fields.push_back({"adapter", Name(&adapter)});
  ATTUNE_RETURN_IF_ERROR(ReadFields(place, node, fields));
  job->adaptation.adapter = adapter.empty() ? job->policy.name : adapter;
  return OkStatus();
}

// Jobs are read last, wherever they stand: they begin as what the rest says.
Status ReadTop(const Place& place, const YamlNode& top, NightOptions* night) {
  NightJob defaults;
  std::vector<Field> fields = JobFields(&defaults);
  for (Field& field : fields) field.required = field.key == "vault";
  fields.push_back({"night", [night](const Place& inner, const YamlNode& node) {
                      return ReadNight(inner, node, night);
                    }});
  fields.push_back({"jobs", [](const Place&, const YamlNode&) { return OkStatus(); }, true});
  ATTUNE_RETURN_IF_ERROR(ReadFields(place, top, fields));
  night->vault = defaults.adaptation.vault;

  const YamlNode& list = *top.Find("jobs");
  const Place at = place.Key("jobs");
  if (list.items.size() > kMaxJobs) {
    return at.Error(list.at, StrCat(list.items.size(), " jobs, allowed are ", kMaxJobs));
  }
  ATTUNE_RETURN_IF_ERROR(ReadList(at, list, [&](const Place& item, const YamlNode& node) {
    return ReadJob(item, node, &night->jobs.emplace_back(defaults));
  }));
  return night->jobs.empty() ? at.Error(list.at, "is empty; at least one job is needed")
                             : OkStatus();
}

void ResolvePaths(const std::string& directory, AdaptationOptions* adaptation) {
  for (std::string* path :
       {&adaptation->model, &adaptation->open.tokenizer, &adaptation->vault, &adaptation->anchor}) {
    *path = Resolved(directory, *path);
  }
}

}  // namespace

Result<Config> ReadConfig(FileSystem& files, const std::string& path) {
  ATTUNE_ASSIGN_OR_RETURN(const std::string bytes, files.Read(path, kMaxConfigBytes));
  return ParseConfig(bytes, BaseName(path), DirectoryName(path));
}

Result<Config> ParseConfig(std::string_view bytes, const std::string& name,
                           const std::string& directory) {
  ATTUNE_ASSIGN_OR_RETURN(const YamlNode top, ParseYaml(bytes, name, {.bytes = kMaxConfigBytes}));
  Config config;
  NightOptions& night = config.night;
  ATTUNE_RETURN_IF_ERROR(ReadTop({&name, {}}, top, &night));
  night.vault = Resolved(directory, night.vault);
  for (NightJob& job : night.jobs) ResolvePaths(directory, &job.adaptation);
  ATTUNE_RETURN_IF_ERROR(CheckJobs({name, top, top.Find("jobs")->items}, night.jobs));
  return config;
}

}  // namespace attune
