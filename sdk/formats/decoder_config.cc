#include "formats/decoder_config.h"

namespace attune {

std::string_view DecoderFamilyName(DecoderFamily family) {
  switch (family) {
    case DecoderFamily::kGpt2:
      return "gpt2";
    case DecoderFamily::kLlama:
      return "llama";
    case DecoderFamily::kQwen2:
      return "qwen2";
    case DecoderFamily::kQwen3:
      return "qwen3";
  }
  return "unknown";
}

}  // namespace attune
