#include "text/tokenizer_json.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "base/strings.h"
#include "text/json_slices.h"
#include "text/merge_list.h"
#include "text/pipeline_tokenizer.h"

namespace attune {

namespace {

constexpr std::int64_t kMaxTemplateIds = 64;

Result<AddedToken> ParseAddedToken(const Json& json) {
  AddedToken out;
  ATTUNE_ASSIGN_OR_RETURN(const std::int64_t id, json.GetInt("id", 0, kMaxVocabulary - 1));
  out.id = static_cast<std::int32_t>(id);
  ATTUNE_ASSIGN_OR_RETURN(out.content, json.GetString("content"));
  ATTUNE_ASSIGN_OR_RETURN(out.single_word, json.BoolOr("single_word", false));
  ATTUNE_ASSIGN_OR_RETURN(out.lstrip, json.BoolOr("lstrip", false));
  ATTUNE_ASSIGN_OR_RETURN(out.rstrip, json.BoolOr("rstrip", false));
  ATTUNE_ASSIGN_OR_RETURN(out.special, json.BoolOr("special", false));
  ATTUNE_ASSIGN_OR_RETURN(out.normalized, json.BoolOr("normalized", !out.special));
  return out;
}

// An added token may repeat an entry of the model's vocabulary, not contradict it.
Status CheckAgainst(const Vocabulary& vocabulary, const AddedToken& token) {
  const auto id = vocabulary.Find(token.content);
  if (id && *id != token.id) {
    return InvalidArgument(StrCat("added token ", Quoted(token.content), ": id ", token.id,
                                  ", in the vocabulary ", *id));
  }
  if (!id && vocabulary.Contains(token.id)) {
    return InvalidArgument(StrCat("added token ", Quoted(token.content), ": id ", token.id, " is ",
                                  Quoted(vocabulary.Spelling(token.id)), " in the vocabulary"));
  }
  return OkStatus();
}

Result<std::vector<AddedToken>> ParseAddedTokens(const Json& root, const Vocabulary& vocabulary) {
  std::vector<AddedToken> out;
  const Json* list = root.Find("added_tokens");
  if (list == nullptr || list->is_null()) return out;
  ATTUNE_ASSIGN_OR_RETURN(list, root.GetArray("added_tokens"));
  for (std::size_t i = 0; i < list->size(); ++i) {
    ATTUNE_ASSIGN_OR_RETURN(const Json* item, list->ObjectAt(i));
    ATTUNE_ASSIGN_OR_RETURN(AddedToken token, ParseAddedToken(*item));
    ATTUNE_RETURN_IF_ERROR(CheckAgainst(vocabulary, token));
    out.push_back(std::move(token));
  }
  std::sort(out.begin(), out.end(),
            [](const AddedToken& a, const AddedToken& b) { return a.id < b.id; });
  const auto twin =
      std::adjacent_find(out.begin(), out.end(),
                         [](const AddedToken& a, const AddedToken& b) { return a.id == b.id; });
  if (twin != out.end()) {
    return InvalidArgument(StrCat("added_tokens: id ", twin->id, " occurs twice"));
  }
  return out;
}

// Refuses a setting that would change the ids.
Status RefuseAffix(const Json& model, std::string_view key) {
  ATTUNE_ASSIGN_OR_RETURN(const std::string_view value, model.StringOr(key, ""));
  if (value.empty()) return OkStatus();
  return Unsupported(StrCat(model.PathOf(key), ": ", Quoted(value), ", supported is none"));
}

Status CheckModelKind(const Json& model) {
  ATTUNE_ASSIGN_OR_RETURN(const std::string_view type, model.StringOr("type", "BPE"));
  if (type != "BPE") {
    return Unsupported(StrCat("model.type: ", Quoted(type), ", supported is BPE"));
  }
  ATTUNE_ASSIGN_OR_RETURN(const double dropout, model.NumberOr("dropout", 0));
  if (dropout != 0) {
    return Unsupported(StrCat("model.dropout: ", dropout, ", supported is 0"));
  }
  ATTUNE_RETURN_IF_ERROR(RefuseAffix(model, "continuing_subword_prefix"));
  return RefuseAffix(model, "end_of_word_suffix");
}

Result<BpeModel> ParseModel(const Json& json, std::string_view merges_text, bool byte_level) {
  ATTUNE_RETURN_IF_ERROR(CheckModelKind(json));
  BpeOptions options;
  options.byte_level = byte_level;
  ATTUNE_ASSIGN_OR_RETURN(options.byte_fallback, json.BoolOr("byte_fallback", false));
  ATTUNE_ASSIGN_OR_RETURN(options.fuse_unknown, json.BoolOr("fuse_unk", false));
  ATTUNE_ASSIGN_OR_RETURN(options.ignore_merges, json.BoolOr("ignore_merges", false));
  ATTUNE_ASSIGN_OR_RETURN(const Json* entries, json.GetObject("vocab"));
  ATTUNE_ASSIGN_OR_RETURN(Vocabulary vocabulary, ParseVocabulary(*entries));
  ATTUNE_ASSIGN_OR_RETURN(MergeTable merges, ParseMerges(merges_text, vocabulary));
  ATTUNE_ASSIGN_OR_RETURN(const std::string_view unknown, json.StringOr("unk_token", ""));
  if (!unknown.empty()) {
    options.unknown_id = vocabulary.Find(unknown);
    if (!options.unknown_id) {
      return InvalidArgument(StrCat("model.unk_token: ", Quoted(unknown), " is not among the ",
                                    vocabulary.size(), " tokens"));
    }
  }
  return BpeModel::Create(std::move(vocabulary), std::move(merges), options);
}

// --- post_processor ---

// The ids of the special token `name` of a template.
Status AppendTemplateIds(const Json& processor, std::string_view name, std::int32_t vocab_size,
                         std::vector<std::int32_t>* out) {
  ATTUNE_ASSIGN_OR_RETURN(const Json* table, processor.GetObject("special_tokens"));
  ATTUNE_ASSIGN_OR_RETURN(const Json* entry, table->GetObject(name));
  ATTUNE_ASSIGN_OR_RETURN(const Json* ids, entry->GetArray("ids"));
  for (std::size_t i = 0; i < ids->size(); ++i) {
    ATTUNE_ASSIGN_OR_RETURN(const std::int64_t id, ids->IntAt(i, 0, vocab_size - 1));
    out->push_back(static_cast<std::int32_t>(id));
  }
  if (std::ssize(*out) > kMaxTemplateIds) {
    return InvalidArgument(
        StrCat(processor.PathOf("single"), ": ", out->size(), " ids, at most ", kMaxTemplateIds));
  }
  return OkStatus();
}

Status ParseTemplate(const Json& json, std::int32_t vocab_size, PipelineParts* parts) {
  ATTUNE_ASSIGN_OR_RETURN(const Json* single, json.GetArray("single"));
  int sequences = 0;
  for (std::size_t i = 0; i < single->size(); ++i) {
    ATTUNE_ASSIGN_OR_RETURN(const Json* item, single->ObjectAt(i));
    if (item->Find("Sequence") != nullptr) {
      ++sequences;
      continue;
    }
    ATTUNE_ASSIGN_OR_RETURN(const Json* special, item->GetObject("SpecialToken"));
    ATTUNE_ASSIGN_OR_RETURN(const std::string_view name, special->GetString("id"));
    ATTUNE_RETURN_IF_ERROR(AppendTemplateIds(
        json, name, vocab_size, sequences == 0 ? &parts->prefix_ids : &parts->suffix_ids));
  }
  if (sequences != 1) {
    return InvalidArgument(StrCat(json.PathOf("single"), ": ", sequences, " sequences, needs 1"));
  }
  return OkStatus();
}

Status ParsePostProcessor(const Json* json, std::int32_t vocab_size, PipelineParts* parts) {
  if (json == nullptr || json->is_null()) return OkStatus();
  ATTUNE_ASSIGN_OR_RETURN(const std::string_view type, json->GetString("type"));
  if (type == "ByteLevel") return OkStatus();  // Moves offsets, not ids.
  if (type == "TemplateProcessing") {
    if (!parts->prefix_ids.empty() || !parts->suffix_ids.empty()) {
      return Unsupported(StrCat(json->Path(), ": more than one TemplateProcessing"));
    }
    return ParseTemplate(*json, vocab_size, parts);
  }
  if (type == "Sequence") {
    ATTUNE_ASSIGN_OR_RETURN(const Json* list, json->GetArray("processors"));
    for (std::size_t i = 0; i < list->size(); ++i) {
      ATTUNE_ASSIGN_OR_RETURN(const Json* item, list->ObjectAt(i));
      ATTUNE_RETURN_IF_ERROR(ParsePostProcessor(item, vocab_size, parts));
    }
    return OkStatus();
  }
  return Unsupported(StrCat(json->Path(), ": ", Quoted(type),
                            ", supported are ByteLevel, TemplateProcessing and Sequence"));
}

// --- The whole ---

void ResolveSpecials(const SpecialNames& names, PipelineParts* parts) {
  const SpecialIds ids = ResolveSpecialIds(names, [&](std::string_view name) {
    for (const AddedToken& token : parts->added_tokens) {
      if (token.content == name) return std::optional(token.id);
    }
    return parts->model.vocabulary().Find(name);
  });
  parts->bos_id = ids.bos;
  parts->eos_id = ids.eos;
}

// `root` without the merges, and their text.
Result<PipelineParts> ParseParts(const Json& root, std::string_view merges) {
  ATTUNE_ASSIGN_OR_RETURN(const std::string_view version, root.GetString("version"));
  if (version != "1.0") {
    return Unsupported(StrCat("version: ", Quoted(version), ", supported is '1.0'"));
  }
  ATTUNE_ASSIGN_OR_RETURN(const Json* model_json, root.GetObject("model"));
  ATTUNE_ASSIGN_OR_RETURN(PreTokenizers pre_tokenizers,
                          ParsePreTokenizer(root.Find("pre_tokenizer")));
  const bool byte_level = pre_tokenizers.byte_level;
  ATTUNE_ASSIGN_OR_RETURN(BpeModel model, ParseModel(*model_json, merges, byte_level));
  PipelineParts parts(std::move(model));
  parts.pre_tokenizers = std::move(pre_tokenizers);
  ATTUNE_ASSIGN_OR_RETURN(parts.added_tokens, ParseAddedTokens(root, parts.model.vocabulary()));
  ATTUNE_ASSIGN_OR_RETURN(parts.normalizers, ParseNormalizer(root.Find("normalizer")));
  ATTUNE_ASSIGN_OR_RETURN(parts.decoder, ParseTokenDecoder(root.Find("decoder"), byte_level));
  std::int32_t vocab_size = parts.model.vocabulary().size();
  if (!parts.added_tokens.empty()) {
    vocab_size = std::max(vocab_size, parts.added_tokens.back().id + 1);
  }
  ATTUNE_RETURN_IF_ERROR(ParsePostProcessor(root.Find("post_processor"), vocab_size, &parts));
  return parts;
}

}  // namespace

Result<std::unique_ptr<Tokenizer>> ParseTokenizerJson(std::string_view json,
                                                      const SpecialNames& names) {
  constexpr std::string_view kMerges[] = {"model", "merges"};
  const std::optional<JsonSpan> merges = FindJsonValue(json, kMerges);
  // Malformed, or no BPE model: the rest of the file says what is wrong.
  const JsonSpan cut = merges.value_or(JsonSpan{json.size(), json.size()});
  const std::string rest =
      StrCat(json.substr(0, cut.begin), merges ? "[]" : "", json.substr(cut.end));
  ATTUNE_ASSIGN_OR_RETURN(const JsonDocument document, JsonDocument::Parse(rest));
  ATTUNE_ASSIGN_OR_RETURN(PipelineParts parts,
                          ParseParts(document.root(), json.substr(cut.begin, cut.end - cut.begin)));
  ResolveSpecials(names, &parts);
  return PipelineTokenizer::Create(std::move(parts));
}

Result<std::unique_ptr<Tokenizer>> ParseGpt2Files(std::string_view vocab_json,
                                                  std::string_view merges_txt,
                                                  const SpecialNames& names) {
  ATTUNE_ASSIGN_OR_RETURN(const JsonDocument document, JsonDocument::Parse(vocab_json));
  if (!document.root().is_object()) return InvalidArgument("vocab: is not an object");
  ATTUNE_ASSIGN_OR_RETURN(Vocabulary vocabulary, ParseVocabulary(document.root()));
  ATTUNE_ASSIGN_OR_RETURN(MergeTable merges, ParseMergesText(merges_txt, vocabulary));
  ATTUNE_ASSIGN_OR_RETURN(PreTokenizers pre_tokenizers, Gpt2PreTokenizer());
  BpeOptions options;
  options.byte_level = true;
  ATTUNE_ASSIGN_OR_RETURN(BpeModel model,
                          BpeModel::Create(std::move(vocabulary), std::move(merges), options));
  PipelineParts parts(std::move(model));
  parts.pre_tokenizers = std::move(pre_tokenizers);
  parts.decoder.byte_level = true;
  constexpr std::string_view kEndOfText = "<|endoftext|>";
  if (const auto id = parts.model.vocabulary().Find(kEndOfText)) {
    AddedToken token;
    token.id = *id;
    token.content = kEndOfText;
    token.special = true;
    parts.added_tokens.push_back(std::move(token));
  }
  ResolveSpecials(names, &parts);
  return PipelineTokenizer::Create(std::move(parts));
}

}  // namespace attune
