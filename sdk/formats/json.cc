#include "formats/json.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <iterator>
#include <new>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/strings.h"

namespace attune {

static_assert(sizeof(Json) == 16 && sizeof(JsonMember) == 32, "the header promises these sizes");

namespace internal {

// What an array or object knows besides its kind. `position` is where it stands
// in `parent`, so that a path can be spelled when a message needs one.
struct JsonContainer {
  const JsonContainer* parent = nullptr;
  std::uint32_t position = 0;
  std::uint32_t count = 0;
  bool object = false;
  const Json* items = nullptr;            // Arrays.
  const JsonMember* members = nullptr;    // Objects.
  const std::uint32_t* by_key = nullptr;  // Members in the order of their keys.
};

// Blocks that are only ever added to; nothing in them has a destructor.
class JsonArena {
 public:
  template <typename T>
  T* Allocate(std::size_t count) {
    static_assert(std::is_trivially_destructible_v<T>);
    return static_cast<T*>(Raw(count * sizeof(T), alignof(T)));
  }

 private:
  static constexpr std::size_t kBlockBytes = 64 * 1024;

  void* Raw(std::size_t bytes, std::size_t alignment) {
    std::size_t start = (used_ + alignment - 1) / alignment * alignment;
    if (blocks_.empty() || start + bytes > capacity_) {
      // Large arrays get a block of their own; small documents stay small.
      capacity_ = std::max(bytes, std::min(kBlockBytes, std::max<std::size_t>(1024, total_)));
      total_ += capacity_;
      blocks_.emplace_back(new std::byte[capacity_]);
      start = 0;
    }
    used_ = start + bytes;
    return blocks_.back().get() + start;
  }

  std::vector<std::unique_ptr<std::byte[]>> blocks_;
  std::size_t capacity_ = 0;
  std::size_t used_ = 0;
  std::size_t total_ = 0;
};

}  // namespace internal

using internal::JsonArena;
using internal::JsonContainer;

// --- Building ---

// nlohmann's SAX consumer. Values of open containers wait on one stack; when a
// container ends, its part of the stack moves to the arena.
class JsonBuilder {
 public:
  using number_integer_t = nlohmann::json::number_integer_t;
  using number_unsigned_t = nlohmann::json::number_unsigned_t;
  using number_float_t = nlohmann::json::number_float_t;
  using string_t = nlohmann::json::string_t;
  using binary_t = nlohmann::json::binary_t;

  JsonBuilder(JsonArena* arena, int max_depth) : arena_(arena), max_depth_(max_depth) {}

  bool null() { return Push(Json()); }
  bool boolean(bool value) {
    Json json;
    json.kind_ = JsonKind::kBool;
    json.bool_ = value;
    return Push(json);
  }
  bool number_integer(number_integer_t value) {
    Json json;
    json.kind_ = JsonKind::kInt;
    json.int_ = value;
    return Push(json);
  }
  bool number_unsigned(number_unsigned_t value) {
    if (value <= static_cast<number_unsigned_t>(Json::kIntMax)) {
      return number_integer(static_cast<number_integer_t>(value));
    }
    return number_float(static_cast<double>(value), {});
  }
  bool number_float(number_float_t value, const string_t&) {
    Json json;
    json.kind_ = JsonKind::kDouble;
    json.double_ = value;
    return Push(json);
  }
  bool string(string_t& value) {
    const std::string_view stored = Store(value);
    Json json;
    json.kind_ = JsonKind::kString;
    json.length_ = static_cast<std::uint32_t>(stored.size());
    json.string_ = stored.data();
    return Push(json);
  }
  bool binary(binary_t&) { return Fail("binary value"); }

  bool key(string_t& value) {
    open_.back().key = Store(value);
    return true;
  }
  bool start_object(std::size_t) { return Open(true); }
  bool start_array(std::size_t) { return Open(false); }
  bool end_object();
  bool end_array();

  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception& error) {
    return Fail(Explain(error.what()));
  }

  const std::string& error() const { return error_; }
  const Json& root() const { return stack_.front().value; }

 private:
  struct OpenContainer {
    JsonContainer* container;
    std::size_t begin;     // Of its values on the stack.
    std::string_view key;  // Of the next value, in an object.
  };

