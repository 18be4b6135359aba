// What every Crypto owes its users, as one suite over implementations:
//
//   INSTANTIATE_TEST_SUITE_P(Mine, CryptoContract, Values(kMine), CryptoName);

#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "ports/crypto.h"

namespace attune::testing {

struct CryptoUnderTest {
  std::string name;
  std::function<std::unique_ptr<Crypto>()> make;
};
inline std::string CryptoName(const ::testing::TestParamInfo<CryptoUnderTest>& info) {
  return info.param.name;
}

class CryptoContract : public ::testing::TestWithParam<CryptoUnderTest> {
 protected:
  std::unique_ptr<Crypto> crypto_ = GetParam().make();
};

inline ByteSpan BytesIn(std::string_view text) { return std::as_bytes(std::span(text)); }
inline std::span<std::byte> RoomIn(std::string& text) {
  return std::as_writable_bytes(std::span(text));
}
inline Nonce NonceIn(std::string_view text) {
  Nonce nonce{};
  EXPECT_EQ(text.size(), nonce.size());
  std::ranges::copy(BytesIn(text), nonce.begin());
  return nonce;
}

}  // namespace attune::testing
