// Model directories: one file, or shards and an index.

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/strings.h"
#include "formats/json.h"
#include "formats/safetensors.h"

namespace attune {
namespace {

constexpr char kSingle[] = "model.safetensors";
constexpr char kIndex[] = "model.safetensors.index.json";
constexpr std::uint64_t kMaxIndexBytes = 64u << 20;

// The index names files: it must not reach out of the directory.
bool IsPlainShardName(std::string_view name) {
  return name.size() > 12 && name.ends_with(".safetensors") && !name.starts_with('.') &&
         name.find_first_of(std::string_view("/\\\0:", 4)) == std::string_view::npos &&
         name.find("..") == std::string_view::npos;
}

// Shard name -> names of its tensors.
using ShardMap = std::map<std::string, std::set<std::string, std::less<>>>;

Result<ShardMap> ReadIndex(std::string_view text) {
  ATTUNE_ASSIGN_OR_RETURN(const JsonDocument index,
                          JsonDocument::Parse(text, {.max_bytes = kMaxIndexBytes}));
  ATTUNE_ASSIGN_OR_RETURN(const Json* weight_map, index.root().GetObject("weight_map"));
  ShardMap shards;
  for (const JsonMember& member : weight_map->members()) {
    ATTUNE_ASSIGN_OR_RETURN(const std::string_view shard, weight_map->GetString(member.key));
    if (!IsPlainShardName(shard)) {
      return InvalidArgument(StrCat("weight_map: ", Quoted(shard), " is not a plain file name"));
    }
    shards[std::string(shard)].insert(std::string(member.key));
  }
  if (shards.empty()) return InvalidArgument("weight_map: names 0 tensors");
  return shards;
}

Status CheckShard(const SafetensorsFile& file, const std::string& shard,
                  const std::set<std::string, std::less<>>& expected) {
  for (const std::string& name : expected) {
    if (file.Find(name) == nullptr) {
      return DataLoss(StrCat(shard, ": tensor ", Quoted(name), " of the index absent"));
    }
  }
  for (const SafetensorsEntry& entry : file.entries()) {
    if (!expected.contains(entry.name)) {
      return DataLoss(StrCat(shard, ": tensor ", Quoted(entry.name), " is not in the index"));
    }
  }
  return OkStatus();
}

}  // namespace

Result<NamedTensors> ReadSafetensorsDirectory(FileSystem& fs, const std::string& directory) {
  NamedTensors tensors;
  const std::string single = JoinPath(directory, kSingle);
  if (fs.Exists(single)) {
    ATTUNE_ASSIGN_OR_RETURN(const SafetensorsFile file, SafetensorsFile::Open(fs, single));
    ATTUNE_RETURN_IF_ERROR(file.AddTo(&tensors));
    return tensors;
  }
  const std::string index = JoinPath(directory, kIndex);
  if (!fs.Exists(index)) {
    return NotFound(StrCat(BaseName(directory), ": has neither ", kSingle, " nor ", kIndex));
  }
  ATTUNE_ASSIGN_OR_RETURN(const std::string text, fs.Read(index, kMaxIndexBytes));
  auto shards = ReadIndex(text);
  if (!shards.ok()) return std::move(shards).status().WithContext(kIndex);
  for (const auto& [shard, expected] : *shards) {
    ATTUNE_ASSIGN_OR_RETURN(const SafetensorsFile file,
                            SafetensorsFile::Open(fs, JoinPath(directory, shard)));
    ATTUNE_RETURN_IF_ERROR(CheckShard(file, shard, expected));
    ATTUNE_RETURN_IF_ERROR(file.AddTo(&tensors));
  }
  return tensors;
}

}  // namespace attune
