#include "text/llama2c_tokenizer.h"

#include <bit>
#include <utility>

#include "base/strings.h"
#include "text/bpe_model.h"
#include "text/score_tokenizer.h"
#include "text/utf8.h"

namespace attune {

namespace {

constexpr std::size_t kHeaderBytes = 4;
constexpr std::size_t kPieceHeaderBytes = 8;
constexpr std::size_t kSpecialTokens = 3;

std::uint32_t ReadU32(std::string_view bytes, std::size_t at) {
  std::uint32_t out = 0;
  for (std::size_t i = 4; i-- > 0;) out = out << 8 | static_cast<unsigned char>(bytes[at + i]);
  return out;
}

PieceKind KindOf(std::size_t id, std::string_view spelling) {
  if (id == 0) return PieceKind::kUnknown;
  if (id < kSpecialTokens) return PieceKind::kControl;
  return ParseFallbackByte(spelling) ? PieceKind::kByte : PieceKind::kNormal;
}

Status ReadPieces(std::string_view bytes, ScoreParts* parts) {
  for (std::size_t at = kHeaderBytes; at < bytes.size();) {
    const std::size_t id = parts->pieces.size();
    const std::size_t left = bytes.size() - at;
    if (left < kPieceHeaderBytes) {
      return InvalidArgument(
          StrCat("token ", id, ": ", left, " bytes left, needs ", kPieceHeaderBytes));
    }
    const auto score = std::bit_cast<float>(ReadU32(bytes, at));
    const std::uint32_t length = ReadU32(bytes, at + 4);
    if (length > left - kPieceHeaderBytes) {
      return InvalidArgument(
          StrCat("token ", id, ": ", length, " bytes, ", left - kPieceHeaderBytes, " left"));
    }
    const std::string_view spelling = bytes.substr(at + kPieceHeaderBytes, length);
    if (!IsValidUtf8(spelling)) return InvalidArgument(StrCat("token ", id, ": is not UTF-8"));
    if (id >= static_cast<std::size_t>(kMaxVocabulary)) {
      return InvalidArgument(StrCat("more than ", kMaxVocabulary, " tokens"));
    }
    if (!spelling.empty()) {
      ATTUNE_RETURN_IF_ERROR(parts->vocabulary.Add(static_cast<std::int64_t>(id), spelling));
    }
    parts->pieces.push_back({score, KindOf(id, spelling)});
    at += kPieceHeaderBytes + length;
  }
  return OkStatus();
}

}  // namespace

Result<std::unique_ptr<Tokenizer>> ParseLlama2cTokenizer(std::string_view bytes) {
  if (bytes.size() < kHeaderBytes) {
    return InvalidArgument(StrCat("header: ", bytes.size(), " bytes, needs ", kHeaderBytes));
  }
  ScoreParts parts;
  parts.escape_spaces = false;
  parts.merge_unknown = false;
  ATTUNE_RETURN_IF_ERROR(ReadPieces(bytes, &parts));
  if (parts.pieces.size() <= kSpecialTokens) {
    return InvalidArgument(
        StrCat(parts.pieces.size(), " tokens, needs more than ", kSpecialTokens));
  }
  parts.bos_id = 1;
  parts.eos_id = 2;
  return ScoreTokenizer::Create(std::move(parts));
}

}  // namespace attune
