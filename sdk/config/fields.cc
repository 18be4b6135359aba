#include "config/fields.h"

#include <algorithm>
#include <cmath>

#include "base/strings.h"
#include "config/nearest.h"
#include "schedule/ledger.h"

namespace attune {
namespace {

const char* KindName(const YamlNode& node) {
  if (node.IsNull()) return "nothing";
  if (node.kind == YamlKind::kMapping) return "a mapping";
  if (node.kind == YamlKind::kSequence) return "a list";
  return "a single value";
}

std::string Listed(std::span<const std::string_view> words) { return StrJoin(words, ", "); }

// "; did you mean 'x'?", or "; allowed are x, y".
std::string Suggestion(std::string_view word, std::span<const std::string_view> words) {
  const std::string_view nearest = Nearest(word, words);
  if (!nearest.empty()) return StrCat("; did you mean '", nearest, "'?");
  return StrCat("; allowed are ", Listed(words));
}

Status CheckScalar(const Place& place, const YamlNode& node, std::string_view wanted) {
  if (node.kind == YamlKind::kScalar && !node.IsNull()) return OkStatus();
  return place.Error(node.at, StrCat("is ", KindName(node), ", must be ", wanted));
}

// A scalar that is not text.
Status CheckPlain(const Place& place, const YamlNode& node, std::string_view wanted) {
  ATTUNE_RETURN_IF_ERROR(CheckScalar(place, node, wanted));
  if (!node.quoted) return OkStatus();
  return place.Error(node.at,
                     StrCat(QuotedYaml(node.text), " is text, must be ", wanted, "; no quotes"));
}

// Numbers in a message as one would write them.
std::string Shown(double value) { return StrCat(value); }
std::string Shown(std::int64_t value) { return StrCat(value); }
std::string ShownFraction(double value) { return StrCat(value, " (or ", value * 100, "%)"); }

// In the largest unit that divides it.
std::string ShownQuantity(double value, std::span<const Unit> units) {
  if (value == 0) return "0";
  const Unit* best = &units.front();
  for (const Unit& unit : units) {
    if (value >= unit.factor && std::fmod(value, unit.factor) == 0) best = &unit;
  }
  return StrCat(value / best->factor, best->name);
}

// What a number in a scalar is, how it is told, and its bounds.
template <typename T>
struct Kind {
  std::string_view wanted;  // "a number".
  std::function<Result<T>(std::string_view)> parse;
  std::function<std::string(T)> show;
  T low, high;
};

template <typename T>
Status ReadBounded(const Place& place, const YamlNode& node, const Kind<T>& kind, T* out) {
  ATTUNE_RETURN_IF_ERROR(CheckPlain(place, node, kind.wanted));
  const auto error = [&](std::string_view what) {
    return place.Error(node.at, StrCat(QuotedYaml(node.text), " ", what));
  };
  const Result<T> value = kind.parse(node.text);
  if (!value.ok()) return error(value.status().message());
  if (*value < kind.low) {
    return error(StrCat("is below the least allowed, ", kind.show(kind.low)));
  }
  if (*value > kind.high) {
    return error(StrCat("is over the largest allowed, ", kind.show(kind.high)));
  }
  *out = *value;
  return OkStatus();
}

template <typename T>
FieldReader Bounded(T* out, Kind<T> kind) {
  return [out, kind = std::move(kind)](const Place& place, const YamlNode& node) {
    return ReadBounded(place, node, kind, out);
  };
}

Kind<std::int64_t> WholeNumber(std::int64_t low, std::int64_t high) {
  return {"a whole number", ParseInteger, [](std::int64_t v) { return Shown(v); }, low, high};
}

Kind<double> Quantity(std::string_view wanted, std::span<const Unit> units, double low,
                      double high) {
  return {wanted, [units](std::string_view text) { return ParseQuantity(text, units); },
          [units](double value) { return ShownQuantity(value, units); }, low, high};
}

Status ReadString(const Place& place, const YamlNode& node, std::string* out) {
  ATTUNE_RETURN_IF_ERROR(CheckScalar(place, node, "text"));
  if (node.text.empty()) return place.Error(node.at, "is empty");
  const bool control = std::any_of(node.text.begin(), node.text.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
  });
  if (control) {
    return place.Error(node.at, StrCat(QuotedYaml(node.text), " has a control character in it"));
  }
  *out = node.text;
  return OkStatus();
}

Status ReadName(const Place& place, const YamlNode& node, std::string* out) {
  ATTUNE_RETURN_IF_ERROR(ReadString(place, node, out));
  if (IsJobName(*out)) return OkStatus();
  return place.Error(node.at, StrCat(QuotedYaml(node.text), " is no name; allowed are 1 to ",
                                     kMaxJobName, " of a-z, 0-9, '.', '_' and '-'"));
}

template <typename T>
FieldReader ListOf(std::vector<T>* out, Status (*read)(const Place&, const YamlNode&, T*)) {
  return [out, read](const Place& place, const YamlNode& node) {
    std::vector<T> values;
    ATTUNE_RETURN_IF_ERROR(ReadList(place, node, [&](const Place& item, const YamlNode& value) {
      return read(item, value, &values.emplace_back());
    }));
    *out = std::move(values);
    return OkStatus();
  };
}

Status ReadWindow(const Place& place, const YamlNode& node, TimeWindow* out) {
  ATTUNE_RETURN_IF_ERROR(CheckScalar(place, node, "a window such as 22:00-06:00"));
  const Result<TimeWindow> window = ParseWindow(node.text);
  if (window.ok()) {
    *out = *window;
    return OkStatus();
  }
  return place.Error(node.at, StrCat(QuotedYaml(node.text), " ", window.status().message()));
}

}  // namespace

