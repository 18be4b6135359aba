// What every KeyStore owes its users, as one suite over implementations:
//
//   INSTANTIATE_TEST_SUITE_P(Mine, KeyStoreContract, Values(kMine), KeyStoreName);

#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>

#include "ports/key_store.h"

namespace attune::testing {

// Where keys stay when a KeyStore is closed.
class KeyStoreHome {
 public:
  virtual ~KeyStoreHome() = default;
  // As another process would open it.
  virtual std::unique_ptr<KeyStore> Open() = 0;
};

struct KeyStoreUnderTest {
  std::string name;
  std::function<std::unique_ptr<KeyStoreHome>()> make;
};
inline std::string KeyStoreName(const ::testing::TestParamInfo<KeyStoreUnderTest>& info) {
  return info.param.name;
}

class KeyStoreContract : public ::testing::TestWithParam<KeyStoreUnderTest> {
 protected:
  std::unique_ptr<KeyStoreHome> home_ = GetParam().make();
  std::unique_ptr<KeyStore> keys_ = home_->Open();
};

}  // namespace attune::testing
