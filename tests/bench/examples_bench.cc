// What keeping examples costs: appending one against plainly appending and syncing
// as many bytes, and opening vaults of growing size.
//
//   examples_bench [--directory DIR] [--appends 2000] [--largest 100000]
//                  [--rounds 11] [--machine]
//
// Appends: examples of 100 bytes in random words; both kinds alternate in one run.
// Opening: 1,000 examples a day, half of it past; each size in a vault of its own that is built
// without syncing; then the vault and its store are opened, the bytes read
// meanwhile are counted, one example is recorded, and all are read once.
// --machine: "name value" lines for a script.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/philox.h"
#include "base/strings.h"
#include "openssl/file_key_store.h"
#include "openssl/openssl_crypto.h"
#include "posix/posix_file_system.h"
#include "vault/bytes.h"
#include "vault/example_record.h"
#include "vault/example_store.h"
#include "vault/segment.h"
#include "vault/vault.h"

namespace attune {
namespace {

struct Options {
  std::string directory = "examples_bench.tmp";
  int appends = 2000, largest = 100'000, rounds = 11;
  bool machine = false;
};

[[noreturn]] void Die(const Status& status) {
  std::fprintf(stderr, "examples_bench: %s\n", status.ToString().c_str());
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

double Seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}
template <typename Work>
double TimeOf(Work work) {
  const double start = Seconds();
  work();
  return Seconds() - start;
}
double Percentile(std::vector<double> values, double share) {
  std::sort(values.begin(), values.end());
  return values[static_cast<std::size_t>(share * static_cast<double>(values.size() - 1))];
}

// Stands where it is put.
class BenchClock final : public Clock {
 public:
  double MonotonicSeconds() override { return Seconds(); }
  std::int64_t UnixSeconds() override { return unix_seconds; }
  std::int32_t UtcOffsetSeconds(std::int64_t) override { return 0; }
  double ProcessCpuSeconds() override { return 0; }
  void Sleep(double) override {}
  std::int64_t unix_seconds = 1767268800;
};

// The disk, with the bytes read counted, and syncs left out on demand.
class CountingFileSystem final : public FileSystem {
 public:
  std::uint64_t bytes_read = 0;
  bool sync = true;

  bool Exists(const std::string& path) override { return disk_.Exists(path); }
  bool IsDirectory(const std::string& path) override { return disk_.IsDirectory(path); }
  Result<std::uint64_t> Size(const std::string& path) override { return disk_.Size(path); }
  Result<bool> IsPrivate(const std::string& path) override { return disk_.IsPrivate(path); }
  Result<std::vector<std::string>> List(const std::string& directory) override {
    return disk_.List(directory);
  }
  Result<std::string> Read(const std::string& path, std::uint64_t limit) override {
    auto bytes = disk_.Read(path, limit);
    if (bytes.ok()) bytes_read += bytes->size();
    return bytes;
  }
  Result<std::unique_ptr<ReadableFile>> OpenForReading(const std::string& path) override {
    ATTUNE_ASSIGN_OR_RETURN(auto file, disk_.OpenForReading(path));
    return std::unique_ptr<ReadableFile>(std::make_unique<Reader>(*this, std::move(file)));
  }
  Result<std::shared_ptr<const MappedFile>> Map(const std::string& path) override {
    return disk_.Map(path);
  }
  Result<std::unique_ptr<WritableFile>> Create(const std::string& path) override {
    ATTUNE_ASSIGN_OR_RETURN(auto file, disk_.Create(path));
    return std::unique_ptr<WritableFile>(std::make_unique<Writer>(*this, std::move(file)));
  }
  Result<std::unique_ptr<WritableFile>> OpenForAppending(const std::string& path) override {
    ATTUNE_ASSIGN_OR_RETURN(auto file, disk_.OpenForAppending(path));
    return std::unique_ptr<WritableFile>(std::make_unique<Writer>(*this, std::move(file)));
  }
  Status Rename(const std::string& from, const std::string& to) override {
    return disk_.Rename(from, to);
  }
  Status Remove(const std::string& path) override { return disk_.Remove(path); }
  Status SyncDirectory(const std::string& directory) override {
    return sync ? disk_.SyncDirectory(directory) : OkStatus();
  }
  Status CreateDirectories(const std::string& path) override {
    return disk_.CreateDirectories(path);
  }
  Result<std::unique_ptr<FileLock>> Lock(const std::string& path, double timeout) override {
    return disk_.Lock(path, timeout);
  }

