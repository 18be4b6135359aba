// OpenSSL's libcrypto, and what it alone promises.

#include "openssl/openssl_crypto.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include <cstdlib>
#include <fstream>

#include "contract/crypto/crypto_contract.h"
#include "support/status_matchers.h"
#include "support/temporary_directory.h"
#include "support/vector_file.h"

namespace attune::testing {
namespace {

std::unique_ptr<OpensslCrypto> MakeOpenssl() {
  auto crypto = OpensslCrypto::Create();
  EXPECT_OK(crypto);
  return std::move(*crypto);
}

const CryptoUnderTest kOpenssl{"openssl", [] { return MakeOpenssl(); }};
INSTANTIATE_TEST_SUITE_P(Openssl, CryptoContract, ::testing::Values(kOpenssl), CryptoName);

// RFC 7914, section 12, the second and third one (the fourth takes 1 GiB).
TEST(OpensslScrypt, DerivesAsItsRfcDoes) {
  const auto crypto = MakeOpenssl();
  std::string out(64, '?');
  ASSERT_OK(crypto->Scrypt(BytesIn("password"), BytesIn("NaCl"), {.log2_n = 10, .r = 8, .p = 16},
                           RoomIn(out)));
  EXPECT_EQ(out, BytesOfHex("fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162"
                            "2eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640"));
  ASSERT_OK(crypto->Scrypt(BytesIn("pleaseletmein"), BytesIn("SodiumChloride"),
                           {.log2_n = 14, .r = 8, .p = 1}, RoomIn(out)));
  EXPECT_EQ(out, BytesOfHex("7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2"
                            "d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887"));
}

TEST(OpensslScrypt, AcceptsNoCostBeyondItsBounds) {
  EXPECT_TRUE(IsAcceptable(ScryptCost()));
  EXPECT_TRUE(IsAcceptable({.log2_n = 16, .r = 8, .p = 2}));  // Just the 64 MiB.
  for (const ScryptCost& cost :
       {ScryptCost{.log2_n = 0, .r = 8, .p = 1}, ScryptCost{.log2_n = 17, .r = 8, .p = 1},
        ScryptCost{.log2_n = 15, .r = 8, .p = 5}, ScryptCost{.log2_n = 15, .r = 0, .p = 1},
        ScryptCost{.log2_n = 15, .r = 8, .p = 0}, ScryptCost{.log2_n = 255, .r = 1, .p = 1},
        ScryptCost{.log2_n = 1, .r = 0xffffffff, .p = 0xffffffff},
        ScryptCost{.log2_n = 10, .r = 1, .p = 0xffffffff}}) {
    EXPECT_FALSE(IsAcceptable(cost)) << int{cost.log2_n} << " " << cost.r << " " << cost.p;
  }
}

TEST(OpensslCrypto, LeavesNothingInTheThreadsErrorQueue) {
  const auto crypto = MakeOpenssl();
  ERR_clear_error();
  ERR_raise(ERR_LIB_USER, 1);  // The host program's own.
  auto aead = crypto->Aes256Gcm(BytesIn(std::string(32, 'k')));
  ASSERT_OK(aead);
  std::string out(4, '?');
  EXPECT_FALSE((*aead)->Open({}, BytesIn(std::string(20, 'x')), RoomIn(out)).ok());
  // More than the secure heap has.
  const Secret large(*crypto, std::size_t{1} << 20);
  EXPECT_EQ(ERR_GET_LIB(ERR_get_error()), ERR_LIB_USER);
  EXPECT_EQ(ERR_get_error(), 0u);
}

// A configuration under which nothing of libcrypto's defaults works.
std::string BreakingConfiguration(const TemporaryDirectory& directory) {
  const std::string path = directory / "openssl.cnf";
  std::ofstream(path) << "openssl_conf = init\n[init]\nalg_section = algorithms\n"
                      << "[algorithms]\ndefault_properties = provider=nobody\n";
  return path;
}

// Death tests run in a process of their own, where libcrypto has not begun yet.
class OpensslConfiguration : public ::testing::Test {
 protected:
  OpensslConfiguration() { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
  ~OpensslConfiguration() override { GTEST_FLAG_SET(death_test_style, "fast"); }
};

TEST_F(OpensslConfiguration, OfTheMachineChangesNothing) {
  const TemporaryDirectory directory;
  const auto works = [&] {
    setenv("OPENSSL_CONF", BreakingConfiguration(directory).c_str(), 1);
    const auto crypto = OpensslCrypto::Create();
    std::string out(64, '?');
    const bool ok = crypto.ok() && (*crypto)->Random(RoomIn(out)).ok() &&
                    (*crypto)->Hkdf(BytesIn("key"), {}, {}, RoomIn(out)).ok() &&
                    (*crypto)->Aes256Gcm(BytesIn(out).first(32)).ok();
    // It was not even read: the default context still has its algorithms.
    EVP_MD* digest = EVP_MD_fetch(nullptr, "SHA256", nullptr);
    std::_Exit(ok && digest != nullptr ? 0 : 1);
  };
  EXPECT_EXIT(works(), ::testing::ExitedWithCode(0), "");
}

TEST_F(OpensslConfiguration, OfTheHostProgramChangesNothing) {
  const TemporaryDirectory directory;
  const auto works = [&] {
    setenv("OPENSSL_CONF", BreakingConfiguration(directory).c_str(), 1);
    OPENSSL_init_crypto(OPENSSL_INIT_LOAD_CONFIG, nullptr);
    // The configuration does break what uses it.
    if (EVP_MD_fetch(nullptr, "SHA256", nullptr) != nullptr) std::_Exit(2);
    const auto crypto = OpensslCrypto::Create();
    std::string out(64, '?');
    const bool ok = crypto.ok() && (*crypto)->Random(RoomIn(out)).ok() &&
                    (*crypto)->Hkdf(BytesIn("key"), {}, {}, RoomIn(out)).ok() &&
                    (*crypto)->Aes256Gcm(BytesIn(out).first(32)).ok();
    std::_Exit(ok ? 0 : 1);
  };
  EXPECT_EXIT(works(), ::testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace attune::testing
