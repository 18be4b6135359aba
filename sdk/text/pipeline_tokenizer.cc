#include "text/pipeline_tokenizer.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "base/strings.h"
#include "text/utf8.h"
#include "text/word_cache.h"

namespace attune {

// What one Encode() call carries along.
struct PipelineTokenizer::Pass {
  explicit Pass(std::size_t text_bytes) : cache(text_bytes) {}

  bool parse_special = false;
  RegexScratch regex;
  BpeModel::Scratch word;
  WordCache cache;
  std::vector<std::int32_t> ids;
};

Result<std::unique_ptr<Tokenizer>> PipelineTokenizer::Create(PipelineParts parts) {
  std::unique_ptr<PipelineTokenizer> out(new PipelineTokenizer(std::move(parts)));
  for (AddedToken& token : out->parts_.added_tokens) {
    token.text = token.content;
    if (token.normalized) {
      ATTUNE_ASSIGN_OR_RETURN(token.text, Normalize(out->parts_.normalizers, token.content));
    }
    ATTUNE_RETURN_IF_ERROR((token.normalized ? out->normalized_ : out->raw_).Add(token));
  }
  return std::unique_ptr<Tokenizer>(std::move(out));
}

Result<std::vector<std::int32_t>> PipelineTokenizer::Encode(std::string_view text,
                                                            const EncodeOptions& options) const {
  if (text.size() > kMaxEncodeBytes) {
    return InvalidArgument(StrCat("text of ", text.size(), " bytes, at most ", kMaxEncodeBytes));
  }
  std::string repaired;
  if (!IsValidUtf8(text)) {
    repaired = ReplaceInvalidUtf8(text);
    text = repaired;
  }
  Pass pass(text.size());
  pass.parse_special = options.parse_special;
  if (options.add_special_tokens) pass.ids = parts_.prefix_ids;
  ATTUNE_RETURN_IF_ERROR(raw_.Split(
      text, options.parse_special,
      [&](std::size_t begin, std::size_t end) {
        return EncodeRaw({text.substr(begin, end - begin), begin == 0}, &pass);
      },
      [&](std::int32_t id) { pass.ids.push_back(id); }));
  if (options.add_special_tokens) {
    pass.ids.insert(pass.ids.end(), parts_.suffix_ids.begin(), parts_.suffix_ids.end());
  }
  return std::move(pass.ids);
}

Status PipelineTokenizer::EncodeRaw(const Piece& piece, Pass* pass) const {
  if (parts_.normalizers.empty()) return EncodeNormalized(piece, pass);
  ATTUNE_ASSIGN_OR_RETURN(const std::string text, Normalize(parts_.normalizers, piece.text));
  return EncodeNormalized({text, piece.at_start}, pass);
}

Status PipelineTokenizer::EncodeNormalized(const Piece& piece, Pass* pass) const {
  return normalized_.Split(
      piece.text, pass->parse_special,
      [&](std::size_t begin, std::size_t end) {
        const Piece part{piece.text.substr(begin, end - begin), piece.at_start && begin == 0};
        return parts_.pre_tokenizers.Split(part, &pass->regex, [&](std::string_view word) {
          EncodeWord(word, pass);
          return OkStatus();
        });
      },
      [&](std::int32_t id) { pass->ids.push_back(id); });
}

void PipelineTokenizer::EncodeWord(std::string_view word, Pass* pass) const {
  if (pass->cache.Append(word, &pass->ids)) return;
  const std::size_t first = pass->ids.size();
  parts_.model.Encode(word, &pass->word, &pass->ids);
  pass->cache.Remember(word, pass->ids, first);
}

std::int32_t PipelineTokenizer::vocab_size() const {
  const std::int32_t added = parts_.added_tokens.empty() ? 0 : parts_.added_tokens.back().id + 1;
  return std::max(parts_.model.vocabulary().size(), added);
}

const AddedToken* PipelineTokenizer::FindAdded(std::int32_t id) const {
  const auto& tokens = parts_.added_tokens;
  const auto found = std::lower_bound(tokens.begin(), tokens.end(), id,
                                      [](const AddedToken& a, std::int32_t b) { return a.id < b; });
  return found == tokens.end() || found->id != id ? nullptr : &*found;
}

std::string PipelineTokenizer::TokenBytes(std::int32_t id) const {
  const AddedToken* added = FindAdded(id);
  if (added == nullptr) return parts_.decoder.Bytes(parts_.model.vocabulary().Spelling(id));
  if (added->special) return {};
  // An added token is spelled as the text it stands for, not in bytes.
  return parts_.decoder.byte_level ? added->text : parts_.decoder.Bytes(added->text);
}

bool PipelineTokenizer::IsSpecial(std::int32_t id) const {
  const AddedToken* added = FindAdded(id);
  return added != nullptr && added->special;
}

std::optional<std::int32_t> PipelineTokenizer::FindToken(std::string_view spelling) const {
  if (const auto id = parts_.model.vocabulary().Find(spelling)) return id;
  for (const AddedToken& token : parts_.added_tokens) {
    if (token.content == spelling) return token.id;
  }
  return std::nullopt;
}

std::string PipelineTokenizer::TokenSpelling(std::int32_t id) const {
  const AddedToken* added = FindAdded(id);
  return added != nullptr ? added->content : std::string(parts_.model.vocabulary().Spelling(id));
}

}  // namespace attune
