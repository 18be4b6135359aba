#include "vault/seal.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/function_ref.h"
#include "base/strings.h"

namespace attune {
namespace {

constexpr std::size_t kSealedChunkBytes = kSealChunkBytes + kAeadTagBytes;
constexpr std::string_view kInfoPrefix = "c2sp.org/chunked-encryption@v1+";
constexpr std::string_view kAeadName = "AEAD_AES_256_GCM";

using Salt = std::array<std::byte, kSealSaltBytes>;
using Commitment = std::array<std::byte, kSealCommitmentBytes>;

// What HKDF-Expand gives for one message.
struct MessageKey {
  std::unique_ptr<Aead> aead;
  Nonce base{};
  Commitment commitment{};
};

ByteSpan BytesOf(std::string_view text) { return std::as_bytes(std::span(text)); }

Result<MessageKey> DeriveMessageKey(Crypto& crypto, ByteSpan key, std::string_view context,
                                    ByteSpan salt) {
  ATTUNE_CHECK(key.size() == kSealKeyBytes && salt.size() == kSealSaltBytes);
  ATTUNE_CHECK(context.size() <= kMaxSealContextBytes);
  const std::string_view salt_text(reinterpret_cast<const char*>(salt.data()), salt.size());
  const std::string info = StrCat(kInfoPrefix, kAeadName, '\0', salt_text, context);
  Secret derived(crypto, kAeadKeyBytes + kAeadNonceBytes + kSealCommitmentBytes);
  ATTUNE_RETURN_IF_ERROR(crypto.HkdfExpand(key, BytesOf(info), derived.bytes()));

  const ByteSpan bytes = std::as_const(derived).bytes();
  MessageKey message;
  ATTUNE_ASSIGN_OR_RETURN(message.aead, crypto.Aes256Gcm(bytes.first(kAeadKeyBytes)));
  const ByteSpan rest = bytes.subspan(kAeadKeyBytes);
  std::copy_n(rest.begin(), kAeadNonceBytes, message.base.begin());
  std::copy_n(rest.begin() + kAeadNonceBytes, kSealCommitmentBytes, message.commitment.begin());
  return message;
}

// The base nonce XOR the chunk's number, big-endian.
Nonce NonceOf(const Nonce& base, std::uint64_t chunk) {
  Nonce nonce = base;
  for (std::size_t i = 0; i < sizeof chunk; ++i) {
    nonce[kAeadNonceBytes - 1 - i] ^= static_cast<std::byte>(chunk >> (8 * i));
  }
  return nonce;
}

Status Fail(SealFault kind, std::string message, SealFault* fault) {
  if (fault != nullptr) *fault = kind;
  return DataLoss(StrCat("sealed message: ", message));
}

// The key of the message that `header` begins, if it is under `key` and `context`.
Result<MessageKey> OpenHeader(Crypto& crypto, ByteSpan key, std::string_view context,
                              ByteSpan header, SealFault* fault) {
  auto message = DeriveMessageKey(crypto, key, context, header.first(kSealSaltBytes));
  if (!message.ok()) return message;
  if (!EqualInConstantTime(message->commitment, header.subspan(kSealSaltBytes))) {
    return Fail(SealFault::kNotOurs, "of another key or context, or its header is damaged", fault);
  }
  return message;
}

Status OpenOneChunk(Aead& aead, const Nonce& base, std::uint64_t chunk, ByteSpan sealed,
                    std::span<std::byte> out, SealFault* fault) {
  Status status = aead.Open(NonceOf(base, chunk), sealed, out);
  if (status.code() != StatusCode::kDataLoss) return status;
  return Fail(SealFault::kDamagedChunk, StrCat("chunk ", chunk, " does not authenticate"), fault);
}

// Opens a message of a possible length, chunk by chunk, each into the room that
// `room` makes for so many bytes at that offset of the plaintext.
Status OpenChunks(Crypto& crypto, ByteSpan key, std::string_view context, ByteSpan sealed,
                  FunctionRef<std::span<std::byte>(std::size_t at, std::size_t size)> room,
                  SealFault* fault) {
  ATTUNE_ASSIGN_OR_RETURN(const MessageKey message,
                          OpenHeader(crypto, key, context, sealed.first(kSealHeaderBytes), fault));
  sealed = sealed.subspan(kSealHeaderBytes);
  for (std::uint64_t chunk = 0; !sealed.empty(); ++chunk) {
    const std::size_t take = std::min(kSealedChunkBytes, sealed.size());
    const auto out = room(static_cast<std::size_t>(chunk * kSealChunkBytes), take - kAeadTagBytes);
    ATTUNE_RETURN_IF_ERROR(
        OpenOneChunk(*message.aead, message.base, chunk, sealed.first(take), out, fault));
    sealed = sealed.subspan(take);
  }
  return OkStatus();
}

}  // namespace

std::uint64_t SealedBytes(std::uint64_t plaintext) {
  ATTUNE_CHECK(plaintext <= kMaxSealPlaintextBytes);
  const std::uint64_t chunks = plaintext / kSealChunkBytes + 1;
  return kSealHeaderBytes + plaintext + chunks * kAeadTagBytes;
}

Result<std::uint64_t> PlaintextBytes(std::uint64_t sealed, SealFault* fault) {
  if (sealed < kSealHeaderBytes + kAeadTagBytes) {
    return Fail(SealFault::kTooShort,
                StrCat(sealed, " bytes, needs ", kSealHeaderBytes + kAeadTagBytes), fault);
  }
  const std::uint64_t body = sealed - kSealHeaderBytes;
  const std::uint64_t whole = body / kSealedChunkBytes;
  const std::uint64_t last = body % kSealedChunkBytes;
  if (last < kAeadTagBytes) {
    return Fail(SealFault::kTruncated,
                StrCat("cut: last chunk of ", last, " bytes, needs ", kAeadTagBytes), fault);
  }
  const std::uint64_t plaintext = whole * kSealChunkBytes + (last - kAeadTagBytes);
  if (plaintext > kMaxSealPlaintextBytes) {
    return Fail(SealFault::kTooLong, StrCat(plaintext, " bytes, at most ", kMaxSealPlaintextBytes),
                fault);
  }
  return plaintext;
}

Status Seal(Crypto& crypto, ByteSpan key, std::string_view context, ByteSpan plaintext,
            std::string* out) {
  Salt salt;
  ATTUNE_RETURN_IF_ERROR(crypto.Random(salt));
  ATTUNE_ASSIGN_OR_RETURN(const MessageKey message, DeriveMessageKey(crypto, key, context, salt));

  const std::size_t begin = out->size();
  out->reserve(begin + static_cast<std::size_t>(SealedBytes(plaintext.size())));
  out->append(reinterpret_cast<const char*>(salt.data()), salt.size());
  out->append(reinterpret_cast<const char*>(message.commitment.data()), message.commitment.size());
  for (std::uint64_t chunk = 0;; ++chunk) {
    const std::size_t take = std::min(kSealChunkBytes, plaintext.size());
    const std::size_t at = out->size();
    // Chunk by chunk, so that the zeros are still in the cache when they are
    // written over.
    out->resize(at + take + kAeadTagBytes);
    const Status status = message.aead->Seal(NonceOf(message.base, chunk), plaintext.first(take),
                                             std::as_writable_bytes(std::span(*out)).subspan(at));
    if (!status.ok()) {
      out->resize(begin);
      return status;
    }
    plaintext = plaintext.subspan(take);
    if (take < kSealChunkBytes) return OkStatus();
  }
}

Result<std::string> Unseal(Crypto& crypto, ByteSpan key, std::string_view context, ByteSpan sealed,
                           SealFault* fault) {
  if (fault != nullptr) *fault = SealFault::kNone;
  ATTUNE_ASSIGN_OR_RETURN(const std::uint64_t size, PlaintextBytes(sealed.size(), fault));
  std::string plaintext;
  plaintext.reserve(static_cast<std::size_t>(size));
  const auto grow = [&](std::size_t at, std::size_t take) {
    plaintext.resize(at + take);
    return std::as_writable_bytes(std::span(plaintext)).subspan(at);
  };
  const Status status = OpenChunks(crypto, key, context, sealed, grow, fault);
  if (!status.ok()) {
    Wipe(std::as_writable_bytes(std::span(plaintext)));
    return status;
  }
  return plaintext;
}

Result<Secret> UnsealSecret(Crypto& crypto, ByteSpan key, std::string_view context, ByteSpan sealed,
                            SealFault* fault) {
  if (fault != nullptr) *fault = SealFault::kNone;
  ATTUNE_ASSIGN_OR_RETURN(const std::uint64_t size, PlaintextBytes(sealed.size(), fault));
  Secret secret(crypto, static_cast<std::size_t>(size));
  const auto place = [&](std::size_t at, std::size_t take) {
    return secret.bytes().subspan(at, take);
  };
  ATTUNE_RETURN_IF_ERROR(OpenChunks(crypto, key, context, sealed, place, fault));
  return secret;
}

SealedReader::SealedReader(std::unique_ptr<Aead> aead, const Nonce& base,
                           std::unique_ptr<SealedSource> source, std::uint64_t size)
    : aead_(std::move(aead)), base_(base), source_(std::move(source)), size_(size) {}

SealedReader::~SealedReader() { Wipe(std::as_writable_bytes(std::span(chunk_))); }

Result<std::unique_ptr<SealedReader>> SealedReader::Create(Crypto& crypto, ByteSpan key,
                                                           std::string_view context,
                                                           std::unique_ptr<SealedSource> source,
                                                           SealFault* fault) {
  if (fault != nullptr) *fault = SealFault::kNone;
  ATTUNE_ASSIGN_OR_RETURN(const std::uint64_t size, PlaintextBytes(source->size(), fault));
  std::array<std::byte, kSealHeaderBytes> header;
  ATTUNE_RETURN_IF_ERROR(source->ReadAt(0, header));
  ATTUNE_ASSIGN_OR_RETURN(MessageKey message, OpenHeader(crypto, key, context, header, fault));
  std::unique_ptr<SealedReader> reader(
      new SealedReader(std::move(message.aead), message.base, std::move(source), size));
  ATTUNE_RETURN_IF_ERROR(reader->OpenChunk(size / kSealChunkBytes, fault));
  return reader;
}

Status SealedReader::ReadAt(std::uint64_t offset, std::span<std::byte> out) {
  if (offset > size_ || out.size() > size_ - offset) {
    Wipe(out);
    return InvalidArgument(
        StrCat("sealed message: ", out.size(), " bytes wanted at ", offset, " of ", size_));
  }
  const std::span<std::byte> all = out;
  while (!out.empty()) {
    const Status status = OpenChunk(offset / kSealChunkBytes, nullptr);
    if (!status.ok()) {
      Wipe(all);
      return status;
    }
    const std::size_t within = static_cast<std::size_t>(offset % kSealChunkBytes);
    const std::size_t take = std::min(out.size(), chunk_.size() - within);
    std::memcpy(out.data(), chunk_.data() + within, take);
    out = out.subspan(take);
    offset += take;
  }
  return OkStatus();
}

Status SealedReader::OpenChunk(std::uint64_t index, SealFault* fault) {
  if (cached_ == index) return OkStatus();
  cached_.reset();
  const std::uint64_t left = size_ - index * kSealChunkBytes;
  const std::size_t size = static_cast<std::size_t>(std::min<std::uint64_t>(left, kSealChunkBytes));
  sealed_chunk_.resize(size + kAeadTagBytes);
  chunk_.resize(size);
  const auto sealed = std::as_writable_bytes(std::span(sealed_chunk_));
  ATTUNE_RETURN_IF_ERROR(source_->ReadAt(kSealHeaderBytes + index * kSealedChunkBytes, sealed));
  ATTUNE_RETURN_IF_ERROR(
      OpenOneChunk(*aead_, base_, index, sealed, std::as_writable_bytes(std::span(chunk_)), fault));
  cached_ = index;
  return OkStatus();
}

}  // namespace attune
