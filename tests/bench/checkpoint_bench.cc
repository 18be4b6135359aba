// What a sealed checkpoint costs: time of a commit against plainly writing and
// syncing the same bytes, size against zstd, throughput of compressing and sealing
// against zstd alone.
//
//   checkpoint_bench [--state FILE] [--directory DIR] [--rounds 21] [--levels]
//                    [--machine]
//
// FILE is a training state in safetensors (attune train --stop-at leaves one); each
// tensor is a section. Without it: 5 MiB of adapter and its two moments in f32,
// values at random with rows of different scales, so that signs and exponents
// compress as they do in a real state. --levels: sizes and speeds of zstd's levels,
// plain and on each plane. --machine: "name value" lines for a script.
// Whatever is compared alternates in one run; medians are printed.

#include <zstd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/philox.h"
#include "base/strings.h"
#include "formats/safetensors.h"
#include "openssl/file_key_store.h"
#include "openssl/openssl_crypto.h"
#include "posix/posix_clock.h"
#include "posix/posix_file_system.h"
#include "vault/bytes.h"
#include "vault/checkpoint_store.h"
#include "vault/compress.h"

namespace attune {
namespace {

struct Options {
  std::string state, directory = "checkpoint_bench.tmp";
  int rounds = 21;
  bool levels = false, machine = false;
};

[[noreturn]] void Die(const Status& status) {
  std::fprintf(stderr, "checkpoint_bench: %s\n", status.ToString().c_str());
  std::exit(1);
}
void OkOrDie(const Status& status) {
  if (!status.ok()) Die(status);
}
template <typename T>
T OrDie(Result<T> result) {
  if (!result.ok()) Die(result.status());
  return *std::move(result);
}

double Seconds(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// --- What is saved ---

// Rows of 512 normal values, each row with a scale of its own: log2 of the scales
// is normal too.
std::string SyntheticSection(std::uint64_t seed, std::size_t count, double spread) {
  Philox random(seed);
  std::string out(count * sizeof(float), '\0');
  double scale = 1;
  for (std::size_t i = 0; i < count; ++i) {
    if (i % 512 == 0) scale = std::exp2(-8 + spread * random.NextNormal());
    const auto value = static_cast<float>(scale * random.NextNormal());
    std::memcpy(out.data() + i * sizeof value, &value, sizeof value);
  }
  return out;
}

struct State {
  std::vector<std::string> names, bytes;

  std::vector<ContainerSection> sections() const {
    std::vector<ContainerSection> all;
    for (std::size_t i = 0; i < names.size(); ++i) all.push_back({names[i], 4, AsBytes(bytes[i])});
    return all;
  }
  std::string Joined() const {
    std::string all;
    for (const std::string& section : bytes) all += section;
    return all;
  }
};

State LoadState(FileSystem& files, const std::string& path) {
  if (path.empty()) {
    const std::size_t count = 5 * (1 << 20) / sizeof(float);
    State state{{"weights", "first_moment", "second_moment"}, {}};
    for (std::uint64_t seed = 1; seed <= 3; ++seed) {
      state.bytes.push_back(SyntheticSection(seed, count, 3));
    }
    return state;
  }
  const SafetensorsFile file = OrDie(SafetensorsFile::Open(files, path));
  State state;
  for (const SafetensorsEntry& entry : file.entries()) {
    state.names.push_back(entry.name);
    state.bytes.emplace_back(AsText(OrDie(file.Tensor(entry.name)).span()));
  }
  return state;
}

// --- Figures ---

struct Report {
  bool machine = false;
  void Add(const char* name, const char* text, double value, const char* unit) const {
    if (machine) {
      std::printf("%s %.6g\n", name, value);
    } else {
      std::printf("%-44s %10.4g %s\n", text, value, unit);
    }
  }
};

std::size_t ZstdSize(std::string_view bytes, int level, double* seconds, int rounds) {
  ZSTD_CCtx* context = ZSTD_createCCtx();
  std::string out(ZSTD_compressBound(bytes.size()), '\0');
  std::size_t made = 0;
  std::vector<double> times;
  for (int i = 0; i < rounds; ++i) {
    times.push_back(Seconds([&] {
      made = ZSTD_compressCCtx(context, out.data(), out.size(), bytes.data(), bytes.size(), level);
    }));
  }
  *seconds = Median(times);
  ZSTD_freeCCtx(context);
  return made;
}

void MeasureLevels(const std::string& raw, int rounds) {
  const auto line = [&](const std::string& what, std::string_view bytes) {
    for (const int level : {1, 2, 3, 4, 5, 6, 7, 8, 9}) {
      double seconds = 0;
      const std::size_t made = ZstdSize(bytes, level, &seconds, rounds);
      std::printf("%-10s zstd -%d  %.4f  %7.0f MB/s\n", what.c_str(), level,
                  static_cast<double>(made) / static_cast<double>(bytes.size()),
                  static_cast<double>(bytes.size()) / seconds / 1e6);
    }
  };
  line("plain", raw);
  const std::size_t count = raw.size() / 4;
  std::string planes(count * 4, '\0');
  for (std::size_t i = 0; i < count; ++i) {
    for (std::size_t p = 0; p < 4; ++p) planes[p * count + i] = raw[4 * i + p];
  }
  line("planes", planes);
  for (std::size_t p = 0; p < 4; ++p) {
    line(StrCat("plane ", p), std::string_view(planes).substr(p * count, count));
  }
}

void MeasureSize(const State& state, const Report& report) {
  const std::string raw = state.Joined();
  const auto size = static_cast<double>(raw.size());
  double seconds = 0;
  const std::string container = EncodeContainer({}, state.sections());
  report.Add("raw_bytes", "state", size / 1e6, "MB");
  report.Add("ratio", "container / raw", static_cast<double>(container.size()) / size, "");
  report.Add("ratio_zstd3", "plain zstd -3 / raw",
             static_cast<double>(ZstdSize(raw, 3, &seconds, 1)) / size, "");
}

// Compressing and sealing in memory, zstd alone at the level of the planes.
void MeasureSealing(Vault& vault, const State& state, int rounds, const Report& report) {
  const std::string raw = state.Joined();
  const std::vector<ContainerSection> sections = state.sections();
  const Vault::NewSlice slice = OrDie(vault.MakeSlice(Role::kCheckpoint, 1));
  const VaultFile file = {Role::kCheckpoint, 1, 1, {}, "bench"};
  std::vector<double> sealing, encoding, zstd;
  for (int i = 0; i < rounds; ++i) {
    std::string container;
    encoding.push_back(Seconds([&] { container = EncodeContainer({}, sections); }));
    const double seal =
        Seconds([&] { OrDie(vault.SealFile(file, slice.key.bytes(), AsBytes(container))); });
    sealing.push_back(encoding.back() + seal);
    double seconds = 0;
    ZstdSize(raw, 1, &seconds, 1);
    zstd.push_back(seconds);
  }
  const double megabytes = static_cast<double>(raw.size()) / 1e6;
  report.Add("zstd1", "zstd -1 alone", megabytes / Median(zstd), "MB/s");
  report.Add("encode", "compressing by planes", megabytes / Median(encoding), "MB/s");
  report.Add("seal", "compressing by planes and sealing", megabytes / Median(sealing), "MB/s");
}

void MeasureCommits(FileSystem& files, Vault& vault, const Options& options, const State& state,
                    const Report& report) {
  const std::string raw = state.Joined();
  const std::vector<ContainerSection> sections = state.sections();
  CheckpointStore store(vault, {.adapter = "bench", .base = {}, .keep = 2});
  OkOrDie(store.BeginRun(false));
  const std::string plain = JoinPath(options.directory, "plain");
  std::vector<double> commits, writes, reads;
  for (int i = 0; i < options.rounds; ++i) {
    if (files.Exists(plain)) OkOrDie(files.Remove(plain));
    writes.push_back(Seconds([&] {
      const auto file = OrDie(files.Create(plain));
      OkOrDie(file->Append(AsBytes(raw)));
      OkOrDie(file->Sync());
    }));
    const auto step = static_cast<std::uint64_t>(i);
    commits.push_back(Seconds([&] {
      OkOrDie(store.Commit({.step = step, .fields = {}, .sections = sections, .seen = {}}));
    }));
    reads.push_back(Seconds([&] { OrDie(store.Latest()); }));
  }
  report.Add("plain_ms", "write and fsync the raw bytes", Median(writes) * 1e3, "ms");
  report.Add("commit_ms", "Commit()", Median(commits) * 1e3, "ms");
  report.Add("commit_ratio", "Commit() / plain", Median(commits) / Median(writes), "");
  report.Add("latest_ms", "Latest()", Median(reads) * 1e3, "ms");
}

int Run(const Options& options) {
  PosixFileSystem files;
  const State state = LoadState(files, options.state);
  if (options.levels) {
    MeasureLevels(state.Joined(), 5);
    return 0;
  }
  const auto crypto = OrDie(OpensslCrypto::Create());
  OkOrDie(files.CreateDirectories(options.directory));
  const auto keys =
      OrDie(FileKeyStore::Open(files, *crypto, {.directory = JoinPath(options.directory, "keys")}));
  PosixClock clock;
  const VaultPorts ports = {&files, keys.get(), crypto.get(), &clock};
  const auto vault = OrDie(
      Vault::Open(ports, {.directory = JoinPath(options.directory, "vault"), .create = true}));
  const Report report{options.machine};
  MeasureSize(state, report);
  MeasureSealing(*vault, state, options.rounds, report);
  MeasureCommits(files, *vault, options, state, report);
  return 0;
}

}  // namespace
}  // namespace attune

int main(int argc, char** argv) {
  attune::Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    const auto value = [&]() -> const char* {
      if (++i < argc) return argv[i];
      std::fprintf(stderr, "checkpoint_bench: %s needs a value\n", argv[i - 1]);
      std::exit(2);
    };
    if (argument == "--state") {
      options.state = value();
    } else if (argument == "--directory") {
      options.directory = value();
    } else if (argument == "--rounds") {
      options.rounds = std::max(1, std::atoi(value()));
    } else if (argument == "--levels") {
      options.levels = true;
    } else if (argument == "--machine") {
      options.machine = true;
    } else {
      std::fprintf(stderr, "checkpoint_bench: unknown option %s\n", argv[i]);
      return 2;
    }
  }
  return attune::Run(options);
}
