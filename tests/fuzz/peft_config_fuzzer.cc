// Any text: an error, or a configuration that survives being written and read,
// and answers for every module.

#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "formats/peft.h"

namespace attune {
namespace {

void Check(std::string_view text) {
  const auto config = ParsePeftConfig(text);
  if (!config.ok()) {
    ATTUNE_CHECK(config.status().message().find('\n') == std::string::npos);
    return;
  }
  for (const std::string_view module : {"model.layers.0.self_attn.q_proj", "a", ""}) {
    ATTUNE_CHECK(config->RankOf(module) > 0);
    ATTUNE_CHECK(std::isfinite(config->ScaleOf(module)));
  }
  const std::string written = FormatPeftConfig(*config);
  const auto again = ParsePeftConfig(written);
  ATTUNE_CHECK(again.ok());
  ATTUNE_CHECK(FormatPeftConfig(*again) == written);
}

}  // namespace
}  // namespace attune

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  attune::Check(std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