 private:
  class Reader final : public ReadableFile {
   public:
    Reader(CountingFileSystem& files, std::unique_ptr<ReadableFile> file)
        : files_(files), file_(std::move(file)) {}
    std::uint64_t size() const override { return file_->size(); }
    Status ReadAt(std::uint64_t offset, std::span<std::byte> out) override {
      files_.bytes_read += out.size();
      return file_->ReadAt(offset, out);
    }

   private:
    CountingFileSystem& files_;
    std::unique_ptr<ReadableFile> file_;
  };
  class Writer final : public WritableFile {
   public:
    Writer(CountingFileSystem& files, std::unique_ptr<WritableFile> file)
        : files_(files), file_(std::move(file)) {}
    Status Append(std::span<const std::byte> bytes) override { return file_->Append(bytes); }
    Status Sync() override { return files_.sync ? file_->Sync() : OkStatus(); }

   private:
    CountingFileSystem& files_;
    std::unique_ptr<WritableFile> file_;
  };

  PosixFileSystem disk_;
};

// 100 bytes of words, each time others.
std::string Line(Philox& rng) {
  std::string line;
  while (line.size() < 100) {
    const std::size_t length = 2 + rng.NextBelow(8);
    for (std::size_t i = 0; i < length; ++i) {
      line.push_back(static_cast<char>('a' + rng.NextBelow(26)));
    }
    line.push_back(' ');
  }
  line.resize(100);
  return line;
}

class Bench {
 public:
  explicit Bench(const Options& options) : options_(options) {
    std::error_code ignored;
    std::filesystem::remove_all(options.directory, ignored);
    OkOrDie(files_.CreateDirectories(options.directory));
    FileKeyStoreOptions key_options;
    key_options.directory = JoinPath(options.directory, "keys");
    keys_ = OrDie(FileKeyStore::Open(files_, *crypto_, key_options));
  }
  ~Bench() {
    std::error_code ignored;
    std::filesystem::remove_all(options_.directory, ignored);
  }

  void Run() {
    MeasureAppends();
    for (int examples = 1000; examples <= options_.largest; examples *= 10) {
      MeasureOpening(examples);
    }
  }

 private:
  std::unique_ptr<Vault> OpenVault(const std::string& name) {
    const VaultPorts ports{
        .files = &files_, .keys = keys_.get(), .crypto = crypto_.get(), .clock = &clock_};
    return OrDie(
        Vault::Open(ports, {.directory = JoinPath(options_.directory, name), .create = true}));
  }
  ExamplePolicy Policy() const {
    ExamplePolicy policy;
    policy.keep_examples = 0;
    policy.keep_days = 0;
    return policy;
  }
  void Record(ExampleStore& store) {
    Example example;
    example.text = Line(rng_);
    const Recorded recorded = OrDie(store.Record(example));
    if (recorded.outcome != RecordOutcome::kStored) Die(Internal("a line was not stored"));
  }
  void Print(const std::string& name, double value, const char* unit) {
    if (options_.machine) {
      std::printf("%s %.6g\n", name.c_str(), value);
    } else {
      std::printf("  %-36s %10.4g %s\n", name.c_str(), value, unit);
    }
  }

