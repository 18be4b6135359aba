#include "vault/container.h"

#include <limits>
#include <set>
#include <utility>

#include "base/check.h"
#include "base/checked_math.h"
#include "base/strings.h"
#include "vault/byte_order.h"
#include "vault/compress.h"

namespace attune {
namespace {

constexpr std::string_view kMagic = "ATTC";
constexpr std::size_t kPayloadHeaderBytes = 1 + 8 + 8;  // Codec, size, stored size.

bool IsName(std::string_view name) { return !name.empty() && name.size() <= kMaxContainerName; }

// A section's header and its payload.
struct StoredSection {
  std::string_view name;
  std::uint8_t width = 1;
  Codec codec = Codec::kStored;
  std::uint64_t size = 0;
  std::string_view payload;
};

Status Truncated(std::string_view what, const ByteReader& reader) {
  return DataLoss(
      StrCat("container: ", what, " at byte ", reader.position(), " runs over the end"));
}

Status CheckMagic(ByteReader* reader) {
  if (reader->Bytes(kMagic.size()) != kMagic) return DataLoss("container: not one");
  const auto version = reader->Number<std::uint16_t>();
  if (!reader->ok()) return Truncated("version", *reader);
  if (version == kContainerVersion) return OkStatus();
  if (version == 0) return DataLoss("container: version 0");
  return Unsupported(
      StrCat("container: version ", version, ", this build reads ", kContainerVersion));
}

// A count of fields or sections.
Result<std::uint32_t> ReadCount(std::string_view what, ByteReader* reader) {
  const auto count = reader->Number<std::uint32_t>();
  if (!reader->ok()) return Truncated(what, *reader);
  if (count <= kMaxContainerEntries) return count;
  return DataLoss(StrCat("container: ", count, " ", what, ", at most ", kMaxContainerEntries));
}

Status ReadFields(ByteReader* reader, std::map<std::string, std::string>* fields) {
  ATTUNE_ASSIGN_OR_RETURN(const std::uint32_t count, ReadCount("fields", reader));
  std::string_view last;
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::string_view key = reader->Counted<std::uint16_t>();
    const std::string_view value = reader->Counted<std::uint32_t>();
    if (!reader->ok()) return Truncated(StrCat("field ", i), *reader);
    // Ascending keys: no duplicates, and one order.
    if (!IsName(key) || key <= last) {
      return DataLoss(StrCat("container: field ", i, " of ", count, " is out of order"));
    }
    last = key;
    fields->emplace_hint(fields->end(), key, value);
  }
  return OkStatus();
}

Result<std::vector<StoredSection>> ReadSections(ByteReader* reader) {
  ATTUNE_ASSIGN_OR_RETURN(const std::uint32_t count, ReadCount("sections", reader));
  std::vector<StoredSection> sections;
  std::set<std::string_view> names;
  for (std::uint32_t i = 0; i < count; ++i) {
    StoredSection section;
    section.name = reader->Counted<std::uint16_t>();
    section.width = reader->Number<std::uint8_t>();
    section.codec = static_cast<Codec>(reader->Number<std::uint8_t>());
    section.size = reader->Number<std::uint64_t>();
    section.payload = reader->Counted<std::uint64_t>();
    if (!reader->ok()) return Truncated(StrCat("section ", i), *reader);
    if (!IsName(section.name) || !names.insert(section.name).second) {
      return DataLoss(StrCat("container: section ", i, " of ", count, " repeats a name"));
    }
    sections.push_back(section);
  }
  return sections;
}

// Sums what the sections would come to, before any of them is made.
Status CheckSizes(std::span<const StoredSection> sections, std::uint64_t fields,
                  std::uint64_t limit) {
  std::optional<std::uint64_t> total = fields;
  for (const StoredSection& section : sections) {
    total = CheckedAdd(*total, section.size);
    if (!total) return DataLoss("container: sizes beyond 64 bits");
  }
  if (*total <= limit) return OkStatus();
  return ResourceExhausted(StrCat("container: ", *total, " bytes, at most ", limit));
}

// The payload goes where it stays; what is known only then is put before it.
void AppendSection(const ContainerSection& section, Compressor* compressor, std::string* out) {
  ByteWriter writer(out);
  writer.Counted<std::uint16_t>(section.name);
  writer.Number(section.width);
  const std::size_t place = out->size();
  out->append(kPayloadHeaderBytes, '\0');
  const std::size_t start = out->size();
  const Codec codec = compressor->Append(section.bytes, section.width, out);
  std::string header;
  ByteWriter late(&header);
  late.Number(static_cast<std::uint8_t>(codec));
  late.Number(static_cast<std::uint64_t>(section.bytes.size()));
  late.Number(static_cast<std::uint64_t>(out->size() - start));
  out->replace(place, header.size(), header);
}

}  // namespace

const std::string* Container::Field(std::string_view key) const {
  const auto found = fields.find(std::string(key));
  return found == fields.end() ? nullptr : &found->second;
}

const Container::Section* Container::Find(std::string_view name) const {
  for (const Section& section : sections) {
    if (section.name == name) return &section;
  }
  return nullptr;
}

std::string EncodeContainer(const std::map<std::string, std::string>& fields,
                            std::span<const ContainerSection> sections) {
  ATTUNE_CHECK(fields.size() <= kMaxContainerEntries && sections.size() <= kMaxContainerEntries);
  std::size_t raw = 0;
  for (const ContainerSection& section : sections) raw += section.bytes.size();
  std::string out;
  out.reserve(raw);
  ByteWriter writer(&out);
  writer.Bytes(kMagic);
  writer.Number(kContainerVersion);
  writer.Number(static_cast<std::uint32_t>(fields.size()));
  for (const auto& [key, value] : fields) {
    ATTUNE_CHECK(IsName(key) && value.size() <= std::numeric_limits<std::uint32_t>::max());
    writer.Counted<std::uint16_t>(key);
    writer.Counted<std::uint32_t>(value);
  }
  writer.Number(static_cast<std::uint32_t>(sections.size()));
  std::set<std::string_view> names;
  Compressor compressor;
  for (const ContainerSection& section : sections) {
    ATTUNE_CHECK(IsName(section.name) && names.insert(section.name).second);
    AppendSection(section, &compressor, &out);
  }
  return out;
}

Result<Container> DecodeContainer(std::string_view bytes, std::uint64_t limit) {
  ByteReader reader(bytes);
  ATTUNE_RETURN_IF_ERROR(CheckMagic(&reader));
  Container container;
  ATTUNE_RETURN_IF_ERROR(ReadFields(&reader, &container.fields));
  const std::uint64_t fields = reader.position();
  ATTUNE_ASSIGN_OR_RETURN(const std::vector<StoredSection> sections, ReadSections(&reader));
  if (!reader.AtEnd()) {
    return DataLoss(StrCat("container: ", reader.remaining(), " bytes after its end"));
  }
  ATTUNE_RETURN_IF_ERROR(CheckSizes(sections, fields, limit));
  for (const StoredSection& section : sections) {
    Result<std::string> opened =
        Decompress(section.codec, section.payload, section.width, section.size);
    if (!opened.ok()) return std::move(opened).status().WithContext("container");
    container.sections.push_back({std::string(section.name), section.width, *std::move(opened)});
  }
  return container;
}

}  // namespace attune
