// A BpeModel turns one word into token ids by ranked merges: the "model" of
// tokenizer.json, and GPT-2's vocab.json with merges.txt.
//
// Threads: immutable once built; one Scratch a thread.

#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "attune/status.h"
#include "text/bpe.h"
#include "text/merge_table.h"
#include "text/vocabulary.h"

namespace attune {

struct BpeOptions {
  // Symbols are bytes, spelled in the byte alphabet; else characters.
  bool byte_level = false;
  // A character without a token becomes one token a byte, "<0x0A>".
  bool byte_fallback = false;
  // Else it becomes this token, or nothing.
  std::optional<std::int32_t> unknown_id;
  // ... one token for several of them in a row.
  bool fuse_unknown = false;
  // A word that is in the vocabulary is its token, whatever the merges say.
  bool ignore_merges = false;
};

class BpeModel {
 public:
  using Scratch = BpeWord;

  // `merges` and `vocabulary` are as read; their ids belong together.
  static Result<BpeModel> Create(Vocabulary vocabulary, MergeTable merges,
                                 const BpeOptions& options);

  // Appends the ids of `word`. REQUIRES: valid UTF-8, or any bytes if
  // byte_level.
  void Encode(std::string_view word, Scratch* scratch, std::vector<std::int32_t>* ids) const;

  const Vocabulary& vocabulary() const { return vocabulary_; }
  const BpeOptions& options() const { return options_; }

 private:
  BpeModel(Vocabulary vocabulary, MergeTable merges, const BpeOptions& options);

  void AppendBytes(std::string_view word, Scratch* scratch) const;
  void AppendCharacters(std::string_view word, Scratch* scratch) const;
  bool AppendFallback(std::string_view character, Scratch* scratch) const;

  Vocabulary vocabulary_;
  MergeTable merges_;
  BpeOptions options_;
  // The token of each byte: in the byte alphabet, or "<0x..>"; -1 if none.
  std::array<std::int32_t, 256> byte_ids_;
};

// "<0x0A>" of 10.
std::string SpellFallbackByte(int byte);
// 10 of "<0x0A>".
std::optional<char> ParseFallbackByte(std::string_view spelling);

}  // namespace attune
