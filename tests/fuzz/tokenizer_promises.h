// What every tokenizer promises, whatever file it came from: ids are in range,
// and streamed text is the text decoded at once, in valid UTF-8.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "text/tokenizer.h"
#include "text/utf8.h"

namespace attune::fuzz {

inline constexpr std::string_view kText =
    "I'm  here: \xE2\x96\x81 caf\xC3\xA9 e\xCC\x81 12345\r\n\t<|endoftext|><s>\xF0\x9F\x91\x8D\xFF "
    "x ";

inline void CheckPromises(const Tokenizer& tokenizer, std::string_view text) {
  for (const bool special : {false, true}) {
    const auto ids =
        tokenizer.Encode(text, {.add_special_tokens = special, .parse_special = special});
    if (!ids.ok()) continue;
    StreamDecoder decoder(tokenizer);
    std::string streamed;
    for (const std::int32_t id : *ids) {
      ATTUNE_CHECK(id >= 0 && id < tokenizer.vocab_size());
      streamed += decoder.Push(id);
    }
    streamed += decoder.Finish();
    ATTUNE_CHECK(streamed == tokenizer.Decode(*ids));
    ATTUNE_CHECK(IsValidUtf8(streamed));
  }
}

}  // namespace attune::fuzz