  bool Push(const Json& json) {
    stack_.push_back({open_.empty() ? std::string_view() : open_.back().key, json});
    return true;
  }
  bool Fail(std::string why) {
    if (error_.empty()) error_ = std::move(why);
    return false;
  }
  std::string_view Store(const std::string& text) {
    char* stored = arena_->Allocate<char>(text.size());
    std::copy(text.begin(), text.end(), stored);
    return {stored, text.size()};
  }
  bool Open(bool object);
  bool Close(JsonKind kind);
  bool IndexKeys(JsonContainer* container);
  // The library's text quotes the document, which may be a user's: say it anew.
  static std::string Explain(const char* what);

  JsonArena* arena_;
  int max_depth_;
  std::vector<JsonMember> stack_;
  std::vector<OpenContainer> open_;
  std::string error_;
};

bool JsonBuilder::Open(bool object) {
  if (open_.size() >= static_cast<std::size_t>(max_depth_)) {
    return Fail(StrCat("nested deeper than ", max_depth_));
  }
  auto* container = new (arena_->Allocate<JsonContainer>(1)) JsonContainer();
  container->object = object;
  if (!open_.empty()) {
    container->parent = open_.back().container;
    container->position = static_cast<std::uint32_t>(stack_.size() - open_.back().begin);
  }
  open_.push_back({container, stack_.size(), {}});
  return true;
}

bool JsonBuilder::Close(JsonKind kind) {
  Json json;
  json.kind_ = kind;
  json.container_ = open_.back().container;
  stack_.resize(open_.back().begin);
  open_.pop_back();
  return Push(json);
}

bool JsonBuilder::end_array() {
  const OpenContainer& open = open_.back();
  const std::size_t count = stack_.size() - open.begin;
  Json* items = arena_->Allocate<Json>(count);
  for (std::size_t i = 0; i < count; ++i) new (items + i) Json(stack_[open.begin + i].value);
  open.container->count = static_cast<std::uint32_t>(count);
  open.container->items = items;
  return Close(JsonKind::kArray);
}

bool JsonBuilder::end_object() {
  const OpenContainer& open = open_.back();
  const std::size_t count = stack_.size() - open.begin;
  auto* members = arena_->Allocate<JsonMember>(count);
  for (std::size_t i = 0; i < count; ++i) new (members + i) JsonMember(stack_[open.begin + i]);
  open.container->count = static_cast<std::uint32_t>(count);
  open.container->members = members;
  return IndexKeys(open.container) && Close(JsonKind::kObject);
}

bool JsonBuilder::IndexKeys(JsonContainer* container) {
  auto* by_key = arena_->Allocate<std::uint32_t>(container->count);
  for (std::uint32_t i = 0; i < container->count; ++i) by_key[i] = i;
  const JsonMember* members = container->members;
  // Sorted rather than hashed: no text can make it quadratic.
  std::sort(by_key, by_key + container->count, [members](std::uint32_t a, std::uint32_t b) {
    return members[a].key < members[b].key;
  });
  const auto* twice = std::adjacent_find(
      by_key, by_key + container->count,
      [members](std::uint32_t a, std::uint32_t b) { return members[a].key == members[b].key; });
  if (twice != by_key + container->count) {
    // The key may be somebody's text: it is not shown.
    return Fail("the same key twice in one object");
  }
  container->by_key = by_key;
  return true;
}

std::string JsonBuilder::Explain(const char* what) {
  struct Phrase {
    const char* theirs;
    const char* ours;
  };
  constexpr Phrase kPhrases[] = {
      {"ill-formed UTF-8", "invalid UTF-8"},
      {"missing closing quote", "string without closing quote"},
      {"control character", "control character in a string"},
      {"surrogate", "lone surrogate in a string"},
      {"forbidden character after backslash", "unknown escape in a string"},
      {"must be followed by 4 hex digits", "escape without four hex digits"},
      {"invalid number", "malformed number"},
      {"number overflow", "number out of range"},
      {"unexpected end of input", "text ends too early"},
      {"expected end of input", "text after the end of the value"},
      {"invalid BOM", "invalid UTF-8"},
  };
  for (const Phrase& phrase : kPhrases) {
    if (std::strstr(what, phrase.theirs) != nullptr) return phrase.ours;
  }
  return "syntax error";
}

// --- Parsing ---

namespace {

// Walks the text and lets others see how far the parser has come: SAX events do
// not say where they happen.
class TrackingIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  TrackingIterator(const char* at, const char** seen) : at_(at), seen_(seen) {}
  reference operator*() const { return *at_; }
  TrackingIterator& operator++() {
    *seen_ = ++at_;
    return *this;
  }
  bool operator==(const TrackingIterator& other) const { return at_ == other.at_; }
  bool operator!=(const TrackingIterator& other) const { return at_ != other.at_; }

