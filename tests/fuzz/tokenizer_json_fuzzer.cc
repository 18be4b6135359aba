// Any bytes as a tokenizer.json: open, encode, decode. Whatever opens keeps its
// promises: ids are in range, and streamed text is the text decoded at once.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "fuzz/tokenizer_promises.h"
#include "text/tokenizer_json.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto tokenizer = attune::ParseTokenizerJson(bytes, {});
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
