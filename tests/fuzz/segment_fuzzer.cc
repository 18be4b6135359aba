// Segments of examples under a known key. The first byte of the input chooses:
//
//   0  a good segment with the changes that the other bytes ask for: every change
//      is noticed, and what is read is what was written
//   1  the bytes as a segment: what is read was sealed under the key, so nothing is
//   2  the bytes as a record, as its fields, as a footer and as a record of the ledger:
//      one value, one encoding
//   3  the bytes as text to be admitted

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "base/philox.h"
#include "openssl/openssl_crypto.h"
#include "vault/admission.h"
#include "vault/byte_order.h"
#include "vault/bytes.h"
#include "vault/duplicates.h"
#include "vault/example_record.h"
#include "vault/ledger_store.h"
#include "vault/seal.h"
#include "vault/segment.h"
#include "vault/sensitive_text.h"

namespace attune {
namespace {

// OpenSSL's, but for salts that are the same in every process.
class RepeatingCrypto final : public Crypto {
 public:
  RepeatingCrypto() {
    auto crypto = OpensslCrypto::Create();
    ATTUNE_CHECK(crypto.ok());
    real_ = *std::move(crypto);
  }
  Status Random(std::span<std::byte> out) override {
    for (std::byte& b : out) b = static_cast<std::byte>(rng_.NextU32());
    return OkStatus();
  }
  Status Hkdf(ByteSpan key, ByteSpan salt, ByteSpan info, std::span<std::byte> out) override {
    return real_->Hkdf(key, salt, info, out);
  }
  Status HkdfExpand(ByteSpan prk, ByteSpan info, std::span<std::byte> out) override {
    return real_->HkdfExpand(prk, info, out);
  }
  Result<std::unique_ptr<Aead>> Aes256Gcm(ByteSpan key) override { return real_->Aes256Gcm(key); }
  Result<Sha256Digest> Sha256(std::span<const ByteSpan> parts) override {
    return real_->Sha256(parts);
  }
  std::span<std::byte> AllocateSecret(std::size_t size) override {
    return real_->AllocateSecret(size);
  }
  void ReleaseSecret(std::span<std::byte> secret) override { real_->ReleaseSecret(secret); }

 private:
  std::unique_ptr<OpensslCrypto> real_;
  Philox rng_{1};
};

struct Good {
  RepeatingCrypto crypto;
  std::string key = std::string(kSealKeyBytes, 'k');
  std::vector<std::string> records;
  std::string bytes;

  SegmentKey segment() { return {.crypto = &crypto, .vault = {}, .file = 77, .key = AsBytes(key)}; }
  Good() {
    for (std::uint64_t i = 0; i < 4; ++i) {
      StoredExample stored;
      stored.id = 40 + i;
      stored.example.text = std::string(i * 30, static_cast<char>('a' + i)) + "text";
      records.push_back(EncodeExampleRecord(stored));
      ATTUNE_CHECK(
          AppendFrame(segment(), static_cast<std::uint32_t>(i), records.back(), &bytes).ok());
    }
    ATTUNE_CHECK(AppendFrame(segment(), kFooterIndex, EncodeFooter({1, 2, 3, 4}), &bytes).ok());
  }
};

Good& TheGood() {
  static Good good;
  return good;
}

// Applies up to 16 changes: u8 what, u16 where, u16 how.
std::string Changed(std::string bytes, ByteReader changes) {
  for (int i = 0; i < 16 && changes.remaining() >= 5 && !bytes.empty(); ++i) {
    const auto what = changes.Number<std::uint8_t>();
    const std::size_t at = changes.Number<std::uint16_t>() % bytes.size();
    const auto how = changes.Number<std::uint16_t>();
    switch (what % 5) {
      case 0:
        bytes[at] = static_cast<char>(bytes[at] ^ how);
        break;
      case 1:
        bytes.resize(at);
        break;
      case 2:
        bytes.erase(at, how % 512);
        break;
      case 3:
        bytes.insert(at, bytes.substr(how % bytes.size(), 200));
        break;
      case 4:
        std::rotate(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(at), bytes.end());
    }
  }
  return bytes;
}

void CheckChanged(std::string_view input) {
  Good& good = TheGood();
  const std::string bytes = Changed(good.bytes, ByteReader(input));
  SegmentScan scan;
  std::size_t read = 0;
  std::uint32_t next = 0;
  ScanFrames(good.segment(), bytes, &scan, [&](std::uint32_t index, std::string_view record) {
    ATTUNE_CHECK(index >= next && index < good.records.size());
    ATTUNE_CHECK(record == good.records[index]);
    next = index + 1;
    ++read;
  });
  ATTUNE_CHECK(scan.end <= bytes.size());
  const bool whole =
      read == good.records.size() && scan.footer && scan.damaged == 0 && scan.end == bytes.size();
  ATTUNE_CHECK(whole == (bytes == good.bytes));
}

void CheckForeign(std::string_view bytes) {
  SegmentScan scan;
  ScanFrames(TheGood().segment(), bytes, &scan,
             [](std::uint32_t, std::string_view) { ATTUNE_CHECK(false); });
  ATTUNE_CHECK(scan.end == 0 && scan.damaged == 0 && !scan.footer);
}

void CheckCodecs(std::string_view bytes) {
  if (const auto fields = DecodeExampleFields(bytes); fields.ok()) {
    ATTUNE_CHECK(EncodeExampleFields(*fields) == bytes);
  }
  if (const auto footer = DecodeFooter(bytes); footer.ok()) {
    ATTUNE_CHECK(EncodeFooter(*footer) == bytes);
  }
  if (const auto ledger = UnpackLedgerRecord(bytes); ledger.ok()) {
    ATTUNE_CHECK(PackLedgerRecord(*ledger) == bytes);
  }
  const auto record = DecodeExampleRecord(bytes);
  if (!record.ok()) {
    ATTUNE_CHECK(record.status().message().find('\n') == std::string::npos);
    return;
  }
  const auto again = DecodeExampleRecord(EncodeExampleRecord(*record));
  ATTUNE_CHECK(again.ok());
  ATTUNE_CHECK(EncodeExampleFields(*again) == EncodeExampleFields(*record));
}

void CheckAdmission(std::string_view bytes) {
  Example example;
  example.text = bytes;
  const RecordOutcome outcome = Admit({}, example);
  ATTUNE_CHECK(RecordOutcomeName(outcome) != "unknown outcome");
  // What is found is found among other words too.
  if (outcome < RecordOutcome::kCardNumber) return;
  example.text = "before\n" + example.text + "\nafter";
  ATTUNE_CHECK(Admit({}, example) != RecordOutcome::kStored);
}

}  // namespace
}  // namespace attune

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 4) {
    case 0:
      attune::CheckChanged(bytes);
      break;
    case 1:
      attune::CheckForeign(bytes);
      break;
    case 2:
      attune::CheckCodecs(bytes);
      break;
    case 3:
      attune::CheckAdmission(bytes);
      break;
  }
  return 0;
}
