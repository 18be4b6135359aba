// How a mapping of the configuration becomes members of a struct: a list of fields,
// each a key and what reads its value. One mechanism gives every message its
// position, the path of its key, what is allowed and the nearest key.
//
//   const Field fields[] = {{"rank", Integer(&options->rank, 1, 4096)},
//                           {"targets", Strings(&options->targets)}};
//   return ReadFields(place, node, fields);
//
// Keys that are absent leave their members as they are.
// Threads: as the members.

#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "attune/job.h"
#include "attune/status.h"
#include "config/quantity.h"
#include "config/yaml_document.h"

namespace attune {

// Where the reader is, for messages.
struct Place {
  const std::string* file = nullptr;
  std::string path;  // "jobs[0].schedule"; empty at the top.

  Place Key(std::string_view key) const;
  Place Item(std::size_t index) const;
  // "night.yaml:12:7: jobs[0].schedule: message".
  Status Error(YamlPosition at, std::string_view message) const;
};

using FieldReader = std::function<Status(const Place& place, const YamlNode& node)>;

struct Field {
  std::string_view key;
  FieldReader read;
  bool required = false;
};

//   kInvalidArgument  the node is no mapping; a key that no field has; a required one
//                     that is absent; what the fields' readers find
Status ReadFields(const Place& place, const YamlNode& node, std::span<const Field> fields);

// --- Readers of values. Members must outlive them; bounds are allowed values. ---

inline constexpr double kAnyNumber = std::numeric_limits<double>::max();

FieldReader Boolean(bool* out);
FieldReader Integer(std::int64_t* out, std::int64_t low, std::int64_t high);
FieldReader Integer(int* out, int low, int high);
FieldReader Seed(std::uint64_t* out);
FieldReader Number(double* out, double low, double high);
// 0 to 1 within the bounds, or percent.
FieldReader Fraction(double* out, double low, double high);
FieldReader Seconds(double* out, double low, double high);
FieldReader Bytes(std::int64_t* out, std::int64_t low, std::int64_t high);
FieldReader Joules(double* out, double low, double high);
// Not empty, without control characters, of one line.
FieldReader String(std::string* out);
FieldReader Strings(std::vector<std::string>* out);
// [a-z0-9._-], 1 to 64 characters.
FieldReader Name(std::string* out);
FieldReader Names(std::vector<std::string>* out);
FieldReader Windows(std::vector<TimeWindow>* out);

// One word of several.
template <typename T>
struct Choice {
  std::string_view word;
  T value;
};
// The index of the word that stands there.
Result<std::size_t> ReadChoice(const Place& place, const YamlNode& node,
                               std::span<const std::string_view> words);
template <typename T>
FieldReader OneOf(T* out, std::initializer_list<Choice<T>> choices) {
  return [out, choices = std::vector<Choice<T>>(choices)](const Place& place,
                                                          const YamlNode& node) -> Status {
    std::vector<std::string_view> words;
    for (const auto& choice : choices) words.push_back(choice.word);
    ATTUNE_ASSIGN_OR_RETURN(const std::size_t index, ReadChoice(place, node, words));
    *out = choices[index].value;
    return OkStatus();
  };
}

// Calls `read` for every item of a list.
Status ReadList(const Place& place, const YamlNode& node, const FieldReader& read);

}  // namespace attune
