// Reads a SentencePiece .model file with a BPE model: a protobuf ModelProto.
// Unigram, word and character models, character maps (nmt_nfkc and its kin)
// and white space as suffix are refused by name.
//
// A BOS piece, if the model has one, is what add_special_tokens puts in front;
// the library leaves that to its caller, Llama's tokenizer does it.

#pragma once

#include <memory>
#include <string_view>

#include "text/tokenizer.h"

namespace attune {

Result<std::unique_ptr<Tokenizer>> ParseSentencePieceModel(std::string_view bytes);

}  // namespace attune
