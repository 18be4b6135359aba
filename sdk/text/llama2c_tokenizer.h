// Reads the tokenizer.bin of llama2.c: a u32, then for each id an f32 score, a
// u32 length and that many bytes, little-endian, to the end of the file.
//
// Ids 0, 1 and 2 are the unknown token, BOS and EOS; bytes without a token of
// their own are "<0x00>" to "<0xFF>". A piece of no bytes cannot occur in text.

#pragma once

#include <memory>
#include <string_view>

#include "text/tokenizer.h"

namespace attune {

Result<std::unique_ptr<Tokenizer>> ParseLlama2cTokenizer(std::string_view bytes);

}  // namespace attune