 private:
  const char* at_;
  const char** seen_;
};

}  // namespace

Result<JsonDocument> JsonDocument::Parse(std::string_view text, const JsonLimits& limits) {
  // Lengths and counts are kept in 32 bits.
  const std::uint64_t allowed = std::min<std::uint64_t>(limits.max_bytes, UINT32_MAX);
  if (text.size() > allowed) {
    return ResourceExhausted(StrCat("JSON of ", text.size(), " bytes, allowed at most ", allowed));
  }
  // JSON has no place for it, but the library would take it for the end.
  if (const std::size_t nul = text.find('\0'); nul != std::string_view::npos) {
    return InvalidArgument(StrCat("byte ", nul, " of ", text.size(), ": NUL byte"));
  }
  auto arena = std::make_unique<JsonArena>();
  JsonBuilder builder(arena.get(), limits.max_depth);
  const char* seen = text.data();
  const char* end = text.data() + text.size();
  if (!nlohmann::json::sax_parse(TrackingIterator(text.data(), &seen), TrackingIterator(end, &seen),
                                 &builder)) {
    return InvalidArgument(
        StrCat("byte ", seen - text.data(), " of ", text.size(), ": ", builder.error()));
  }
  const Json* root = new (arena->Allocate<Json>(1)) Json(builder.root());
  return JsonDocument(std::move(arena), root);
}

JsonDocument::JsonDocument(std::unique_ptr<JsonArena> arena, const Json* root)
    : arena_(std::move(arena)), root_(root) {}
JsonDocument::JsonDocument(JsonDocument&&) noexcept = default;
JsonDocument& JsonDocument::operator=(JsonDocument&&) noexcept = default;
JsonDocument::~JsonDocument() = default;

// --- Reading ---

bool Json::bool_value() const {
  ATTUNE_CHECK(kind_ == JsonKind::kBool);
  return bool_;
}

std::int64_t Json::int_value() const {
  ATTUNE_CHECK(kind_ == JsonKind::kInt);
  return int_;
}

double Json::number_value() const {
  ATTUNE_CHECK(is_number());
  return kind_ == JsonKind::kInt ? static_cast<double>(int_) : double_;
}

std::string_view Json::string_value() const {
  ATTUNE_CHECK(kind_ == JsonKind::kString);
  return {string_, length_};
}

std::span<const Json> Json::items() const {
  ATTUNE_CHECK(kind_ == JsonKind::kArray);
  return {container_->items, container_->count};
}

std::span<const JsonMember> Json::members() const {
  ATTUNE_CHECK(kind_ == JsonKind::kObject);
  return {container_->members, container_->count};
}

std::size_t Json::size() const { return is_array() || is_object() ? container_->count : 0; }

const Json* Json::Find(std::string_view key) const {
  if (kind_ != JsonKind::kObject) return nullptr;
  const JsonMember* members = container_->members;
  const std::uint32_t* end = container_->by_key + container_->count;
  const std::uint32_t* found = std::lower_bound(
      container_->by_key, end, key,
      [members](std::uint32_t i, std::string_view k) { return members[i].key < k; });
  return found != end && members[*found].key == key ? &members[*found].value : nullptr;
}

std::string Clipped(std::string_view name) {
  constexpr std::size_t kLongest = 80;
  std::string out(name.substr(0, kLongest));
  for (char& c : out) {
    if (c < 0x20 || c > 0x7e) c = '?';
  }
  if (name.size() > kLongest) out += "...";
  return out;
}

std::string Quoted(std::string_view name) { return StrCat("'", Clipped(name), "'"); }

std::string Json::Path() const {
  if (!is_array() && !is_object()) return "";
  std::string path;
  for (const JsonContainer* at = container_; at->parent != nullptr; at = at->parent) {
    const JsonContainer* parent = at->parent;
    const std::string step = parent->object ? StrCat(parent->parent ? "." : "",
                                                     Clipped(parent->members[at->position].key))
                                            : StrCat("[", at->position, "]");
    path.insert(0, step);
  }
  return path;
}

std::string Json::PathOf(std::string_view key) const {
  const std::string path = Path();
  return path.empty() ? Clipped(key) : StrCat(path, ".", Clipped(key));
}

std::string Json::PathOf(std::size_t index) const { return StrCat(Path(), "[", index, "]"); }

}  // namespace attune
