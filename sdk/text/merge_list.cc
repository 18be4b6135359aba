#include "text/merge_list.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/strings.h"
#include "text/json_slices.h"

namespace attune {

namespace {

constexpr std::size_t kSliceBytes = 64 * 1024;

Status Malformed(std::size_t rank) {
  return InvalidArgument(StrCat("merge ", rank, ": is not two tokens"));
}

// One merge after the other; `joined_` spares an allocation each.
class MergeReader {
 public:
  explicit MergeReader(const Vocabulary& vocabulary) : vocabulary_(vocabulary) {}

  Status Add(std::string_view left, std::string_view right) {
    ATTUNE_ASSIGN_OR_RETURN(const std::int32_t left_id, Find(left));
    ATTUNE_ASSIGN_OR_RETURN(const std::int32_t right_id, Find(right));
    joined_.assign(left).append(right);
    ATTUNE_ASSIGN_OR_RETURN(const std::int32_t joined_id, Find(joined_));
    merges_.Add(left_id, right_id, joined_id);
    return OkStatus();
  }

  // "left right"
  Status AddSpelled(std::string_view line) {
    const std::size_t space = line.find(' ');
    if (space == std::string_view::npos || line.find(' ', space + 1) != std::string_view::npos) {
      return Malformed(merges_.size());
    }
    return Add(line.substr(0, space), line.substr(space + 1));
  }

  // "left right" or ["left", "right"]
  Status AddJson(const Json& json) {
    if (json.is_string()) return AddSpelled(json.string_value());
    const bool is_pair = json.is_array() && json.size() == 2 && json.items()[0].is_string() &&
                         json.items()[1].is_string();
    if (!is_pair) return Malformed(merges_.size());
    return Add(json.items()[0].string_value(), json.items()[1].string_value());
  }

  MergeTable Take() { return std::move(merges_); }

 private:
  Result<std::int32_t> Find(std::string_view token) const {
    const auto id = vocabulary_.Find(token);
    if (token.empty()) return Malformed(merges_.size());
    if (!id) {
      return InvalidArgument(StrCat("merge ", merges_.size(), " needs ", Quoted(token),
                                    ", which is not among the ", vocabulary_.size(), " tokens"));
    }
    return *id;
  }

  const Vocabulary& vocabulary_;
  MergeTable merges_;
  std::string joined_;
};

}  // namespace

Result<Vocabulary> ParseVocabulary(const Json& json) {
  Vocabulary out;
  for (const JsonMember& member : json.members()) {
    if (!member.value.is_int()) {
      return InvalidArgument(StrCat("vocab: the id of ", Quoted(member.key), " is not an integer"));
    }
    Status added = out.Add(member.value.int_value(), member.key);
    if (!added.ok()) return std::move(added).WithContext("vocab");
  }
  return out;
}

Result<MergeTable> ParseMerges(std::string_view array, const Vocabulary& vocabulary) {
  MergeReader reader(vocabulary);
  Status status = ForEachSlice(array, kSliceBytes, [&](std::string_view slice) -> Status {
    ATTUNE_ASSIGN_OR_RETURN(const JsonDocument document, JsonDocument::Parse(slice));
    for (const Json& item : document.root().items()) ATTUNE_RETURN_IF_ERROR(reader.AddJson(item));
    return OkStatus();
  });
  if (!status.ok()) return std::move(status).WithContext("model.merges");
  return reader.Take();
}

Result<MergeTable> ParseMergesText(std::string_view text, const Vocabulary& vocabulary) {
  MergeReader reader(vocabulary);
  if (text.starts_with("#version")) text.remove_prefix(std::min(text.find('\n'), text.size()));
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!line.empty()) ATTUNE_RETURN_IF_ERROR(reader.AddSpelled(line));
  }
  return reader.Take();
}

}  // namespace attune
