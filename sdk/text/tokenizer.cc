#include "text/tokenizer.h"

#include <utility>

#include "base/strings.h"
#include "formats/json.h"
#include "text/llama2c_tokenizer.h"
#include "text/sentencepiece_model.h"
#include "text/special_names.h"
#include "text/tokenizer_json.h"
#include "text/unicode.h"
#include "text/utf8.h"

namespace attune {

namespace {

constexpr std::uint64_t kMaxConfigBytes = 1u << 20;

std::string DirectoryOf(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? std::string() : path.substr(0, slash + 1);
}

std::string_view TextOf(const MappedFile& file) {
  const auto bytes = file.bytes();
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

Result<SpecialNames> ReadNames(FileSystem& files, const std::string& directory) {
  const std::string path = JoinPath(directory, "tokenizer_config.json");
  if (!files.Exists(path)) return SpecialNames();
  ATTUNE_ASSIGN_OR_RETURN(const std::string text, files.Read(path, kMaxConfigBytes));
  const auto parse = [&]() -> Result<SpecialNames> {
    ATTUNE_ASSIGN_OR_RETURN(const JsonDocument document, JsonDocument::Parse(text));
    return ParseSpecialNames(document.root());
  };
  Result<SpecialNames> names = parse();
  if (!names.ok()) return std::move(names).status().WithContext("tokenizer_config.json");
  return names;
}

// The tokenizer file of a directory, by preference.
Result<std::string> FindFile(FileSystem& files, const std::string& directory) {
  for (const char* name : {"tokenizer.json", "vocab.json", "tokenizer.model", "tokenizer.bin"}) {
    std::string path = JoinPath(directory, name);
    if (files.Exists(path)) return path;
  }
  return NotFound(StrCat(BaseName(directory),
                         ": no tokenizer.json, vocab.json, tokenizer.model or tokenizer.bin"));
}

Result<std::unique_ptr<Tokenizer>> OpenGpt2(FileSystem& files, const std::string& path,
                                            std::string_view vocab, const SpecialNames& names) {
  ATTUNE_ASSIGN_OR_RETURN(const auto merges, files.Map(JoinPath(DirectoryOf(path), "merges.txt")));
  return ParseGpt2Files(vocab, TextOf(*merges), names);
}

Result<std::unique_ptr<Tokenizer>> OpenFile(FileSystem& files, const std::string& path) {
  const std::string name = BaseName(path);
  ATTUNE_ASSIGN_OR_RETURN(const SpecialNames names, ReadNames(files, DirectoryOf(path)));
  ATTUNE_ASSIGN_OR_RETURN(const auto mapped, files.Map(path));
  const std::string_view bytes = TextOf(*mapped);
  const auto parse = [&]() -> Result<std::unique_ptr<Tokenizer>> {
    if (name == "vocab.json") return OpenGpt2(files, path, bytes, names);
    if (name.ends_with(".json")) return ParseTokenizerJson(bytes, names);
    if (name.ends_with(".model")) return ParseSentencePieceModel(bytes);
    if (name.ends_with(".bin")) return ParseLlama2cTokenizer(bytes);
    return Unsupported("not a tokenizer by its name: *.json, *.model or *.bin");
  };
  Result<std::unique_ptr<Tokenizer>> tokenizer = parse();
  if (!tokenizer.ok()) return std::move(tokenizer).status().WithContext(name);
  return tokenizer;
}

// Strips leading spaces while there are some to strip and no text has come.
void StripStart(std::string* bytes, std::size_t* to_strip) {
  std::size_t spaces = 0;
  while (spaces < *to_strip && spaces < bytes->size() && (*bytes)[spaces] == ' ') ++spaces;
  bytes->erase(0, spaces);
  *to_strip = bytes->empty() ? *to_strip - spaces : 0;
}

}  // namespace

Result<std::unique_ptr<Tokenizer>> Tokenizer::Open(FileSystem& files, const std::string& path) {
  if (!files.IsDirectory(path)) return OpenFile(files, path);
  ATTUNE_ASSIGN_OR_RETURN(const std::string file, FindFile(files, path));
  return OpenFile(files, file);
}

std::string Tokenizer::Decode(std::span<const std::int32_t> ids,
                              const DecodeOptions& options) const {
  StreamDecoder decoder(*this, options);
  std::string out;
  for (const std::int32_t id : ids) out += decoder.Push(id);
  return out + decoder.Finish();
}

bool Tokenizer::BeginsWord(std::int32_t id) const {
  const std::string bytes = TokenBytes(id);
  return !bytes.empty() && IsSpace(FirstCharacter(bytes).code_point);
}

StreamDecoder::StreamDecoder(const Tokenizer& tokenizer, const DecodeOptions& options)
    : tokenizer_(tokenizer), options_(options), to_strip_(tokenizer.LeadingSpacesToStrip()) {}

std::string StreamDecoder::Push(std::int32_t id) {
  std::string bytes;
  if (!tokenizer_.IsSpecial(id)) {
    bytes = tokenizer_.TokenBytes(id);
  } else if (!options_.skip_special) {
    bytes = tokenizer_.TokenSpelling(id);
  }
  StripStart(&bytes, &to_strip_);
  pending_ += bytes;
  const std::size_t finished = pending_.size() - UnfinishedSuffix(pending_);
  std::string out = ReplaceInvalidUtf8(std::string_view(pending_).substr(0, finished));
  pending_.erase(0, finished);
  return out;
}

std::string StreamDecoder::Finish() {
  std::string out = ReplaceInvalidUtf8(pending_);
  pending_.clear();
  to_strip_ = tokenizer_.LeadingSpacesToStrip();
  return out;
}

}  // namespace attune
