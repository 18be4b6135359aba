// Any bytes as a SentencePiece .model or, after a first byte of 0, as the
// tokenizer.bin of llama2.c: open, encode, decode. Whatever opens keeps its
// promises: ids are in range, and streamed text is the text decoded at once.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/check.h"
#include "fuzz/tokenizer_promises.h"
#include "text/llama2c_tokenizer.h"
#include "text/sentencepiece_model.h"

namespace {

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
  attune::fuzz::CheckPromises(**tokenizer, attune::fuzz::kText);
  attune::fuzz::CheckPromises(**tokenizer, bytes);
  for (const std::int32_t id : {-1, 0, 1, (*tokenizer)->vocab_size()}) {
    (*tokenizer)->TokenBytes(id);
    (*tokenizer)->BeginsWord(id);
  }
  return 0;
}
