// A sealed message from anywhere: what opens is byte for byte what the holder of the
// key sealed, whole and in parts, and whatever does not open leaves no plaintext.
//
// The first byte chooses. Even: the rest is a message. Odd: the rest is a list of
// edits of a genuine one, four bytes each, since no fuzzer guesses a commitment.

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/check.h"
#include "openssl/openssl_crypto.h"
#include "support/fixed_salt_crypto.h"
#include "vault/seal.h"

namespace attune {
namespace {

constexpr std::string_view kContext = "fuzz";
const std::string kKey(kSealKeyBytes, 'k');
constexpr std::size_t kSealedChunk = kSealChunkBytes + kAeadTagBytes;

ByteSpan Bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

OpensslCrypto& TheCrypto() {
  static const auto crypto = OpensslCrypto::Create();
  ATTUNE_CHECK(crypto.ok());
  return **crypto;
}

std::string SealedUnderSalt(std::string_view plaintext, std::string salt) {
  testing::FixedSaltCryptoForTesting crypto(TheCrypto(), std::move(salt));
  std::string sealed;
  ATTUNE_CHECK(Seal(crypto, Bytes(kKey), kContext, Bytes(plaintext), &sealed).ok());
  return sealed;
}

class StringSource final : public SealedSource {
 public:
  explicit StringSource(std::string_view bytes) : bytes_(bytes) {}
  std::uint64_t size() const override { return bytes_.size(); }
  Status ReadAt(std::uint64_t offset, std::span<std::byte> out) override {
    // A reader that is right about lengths never asks for more.
    ATTUNE_CHECK(offset <= bytes_.size() && out.size() <= bytes_.size() - offset);
    if (!out.empty()) std::memcpy(out.data(), bytes_.data() + offset, out.size());
    return OkStatus();
  }

 private:
  std::string_view bytes_;
};

// Both ways of opening agree. Returns whether it opened.
bool CheckMessage(std::string_view sealed) {
  SealFault fault = SealFault::kNone;
  const auto whole = Unseal(TheCrypto(), Bytes(kKey), kContext, Bytes(sealed), &fault);
  ATTUNE_CHECK(whole.ok() == (fault == SealFault::kNone));
  const auto reader = SealedReader::Create(TheCrypto(), Bytes(kKey), kContext,
                                           std::make_unique<StringSource>(sealed));
  bool read = reader.ok();
  if (reader.ok()) {
    std::string out(static_cast<std::size_t>((*reader)->size()), '?');
    read = (*reader)->ReadAt(0, std::as_writable_bytes(std::span(out))).ok();
    ATTUNE_CHECK(read ? out == *whole : out == std::string(out.size(), '\0'));
  }
  ATTUNE_CHECK(read == whole.ok());
  if (whole.ok()) {
    ATTUNE_CHECK(SealedUnderSalt(*whole, std::string(sealed.substr(0, kSealSaltBytes))) == sealed);
  }
  return whole.ok();
}

// Genuine messages of lengths around the chunk's, made once.
const std::string& Genuine(std::uint8_t which) {
  static std::map<std::size_t, std::string> messages;
  constexpr std::size_t kLengths[] = {0,
                                      1,
                                      100,
                                      kSealChunkBytes - 1,
                                      kSealChunkBytes,
                                      kSealChunkBytes + 1,
                                      2 * kSealChunkBytes,
                                      2 * kSealChunkBytes + 100};
  const std::size_t length = kLengths[which % std::size(kLengths)];
  std::string& message = messages[length];
  if (message.empty()) {
    std::string plaintext(length, '\0');
    for (std::size_t i = 0; i < length; ++i) plaintext[i] = static_cast<char>(i * 7 + length);
    message = SealedUnderSalt(plaintext, std::string(kSealSaltBytes, 's'));
  }
  return message;
}

std::size_t StartOfChunk(const std::string& message, std::size_t chunk) {
  return std::min(message.size(), kSealHeaderBytes + (chunk % 4) * kSealedChunk);
}

void Edit(std::string* message, std::uint8_t what, std::size_t where, std::uint8_t value) {
  const std::size_t at = message->empty() ? 0 : where % message->size();
  switch (what % 6) {
    case 0:  // Change a byte.
      if (!message->empty()) (*message)[at] = static_cast<char>((*message)[at] ^ value);
      return;
    case 1:
      message->resize(at);
      return;
    case 2:
      message->append(value, static_cast<char>(where));
      return;
    case 3:  // Cut out.
      message->erase(at, value);
      return;
    case 4:  // Put a copy of one chunk before another.
      message->insert(StartOfChunk(*message, where),
                      message->substr(StartOfChunk(*message, value), kSealedChunk));
      return;
    case 5:  // Move what is before to the end.
      std::rotate(message->begin(), message->begin() + static_cast<std::ptrdiff_t>(at),
                  message->end());
      return;
  }
}

void Check(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return;
  const std::uint8_t first = data[0];
  if (first % 2 == 0) {
    CheckMessage({reinterpret_cast<const char*>(data + 1), size - 1});
    return;
  }
  const std::string& genuine = Genuine(first / 2);
  std::string message = genuine;
  for (std::size_t i = 1; i + 4 <= size && i < 64; i += 4) {
    Edit(&message, data[i], data[i + 1] | std::size_t{data[i + 2]} << 8, data[i + 3]);
  }
  ATTUNE_CHECK(CheckMessage(message) == (message == genuine));
}

}  // namespace
}  // namespace attune

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  attune::Check(data, size);
  return 0;
}
