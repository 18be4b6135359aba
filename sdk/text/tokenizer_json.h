// Reads the file formats of the Hugging Face `tokenizers` library.
//
// "truncation" and "padding" are ignored: they shape batches, not texts.
// Errors are kInvalidArgument or kUnsupported and name the path in the file.

#pragma once

#include <memory>
#include <string_view>

#include "attune/status.h"
#include "text/special_names.h"
#include "text/tokenizer.h"

namespace attune {

// tokenizer.json with a BPE model.
Result<std::unique_ptr<Tokenizer>> ParseTokenizerJson(std::string_view json,
                                                      const SpecialNames& names);

// GPT-2's vocab.json and merges.txt. "<|endoftext|>", if it is there, is a
// special token.
Result<std::unique_ptr<Tokenizer>> ParseGpt2Files(std::string_view vocab_json,
                                                  std::string_view merges_txt,
                                                  const SpecialNames& names);

}  // namespace attune
