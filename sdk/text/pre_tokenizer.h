// A PreTokenizer cuts a text into words: no token spans two of them. These are
// the "pre_tokenizer"s of tokenizer.json that are built: Sequence, ByteLevel,
// Digits, Metaspace, and Split with a pattern (behavior Isolated or Removed).
//
// Threads: immutable; one RegexScratch a thread.

#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "attune/status.h"
#include "base/function_ref.h"
#include "formats/json.h"
#include "text/regex.h"

namespace attune {

// A stretch of text between added tokens, or a part of it.
struct Piece {
  std::string_view text;
  // Whether it begins where the whole text does.
  bool at_start = false;
};

class PreTokenizer {
 public:
  virtual ~PreTokenizer() = default;
  // Calls `emit` for each part of `piece`, left to right. The parts are valid
  // during that call only.
  virtual Status Split(const Piece& piece, RegexScratch* scratch,
                       FunctionRef<Status(const Piece&)> emit) const = 0;
};

struct PreTokenizers {
  std::vector<std::unique_ptr<PreTokenizer>> stages;
  // The last stage is ByteLevel: symbols are bytes in the byte alphabet.
  bool byte_level = false;

  // `piece` through all stages. Empty parts are left out.
  Status Split(const Piece& piece, RegexScratch* scratch,
               FunctionRef<Status(std::string_view)> emit) const;
};

Result<PreTokenizers> ParsePreTokenizer(const Json* json);

// GPT-2's: ByteLevel without a prefix space.
Result<PreTokenizers> Gpt2PreTokenizer();

}  // namespace attune
