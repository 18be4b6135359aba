// How fast messages are sealed and unsealed, in one JSON line:
//
//   seal_bench [bytes [seconds]]     default: 16 MiB, 1 s each
//
// "seal" appends to a string that keeps its memory from round to round; "seal_fresh"
// and "unseal" make a new one each time, and so pay for new pages too.
// tests/bench/seal_vs_openssl runs it in turns with `openssl speed`.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "openssl/openssl_crypto.h"
#include "vault/seal.h"

namespace attune {
namespace {

ByteSpan Bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

// Median of 10^6 bytes a second over as many rounds as fit.
template <typename Round>
double MegabytesPerSecond(std::size_t bytes, double seconds, const Round& round) {
  using Clock = std::chrono::steady_clock;
  std::vector<double> rates;
  const auto begin = Clock::now();
  do {
    const auto at = Clock::now();
    if (!round()) {
      std::fprintf(stderr, "seal_bench: a round failed\n");
      std::exit(1);
    }
    const std::chrono::duration<double> took = Clock::now() - at;
    rates.push_back(static_cast<double>(bytes) / 1e6 / took.count());
  } while (Clock::now() - begin < std::chrono::duration<double>(seconds));
  std::nth_element(rates.begin(), rates.begin() + static_cast<std::ptrdiff_t>(rates.size() / 2),
                   rates.end());
  return rates[rates.size() / 2];
}

int Run(std::size_t bytes, double seconds) {
  auto crypto = OpensslCrypto::Create();
  if (!crypto.ok()) {
    std::fprintf(stderr, "seal_bench: %s\n", crypto.status().ToString().c_str());
    return 1;
  }
  const std::string key(kSealKeyBytes, 'k');
  const std::string plaintext(bytes, 'x');
  const auto seal = [&](std::string* out) {
    return Seal(**crypto, Bytes(key), "bench", Bytes(plaintext), out).ok();
  };
  std::string kept;
  if (!seal(&kept)) return 1;  // Pages and caches.
  const std::string sealed = kept;
  const double reused = MegabytesPerSecond(bytes, seconds, [&] {
    kept.clear();
    return seal(&kept);
  });
  const double fresh = MegabytesPerSecond(bytes, seconds, [&] {
    std::string out;
    return seal(&out);
  });
  const double unsealed = MegabytesPerSecond(
      bytes, seconds, [&] { return Unseal(**crypto, Bytes(key), "bench", Bytes(sealed)).ok(); });
#ifdef NDEBUG
  const char* build = "release";
#else
  const char* build = "debug";
  std::fprintf(stderr, "seal_bench: a debug build: its figures mean nothing\n");
#endif
  std::printf(
      "{\"bytes\": %zu, \"build\": \"%s\", \"seal\": %.0f, \"seal_fresh\": %.0f, "
      "\"unseal\": %.0f}\n",
      bytes, build, reused, fresh, unsealed);
  return 0;
}

}  // namespace
}  // namespace attune

int main(int argc, char** argv) {
  const std::size_t bytes = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : std::size_t{16} << 20;
  const double seconds = argc > 2 ? std::strtod(argv[2], nullptr) : 1;
  if (bytes == 0 || bytes > (std::size_t{1} << 30) || !(seconds > 0) || argc > 3) {
    std::fprintf(stderr, "usage: seal_bench [bytes [seconds]]\n");
    return 2;
  }
  return attune::Run(bytes, seconds);
}
