#include "config/yaml_document.h"

#include <yaml.h>

#include <algorithm>
#include <set>
#include <utility>

#include "base/strings.h"
#include "text/utf8.h"

namespace attune {
namespace {

YamlPosition PositionOf(const yaml_mark_t& mark) {
  return {.line = static_cast<int>(mark.line) + 1, .column = static_cast<int>(mark.column) + 1};
}

// Of the character at `offset`. The bytes before it are valid UTF-8.
YamlPosition PositionAt(std::string_view bytes, std::size_t offset) {
  YamlPosition at;
  for (const char c : bytes.substr(0, offset)) {
    if (c == '\n') {
      at = {.line = at.line + 1, .column = 1};
    } else if ((static_cast<unsigned char>(c) & 0xC0) != 0x80) {
      ++at.column;
    }
  }
  return at;
}

std::string_view TextOf(const yaml_char_t* text, std::size_t size) {
  return {reinterpret_cast<const char*>(text), size};
}

// libyaml's own words, with what to do where they leave that open.
std::string Explain(std::string_view problem) {
  struct Hint {
    std::string_view problem;
    std::string_view advice;
  };
  static constexpr Hint kHints[] = {
      {"found character that cannot start any token",
       "indent with spaces, and quote a value that begins with @, ` or %"},
      {"mapping values are not allowed in this context",
       "one key a line; put a value with ': ' in it into quotes"},
      {"did not find expected key", "lines of one mapping begin in the same column"},
      {"did not find expected '-' indicator", "lines of one list begin in the same column"},
      {"could not find expected ':'", "a key needs ': ' and a value"},
      {"found unexpected end of stream", "a quote is not closed"},
      {"did not find expected ',' or ']'", "close the list with ]"},
      {"did not find expected ',' or '}'", "close the mapping with }"},
      {"found a tab character that violates indentation", "indent with spaces"},
  };
  for (const Hint& hint : kHints) {
    if (hint.problem == problem) return StrCat("not YAML: ", problem, "; ", hint.advice);
  }
  return StrCat("not YAML: ", problem);
}

// Owns libyaml's parser and the event it gave last.
class EventReader {
 public:
  explicit EventReader(std::string_view bytes) : bytes_(bytes) {
    ready_ = yaml_parser_initialize(&parser_) == 1;
    if (!ready_) return;
    // Otherwise a byte order mark could switch to UTF-16, which nothing here checks.
    yaml_parser_set_encoding(&parser_, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser_, reinterpret_cast<const unsigned char*>(bytes.data()),
                                 bytes.size());
  }
  ~EventReader() {
    Drop();
    if (ready_) yaml_parser_delete(&parser_);
  }
  EventReader(const EventReader&) = delete;
  EventReader& operator=(const EventReader&) = delete;

  Status Next(const std::string& name) {
    Drop();
    if (!ready_) return ResourceExhausted(StrCat(name, ": no memory for the YAML parser"));
    have_event_ = yaml_parser_parse(&parser_, &event_) == 1;
    if (have_event_) return OkStatus();
    if (parser_.error == YAML_MEMORY_ERROR) {
      return ResourceExhausted(StrCat(name, ": no memory for ", bytes_.size(), " bytes of YAML"));
    }
    const char* problem = parser_.problem != nullptr ? parser_.problem : "it makes no sense";
    const YamlPosition at = parser_.error == YAML_READER_ERROR
                                ? PositionAt(bytes_, parser_.problem_offset)
                                : PositionOf(parser_.problem_mark);
    return YamlError(name, at, Explain(problem));
  }
  const yaml_event_t& event() const { return event_; }

 private:
  void Drop() {
    if (have_event_) yaml_event_delete(&event_);
    have_event_ = false;
  }

  std::string_view bytes_;
  yaml_parser_t parser_;
  yaml_event_t event_;
  bool ready_ = false;
  bool have_event_ = false;
};

// Builds the tree from the events, depth first.
class TreeBuilder {
 public:
  TreeBuilder(std::string_view bytes, const std::string& name, const YamlLimits& limits)
      : reader_(bytes), name_(name), limits_(limits) {}

  Result<YamlNode> Build() {
    ATTUNE_RETURN_IF_ERROR(Next());  // The stream begins.
    ATTUNE_RETURN_IF_ERROR(Next());
    // Nothing but blanks and comments: as good as a mapping without keys.
    YamlNode root;
    if (event().type == YAML_STREAM_END_EVENT) {
      root.kind = YamlKind::kMapping;
      return root;
    }
    ATTUNE_RETURN_IF_ERROR(CheckDocumentStart());
    ATTUNE_RETURN_IF_ERROR(Next());
    ATTUNE_RETURN_IF_ERROR(ReadNode(1, &root));
    ATTUNE_RETURN_IF_ERROR(Next());  // The document ends.
    ATTUNE_RETURN_IF_ERROR(Next());
    if (event().type != YAML_STREAM_END_EVENT) {
      return Fail("a second document; a configuration is one");
    }
    return root;
  }

 private:
  Status Next() { return reader_.Next(name_); }
  const yaml_event_t& event() const { return reader_.event(); }
  Status Fail(std::string_view message) const {
    return YamlError(name_, PositionOf(event().start_mark), message);
  }

