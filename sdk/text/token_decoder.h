// How a token's spelling becomes bytes of text: the "decoder" of
// tokenizer.json. Built: ByteLevel, Metaspace, and a Sequence of Replace,
// ByteFallback, Fuse and Strip.

#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "attune/status.h"
#include "formats/json.h"

namespace attune {

struct TokenDecoder {
  bool byte_level = false;
  bool byte_fallback = false;
  // Each pair is replaced in the spelling, in order.
  std::vector<std::pair<std::string, std::string>> replacements;
  // The text as a whole loses one leading space.
  bool strips_leading_space = false;

  // The bytes in the middle of a text.
  std::string Bytes(std::string_view spelling) const;
};

// `byte_level` is what the pre-tokenizer does: the decoder must agree, and is
// taken from it where the file names none.
Result<TokenDecoder> ParseTokenDecoder(const Json* json, bool byte_level);

// SentencePiece's: "▁" is a space, "<0x0A>" a byte.
TokenDecoder SentencePieceDecoder();

}  // namespace attune