Place Place::Key(std::string_view key) const {
  return {file, path.empty() ? std::string(key) : StrCat(path, ".", key)};
}

Place Place::Item(std::size_t index) const { return {file, StrCat(path, "[", index, "]")}; }

Status Place::Error(YamlPosition at, std::string_view message) const {
  if (path.empty()) return YamlError(*file, at, message);
  return YamlError(*file, at, StrCat(path, ": ", message));
}

Status ReadFields(const Place& place, const YamlNode& node, std::span<const Field> fields) {
  std::vector<std::string_view> keys;
  for (const Field& field : fields) keys.push_back(field.key);
  if (node.kind != YamlKind::kMapping) {
    return place.Error(
        node.at, StrCat("is ", KindName(node), ", must be a mapping with keys of ", Listed(keys)));
  }
  for (std::size_t i = 0; i < node.keys.size(); ++i) {
    const YamlKey& key = node.keys[i];
    const auto field = std::find_if(fields.begin(), fields.end(),
                                    [&](const Field& f) { return f.key == key.text; });
    if (field == fields.end()) {
      return place.Error(key.at,
                         StrCat("unknown key ", QuotedYaml(key.text), Suggestion(key.text, keys)));
    }
    ATTUNE_RETURN_IF_ERROR(field->read(place.Key(key.text), node.items[i]));
  }
  for (const Field& field : fields) {
    if (!field.required || node.Find(field.key) != nullptr) continue;
    return place.Error(node.at, StrCat("the key '", field.key, "' is missing"));
  }
  return OkStatus();
}

FieldReader Boolean(bool* out) {
  return [out](const Place& place, const YamlNode& node) {
    ATTUNE_RETURN_IF_ERROR(CheckPlain(place, node, "true or false"));
    // Not YAML's yes, no, on and off, which mean other things to other readers.
    if (node.text != "true" && node.text != "false") {
      return place.Error(node.at, StrCat(QuotedYaml(node.text), " must be true or false"));
    }
    *out = node.text == "true";
    return OkStatus();
  };
}

FieldReader Integer(std::int64_t* out, std::int64_t low, std::int64_t high) {
  return Bounded(out, WholeNumber(low, high));
}

FieldReader Integer(int* out, int low, int high) {
  return [out, kind = WholeNumber(low, high)](const Place& place, const YamlNode& node) {
    std::int64_t value = *out;
    ATTUNE_RETURN_IF_ERROR(ReadBounded(place, node, kind, &value));
    *out = static_cast<int>(value);
    return OkStatus();
  };
}

FieldReader Seed(std::uint64_t* out) {
  constexpr std::int64_t kHighest = std::numeric_limits<std::int64_t>::max();
  return [out, kind = WholeNumber(0, kHighest)](const Place& place, const YamlNode& node) {
    std::int64_t value = 0;
    ATTUNE_RETURN_IF_ERROR(ReadBounded(place, node, kind, &value));
    *out = static_cast<std::uint64_t>(value);
    return OkStatus();
  };
}

FieldReader Number(double* out, double low, double high) {
  return Bounded<double>(
      out, {"a number", ParseNumber, [](double value) { return Shown(value); }, low, high});
}

FieldReader Fraction(double* out, double low, double high) {
  return Bounded<double>(out, {"a fraction such as 0.3 or 30%", ParseFraction,
                               [](double value) { return ShownFraction(value); }, low, high});
}

FieldReader Seconds(double* out, double low, double high) {
  return Bounded(out, Quantity("a duration such as 30s or 12h", kDurationUnits, low, high));
}

FieldReader Joules(double* out, double low, double high) {
  return Bounded(out, Quantity("an energy such as 5Wh", kEnergyUnits, low, high));
}

FieldReader Bytes(std::int64_t* out, std::int64_t low, std::int64_t high) {
  const auto kind = Quantity("a size such as 256MiB", kSizeUnits, static_cast<double>(low),
                             static_cast<double>(high));
  return [out, kind](const Place& place, const YamlNode& node) {
    double value = 0;
    ATTUNE_RETURN_IF_ERROR(ReadBounded(place, node, kind, &value));
    *out = std::llround(value);
    return OkStatus();
  };
}

FieldReader String(std::string* out) {
  return [out](const Place& place, const YamlNode& node) { return ReadString(place, node, out); };
}
FieldReader Strings(std::vector<std::string>* out) { return ListOf(out, ReadString); }
FieldReader Name(std::string* out) {
  return [out](const Place& place, const YamlNode& node) { return ReadName(place, node, out); };
}
FieldReader Names(std::vector<std::string>* out) { return ListOf(out, ReadName); }
FieldReader Windows(std::vector<TimeWindow>* out) { return ListOf(out, ReadWindow); }

Result<std::size_t> ReadChoice(const Place& place, const YamlNode& node,
                               std::span<const std::string_view> words) {
  ATTUNE_RETURN_IF_ERROR(CheckScalar(place, node, StrCat("one of ", Listed(words))));
  const auto found = std::find(words.begin(), words.end(), node.text);
  if (found != words.end()) return static_cast<std::size_t>(found - words.begin());
  return place.Error(
      node.at, StrCat(QuotedYaml(node.text), " is not known here", Suggestion(node.text, words)));
}

Status ReadList(const Place& place, const YamlNode& node, const FieldReader& read) {
  if (node.kind != YamlKind::kSequence) {
    return place.Error(node.at, StrCat("is ", KindName(node), ", must be a list"));
  }
  for (std::size_t i = 0; i < node.items.size(); ++i) {
    ATTUNE_RETURN_IF_ERROR(read(place.Item(i), node.items[i]));
  }
  return OkStatus();
}

}  // namespace attune
