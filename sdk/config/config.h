// The configuration of an app's training: one strict YAML file, docs/configuration.md.
//
// The first mistake is an error of one line, "night.yaml:12:7: schedule.conditions:
// unknown key 'min_batery'; did you mean 'min_battery'?". Nothing is guessed, nothing
// is ignored.
// Threads: pure functions.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "attune/night.h"
#include "attune/status.h"
#include "ports/file_system.h"
#include "schedule/governor.h"

namespace attune {

inline constexpr std::uint64_t kMaxConfigBytes = std::uint64_t{1} << 20;

struct Config {
  NightOptions night;  // With the jobs.
};

// Paths in the result are joined to the file's directory.
//
//   kNotFound          no such file
//   kInvalidArgument   file:line:column, what is wrong, what is allowed
Result<Config> ReadConfig(FileSystem& files, const std::string& path);

// The same for bytes read already; `name` is for messages, `directory` for paths.
Result<Config> ParseConfig(std::string_view bytes, const std::string& name,
                           const std::string& directory);

}  // namespace attune
