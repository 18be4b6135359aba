#include "text/bpe_model.h"

#include <algorithm>
#include <utility>

#include "base/strings.h"
#include "text/byte_alphabet.h"
#include "text/utf8.h"

namespace attune {

namespace {

constexpr std::string_view kHex = "0123456789ABCDEF";

int HexDigit(char c) {
  if (c >= 'a' && c <= 'f') c = static_cast<char>(c - 'a' + 'A');
  const std::size_t at = kHex.find(c);
  return at == std::string_view::npos ? -1 : static_cast<int>(at);
}

}  // namespace

std::string SpellFallbackByte(int byte) {
  const auto digit = [byte](int shift) {
    return kHex[static_cast<std::size_t>(byte >> shift & 15)];
  };
  return StrCat("<0x", digit(4), digit(0), ">");
}

std::optional<char> ParseFallbackByte(std::string_view spelling) {
  if (spelling.size() != 6 || !spelling.starts_with("<0x") || spelling[5] != '>') {
    return std::nullopt;
  }
  const int high = HexDigit(spelling[3]);
  const int low = HexDigit(spelling[4]);
  if (high < 0 || low < 0) return std::nullopt;
  return static_cast<char>(high * 16 + low);
}

BpeModel::BpeModel(Vocabulary vocabulary, MergeTable merges, const BpeOptions& options)
    : vocabulary_(std::move(vocabulary)), merges_(std::move(merges)), options_(options) {
  for (int byte = 0; byte < 256; ++byte) {
    const std::string spelling = options_.byte_level
                                     ? SpellBytes(std::string(1, static_cast<char>(byte)))
                                     : SpellFallbackByte(byte);
    byte_ids_[static_cast<std::size_t>(byte)] = vocabulary_.Find(spelling).value_or(-1);
  }
}

Result<BpeModel> BpeModel::Create(Vocabulary vocabulary, MergeTable merges,
                                  const BpeOptions& options) {
  BpeModel model(std::move(vocabulary), std::move(merges), options);
  const auto absent = std::count(model.byte_ids_.begin(), model.byte_ids_.end(), -1);
  // What the two mean together is nowhere defined.
  if (options.byte_level && options.byte_fallback && absent > 0) {
    return Unsupported(StrCat("model.byte_fallback with ByteLevel, where ", absent,
                              " of 256 bytes have no token"));
  }
  return model;
}

void BpeModel::Encode(std::string_view word, Scratch* scratch,
                      std::vector<std::int32_t>* ids) const {
  if (options_.ignore_merges) {
    const auto whole =
        options_.byte_level ? vocabulary_.Find(SpellBytes(word)) : vocabulary_.Find(word);
    if (whole) {
      ids->push_back(*whole);
      return;
    }
  }
  scratch->Clear();
  options_.byte_level ? AppendBytes(word, scratch) : AppendCharacters(word, scratch);
  scratch->Merge([this](const BpeSymbol& left, const BpeSymbol& right) {
    return merges_.Find(left.id, right.id);
  });
  bool after_unknown = false;
  scratch->ForEach([&](const BpeSymbol& symbol) {
    const bool unknown = symbol.id < 0;
    if (!unknown) {
      ids->push_back(symbol.id);
    } else if (options_.unknown_id && !(after_unknown && options_.fuse_unknown)) {
      ids->push_back(*options_.unknown_id);
    }
    after_unknown = unknown;
  });
}

void BpeModel::AppendBytes(std::string_view word, Scratch* scratch) const {
  for (const char byte : word) scratch->Append(1, byte_ids_[static_cast<unsigned char>(byte)]);
}

void BpeModel::AppendCharacters(std::string_view word, Scratch* scratch) const {
  ForEachCharacter(word, [&](char32_t, std::string_view character) {
    const auto id = vocabulary_.Find(character);
    if (!id && options_.byte_fallback && AppendFallback(character, scratch)) return;
    scratch->Append(static_cast<std::uint32_t>(character.size()), id.value_or(-1));
  });
}

bool BpeModel::AppendFallback(std::string_view character, Scratch* scratch) const {
  for (const char byte : character) {
    if (byte_ids_[static_cast<unsigned char>(byte)] < 0) return false;
  }
  AppendBytes(character, scratch);
  return true;
}

}  // namespace attune