  Status CheckDocumentStart() const {
    const auto& start = event().data.document_start;
    const bool directives = start.version_directive != nullptr ||
                            start.tag_directives.start != start.tag_directives.end;
    return directives ? Fail("directives (%) are not allowed") : OkStatus();
  }

  Status CheckUndecorated(const yaml_char_t* anchor, const yaml_char_t* tag) const {
    if (anchor != nullptr) return Fail("anchors (&) are not allowed; write the value out");
    if (tag != nullptr) return Fail("tags (!) are not allowed");
    return OkStatus();
  }

  // The node that the current event begins; ends with the event that ends it.
  Status ReadNode(std::size_t depth, YamlNode* node) {
    if (++nodes_ > limits_.nodes) {
      return Fail(StrCat("more than ", limits_.nodes, " values in one file"));
    }
    node->at = PositionOf(event().start_mark);
    const auto& data = event().data;
    switch (event().type) {
      case YAML_SCALAR_EVENT:
        ATTUNE_RETURN_IF_ERROR(CheckUndecorated(data.scalar.anchor, data.scalar.tag));
        node->text = TextOf(data.scalar.value, data.scalar.length);
        node->quoted = data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
        return OkStatus();
      case YAML_SEQUENCE_START_EVENT:
        ATTUNE_RETURN_IF_ERROR(
            CheckUndecorated(data.sequence_start.anchor, data.sequence_start.tag));
        node->kind = YamlKind::kSequence;
        break;
      case YAML_MAPPING_START_EVENT:
        ATTUNE_RETURN_IF_ERROR(CheckUndecorated(data.mapping_start.anchor, data.mapping_start.tag));
        node->kind = YamlKind::kMapping;
        break;
      default:
        return Fail("aliases (*) are not allowed; write the value out");
    }
    if (depth >= limits_.depth) {
      return Fail(StrCat("nested deeper than ", limits_.depth, " levels"));
    }
    return node->kind == YamlKind::kMapping ? ReadEntries(depth, node) : ReadItems(depth, node);
  }

  Status ReadItems(std::size_t depth, YamlNode* node) {
    while (true) {
      ATTUNE_RETURN_IF_ERROR(Next());
      if (event().type == YAML_SEQUENCE_END_EVENT) return OkStatus();
      YamlNode item;
      ATTUNE_RETURN_IF_ERROR(ReadNode(depth + 1, &item));
      node->items.push_back(std::move(item));
    }
  }

  Status ReadEntries(std::size_t depth, YamlNode* node) {
    std::set<std::string> seen;
    while (true) {
      ATTUNE_RETURN_IF_ERROR(Next());
      if (event().type == YAML_MAPPING_END_EVENT) return OkStatus();
      YamlNode key;
      if (event().type != YAML_SCALAR_EVENT) return Fail("a key must be a word");
      ATTUNE_RETURN_IF_ERROR(ReadNode(depth + 1, &key));
      if (!seen.insert(key.text).second) {
        return Fail(StrCat("the key ", QuotedYaml(key.text), " is here twice"));
      }
      node->keys.push_back({std::move(key.text), key.at});
      ATTUNE_RETURN_IF_ERROR(Next());
      YamlNode value;
      ATTUNE_RETURN_IF_ERROR(ReadNode(depth + 1, &value));
      node->items.push_back(std::move(value));
    }
  }

  EventReader reader_;
  const std::string& name_;
  const YamlLimits limits_;
  std::size_t nodes_ = 0;
};

// Where the first byte stands that is not UTF-8; the size if all are.
std::size_t FirstInvalid(std::string_view bytes) {
  std::size_t offset = 0;
  while (offset < bytes.size()) {
    const Utf8Character character = FirstCharacter(bytes.substr(offset));
    if (!character.valid) break;
    offset += character.length;
  }
  return offset;
}

}  // namespace

const YamlNode* YamlNode::Find(std::string_view key) const {
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (keys[i].text == key) return &items[i];
  }
  return nullptr;
}

bool YamlNode::IsNull() const {
  if (kind != YamlKind::kScalar || quoted) return false;
  return text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL";
}

Result<YamlNode> ParseYaml(std::string_view bytes, const std::string& name,
                           const YamlLimits& limits) {
  if (bytes.size() > limits.bytes) {
    return InvalidArgument(StrCat(name, ": ", bytes.size(), " bytes, allowed are ", limits.bytes));
  }
  if (const std::size_t offset = FirstInvalid(bytes); offset < bytes.size()) {
    return YamlError(name, PositionAt(bytes, offset), "not UTF-8; save the file as UTF-8");
  }
  return TreeBuilder(bytes, name, limits).Build();
}

Status YamlError(const std::string& name, YamlPosition at, std::string_view message) {
  return InvalidArgument(StrCat(name, ":", at.line, ":", at.column, ": ", message));
}

std::string QuotedYaml(std::string_view text) {
  constexpr std::size_t kShown = 40;
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out = "'";
  for (const char c : text.substr(0, kShown)) {
    if (c >= 0x20 && c < 0x7F) {
      out += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out += "\\x";
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
  if (text.size() > kShown) out += "...";
  return out + "'";
}

}  // namespace attune
