#include <openssl/evp.h>

#include <array>
#include <memory>

#include "ane/compiler/emit.h"
#include "base/check.h"

namespace attune::ane {

std::string DigestOf(const ProgramImage& image) {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                        &EVP_MD_CTX_free);
  std::array<unsigned char, EVP_MAX_MD_SIZE> hash{};
  // The text's length first: the boundary between the two parts counts.
  const std::uint64_t text_bytes = image.mil.size();
  const bool done =
      context != nullptr && EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) == 1 &&
      EVP_DigestUpdate(context.get(), &text_bytes, sizeof text_bytes) == 1 &&
      EVP_DigestUpdate(context.get(), image.mil.data(), image.mil.size()) == 1 &&
      EVP_DigestUpdate(context.get(), image.weights.data(), image.weights.size()) == 1 &&
      EVP_DigestFinal_ex(context.get(), hash.data(), nullptr) == 1;
  ATTUNE_CHECK(done);

  std::string out;
  for (std::size_t i = 0; i < 16; ++i) {
    out += "0123456789abcdef"[hash[i] >> 4];
    out += "0123456789abcdef"[hash[i] & 15];
  }
  return out;
}

}  // namespace attune::ane