  void MeasureAppends() {
    const auto vault = OpenVault("appends");
    const auto store = OrDie(ExampleStore::Open(*vault, Policy()));
    const std::string plain_path = JoinPath(options_.directory, "plain");
    const auto plain = OrDie(files_.Create(plain_path));
    StoredExample such;
    such.example.text = Line(rng_);
    const std::string bytes(FrameBytes(EncodeExampleRecord(such).size()), 'x');
    std::vector<double> sealed, plainly;
    for (int i = 0; i < options_.appends; ++i) {
      sealed.push_back(TimeOf([&] { Record(*store); }) * 1e6);
      plainly.push_back(TimeOf([&] {
                          OkOrDie(plain->Append(AsBytes(bytes)));
                          OkOrDie(plain->Sync());
                        }) *
                        1e6);
    }
    files_.sync = false;
    std::vector<double> unsynced;
    for (int i = 0; i < options_.appends; ++i) {
      unsynced.push_back(TimeOf([&] { Record(*store); }) * 1e6);
    }
    files_.sync = true;
    const ExampleTotals totals = OrDie(store->Totals());
    Print("record_p50_us", Percentile(sealed, 0.5), "us");
    Print("record_p99_us", Percentile(sealed, 0.99), "us");
    Print("plain_append_sync_p50_us", Percentile(plainly, 0.5), "us");
    Print("plain_append_sync_p99_us", Percentile(plainly, 0.99), "us");
    Print("record_without_sync_p50_us", Percentile(unsynced, 0.5), "us");
    Print("bytes_an_example",
          static_cast<double>(totals.bytes) / static_cast<double>(totals.examples), "bytes");
  }

  void MeasureOpening(int examples) {
    const std::string name = StrCat("open_", examples);
    files_.sync = false;
    {
      const auto vault = OpenVault(name);
      const auto store = OrDie(ExampleStore::Open(*vault, Policy()));
      for (int i = 0; i < examples; ++i) {
        if (i % 1000 == 500) clock_.unix_seconds += 24 * 60 * 60;
        Record(*store);
      }
    }
    files_.sync = true;
    std::vector<double> opening, recording;
    std::uint64_t read = 0;
    for (int round = 0; round < options_.rounds; ++round) {
      files_.bytes_read = 0;
      std::unique_ptr<Vault> vault;
      std::unique_ptr<ExampleStore> store;
      opening.push_back(TimeOf([&] {
                          vault = OpenVault(name);
                          store = OrDie(ExampleStore::Open(*vault, Policy()));
                        }) *
                        1e3);
      read = files_.bytes_read;
      recording.push_back(TimeOf([&] { Record(*store); }) * 1e3);
    }
    const auto vault = OpenVault(name);
    const auto store = OrDie(ExampleStore::Open(*vault, Policy()));
    const ExampleTotals totals = OrDie(store->Totals());
    const double all = TimeOf([&] {
      const auto visited = OrDie(store->ForEach([](const StoredExample&) { return true; }));
      if (visited.damaged > 0) Die(DataLoss("damaged examples"));
    });
    Print(name + "_ms", Percentile(opening, 0.5), "ms");
    Print(name + "_bytes_read", static_cast<double>(read), "bytes");
    Print(name + "_bytes_on_disk", static_cast<double>(totals.bytes), "bytes");
    Print(name + "_first_record_ms", Percentile(recording, 0.5), "ms");
    Print(name + "_read_all_ms", all * 1e3, "ms");
  }

  Options options_;
  CountingFileSystem files_;
  std::unique_ptr<OpensslCrypto> crypto_ = OrDie(OpensslCrypto::Create());
  std::unique_ptr<KeyStore> keys_;
  BenchClock clock_;
  Philox rng_{1};
};

}  // namespace
}  // namespace attune

int main(int argc, char** argv) {
  attune::Options options;
  for (int i = 1; i < argc; ++i) {
    const auto is = [&](const char* name) {
      return std::strcmp(argv[i], name) == 0 && i + 1 < argc;
    };
    if (is("--directory")) {
      options.directory = argv[++i];
    } else if (is("--appends")) {
      options.appends = std::max(1, std::atoi(argv[++i]));
    } else if (is("--largest")) {
      options.largest = std::atoi(argv[++i]);
    } else if (is("--rounds")) {
      options.rounds = std::max(1, std::atoi(argv[++i]));
    } else if (std::strcmp(argv[i], "--machine") == 0) {
      options.machine = true;
    } else {
      std::fprintf(stderr,
                   "usage: examples_bench [--directory DIR] [--appends N] [--largest N] "
                   "[--rounds N] [--machine]\n");
      return 1;
    }
  }
  attune::Bench(options).Run();
}
