// Seals messages: C2SP chunked encryption, instance Cobblestone-256
// (AES-256-GCM and HKDF-SHA-512). docs/formats/vault.md section 2 has the bytes:
//
//   sealed = salt(24) | commitment(32) | chunks
//
// A chunk is 16 KiB of plaintext and a tag of 16 bytes; the last chunk is shorter,
// and may be empty, which is how truncation is noticed. The commitment binds the
// message to one key and one context, so that it opens under no other.
// Security: without the key nothing but the length is learned. A change of any
// bit, a cut, chunks swapped, repeated or appended, and a message put in another's
// place are all noticed. Replay of an older message with the same context is not:
// that is the manifest's business.
// Threads: no shared state.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "attune/status.h"
#include "ports/crypto.h"

namespace attune {

inline constexpr std::size_t kSealKeyBytes = 32;
inline constexpr std::size_t kSealSaltBytes = 24;
inline constexpr std::size_t kSealCommitmentBytes = 32;
inline constexpr std::size_t kSealHeaderBytes = kSealSaltBytes + kSealCommitmentBytes;
inline constexpr std::size_t kSealChunkBytes = 16384;
// 4 PiB, less a byte; the counter of chunks ends there.
inline constexpr std::uint64_t kMaxSealPlaintextBytes =
    (std::uint64_t{1} << 38) * kSealChunkBytes - 1;

inline constexpr std::size_t kMaxSealContextBytes = 512;

// Why a sealed message did not open.
enum class SealFault : std::uint8_t {
  kNone,
  kTooShort,      // Not even a header and an empty last chunk.
  kNotOurs,       // The commitment does not fit: wrong key, context or header.
  kTruncated,     // No whole short last chunk: cut.
  kDamagedChunk,  // A chunk does not authenticate.
  kTooLong,       // More chunks than a message can have.
};

// Bytes of a sealed message of `plaintext` bytes.
// REQUIRES: plaintext <= kMaxSealPlaintextBytes.
std::uint64_t SealedBytes(std::uint64_t plaintext);
// The inverse; kDataLoss for a length that no message has.
Result<std::uint64_t> PlaintextBytes(std::uint64_t sealed, SealFault* fault = nullptr);

// Appends the sealed message to `out`. `context` is not stored: who opens it must
// know it. On error `out` is unchanged.
// REQUIRES: key.size() == kSealKeyBytes, and so below; context.size() <=
// kMaxSealContextBytes; `plaintext` is no part of `out`.
Status Seal(Crypto& crypto, ByteSpan key, std::string_view context, ByteSpan plaintext,
            std::string* out);

// The plaintext of a whole message. Nothing is released unless all of it is
// authentic.
//
//   kDataLoss  with the reason in the message and in `*fault`
Result<std::string> Unseal(Crypto& crypto, ByteSpan key, std::string_view context, ByteSpan sealed,
                           SealFault* fault = nullptr);

// The same for a key: its plaintext is never anywhere but in a Secret.
Result<Secret> UnsealSecret(Crypto& crypto, ByteSpan key, std::string_view context, ByteSpan sealed,
                            SealFault* fault = nullptr);

// Where a SealedReader finds its bytes.
class SealedSource {
 public:
  virtual ~SealedSource() = default;
  virtual std::uint64_t size() const = 0;
  virtual Status ReadAt(std::uint64_t offset, std::span<std::byte> out) = 0;
};

// Reads parts of a sealed message, decrypting only the chunks they lie in.
// Threads: one at a time.
class SealedReader {
 public:
  // Checks the commitment and the last chunk, hence the length. Errors of the
  // source pass through, here and below.
  //
  //   kDataLoss  with the reason in the message and in `*fault`
  static Result<std::unique_ptr<SealedReader>> Create(Crypto& crypto, ByteSpan key,
                                                      std::string_view context,
                                                      std::unique_ptr<SealedSource> source,
                                                      SealFault* fault = nullptr);

  ~SealedReader();
  SealedReader(const SealedReader&) = delete;
  SealedReader& operator=(const SealedReader&) = delete;

  std::uint64_t size() const { return size_; }  // Of the plaintext.

  // Fills `out` from `offset` of the plaintext on; on error it holds zeros.
  //
  //   kInvalidArgument  beyond the end
  //   kDataLoss         a chunk does not authenticate
  Status ReadAt(std::uint64_t offset, std::span<std::byte> out);

 private:
  SealedReader(std::unique_ptr<Aead> aead, const Nonce& base, std::unique_ptr<SealedSource> source,
               std::uint64_t size);
  Status OpenChunk(std::uint64_t index, SealFault* fault);

  std::unique_ptr<Aead> aead_;
  Nonce base_;
  std::unique_ptr<SealedSource> source_;
  std::uint64_t size_;
  std::optional<std::uint64_t> cached_;  // Index of the chunk in chunk_.
  std::string chunk_, sealed_chunk_;
};

}  // namespace attune
