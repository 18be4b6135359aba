// Any bytes as a SentencePiece .model or, after a first byte of 0, as the
// tokenizer.bin of llama2.c: open, encode, decode. Whatever opens keeps its
// promises: ids are in range, and streamed text is the text decoded at once.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/check.h"
#include "text/llama2c_tokenizer.h"
#include "text/sentencepiece_model.h"
#include "text/utf8.h"

namespace {

constexpr std::string_view kText =
    "I'm  here: \xE2\x96\x81 caf\xC3\xA9 e\xCC\x81 12345\r\n\t<|endoftext|><s>\xF0\x9F\x91\x8D\xFF "
    "x ";

void CheckPromises(const attune::Tokenizer& tokenizer, std::string_view text) {
  for (const bool special : {false, true}) {
    const auto ids =
        tokenizer.Encode(text, {.add_special_tokens = special, .parse_special = special});
    if (!ids.ok()) continue;
    attune::StreamDecoder decoder(tokenizer);
    std::string streamed;
    for (const std::int32_t id : *ids) {
      ATTUNE_CHECK(id >= 0 && id < tokenizer.vocab_size());
      streamed += decoder.Push(id);
    }
    streamed += decoder.Finish();
    ATTUNE_CHECK(streamed == tokenizer.Decode(*ids));
    ATTUNE_CHECK(attune::IsValidUtf8(streamed));
  }
}

// A .model begins with the tag of a field, which is never 0.
attune::Result<std::unique_ptr<attune::Tokenizer>> Parse(std::string_view bytes) {
  if (bytes.starts_with('\0')) return attune::ParseLlama2cTokenizer(bytes.substr(1));
  return attune::ParseSentencePieceModel(bytes);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto tokenizer = Parse(bytes);
  if (!tokenizer.ok()) {
    ATTUNE_CHECK(tokenizer.status().message().find('\n') == std::string::npos);
    return 0;
  }
  CheckPromises(**tokenizer, kText);
  CheckPromises(**tokenizer, bytes);
  for (const std::int32_t id : {-1, 0, 1, (*tokenizer)->vocab_size()}) {
    (*tokenizer)->TokenBytes(id);
    (*tokenizer)->BeginsWord(id);
  }
  return 0;
}
