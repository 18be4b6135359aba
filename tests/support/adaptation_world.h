// An Adaptation's surroundings in memory: a tiny model, a vault, real training and
// real cryptography.

#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "attune/adaptation.h"
#include "base/strings.h"
#include "cpu/cpu_backend.h"
#include "posix/thread_pool.h"
#include "session/platform.h"
#include "support/forwarding_file_system.h"
#include "support/status_matchers.h"
#include "support/test_ports.h"
#include "support/tiny_language_model.h"

namespace attune::testing {

// A disk that has no room for adapters, when asked.
class CrampedFileSystem final : public ForwardingFileSystem {
 public:
  using ForwardingFileSystem::ForwardingFileSystem;
  Result<std::unique_ptr<WritableFile>> Create(const std::string& path) override {
    if (full && path.ends_with(".adapter")) return ResourceExhausted("no space left");
    return ForwardingFileSystem::Create(path);
  }
  bool full = false;
};

class AdaptationWorld {
 public:
  AdaptationWorld() { WriteTinyModel(ports_.files, "base"); }

  MemoryFileSystem& files() { return ports_.files; }
  MemoryKeyStore& keys() { return ports_.keys; }
  FixedClock& clock() { return ports_.clock; }
  void SetFull(bool full) { disk_.full = full; }
  const Platform& platform() const { return platform_; }

  AdaptationOptions Options() const {
    AdaptationOptions options;
    options.model = "base";
    options.vault = "vault";
    options.open.context_tokens = 64;
    options.examples.max_duplicates = 0;  // The tiny messages repeat themselves.
    options.keep_near_duplicates = true;
    return options;
  }
  std::unique_ptr<Adaptation> Open() { return Open(Options()); }
  std::unique_ptr<Adaptation> Open(const AdaptationOptions& options) {
    auto adaptation = Adaptation::Open(platform_, options);
    EXPECT_OK(adaptation);
    return adaptation.ok() ? *std::move(adaptation) : nullptr;
  }

  // The messages from..to-1 of an endless history.
  static std::vector<std::string> Messages(int from, int to) {
    const std::string all = TinyMessages(to);
    std::vector<std::string> messages;
    std::size_t begin = 0;
    for (int i = 0; i < to; ++i) {
      const std::size_t end = all.find('\n', begin);
      if (i >= from) messages.push_back(all.substr(begin, end - begin));
      begin = end + 1;
    }
    return messages;
  }
  static void Record(Adaptation& adaptation, int from, int to) {
    for (const std::string& message : Messages(from, to)) {
      ASSERT_OK_AND_ASSIGN(const Recorded recorded, adaptation.Record({.text = message}));
      ASSERT_EQ(recorded.outcome, RecordOutcome::kStored);
    }
  }

  // A short run that learns something.
  static RunOptions Run(std::int64_t steps = 40) {
    RunOptions options;
    options.training.steps = steps;
    options.training.batch = 2;
    options.training.sequence = 32;
    options.training.rank = 4;
    options.training.dropout = 0.05;
    options.training.learning_rate = 0.01;
    options.training.seed = 3;
    options.checkpoint_every = 5;
    // Three messages to test on, and the point estimate: these tests are about what
    // follows from a promotion, not about evidence.
    options.gate.min_examples = 3;
    options.gate.confidence = 0.5;
    options.gate.max_slowdown = 0;  // The clock stands still.
    return options;
  }

  // What a kill leaves behind: files and keys.
  struct Disk {
    std::map<std::string, std::string> files;
    MemoryKeyStore::Items keys;
  };
  Disk Copy() { return {files().files(), keys().items()}; }
  void Put(const Disk& disk) {
    for (const auto& [path, bytes] : files().files()) {
      if (!disk.files.contains(path)) ASSERT_OK(files().Remove(path));
    }
    for (const auto& [path, bytes] : disk.files) files().Put(path, bytes);
    keys().SetItems(disk.keys);
  }

  // Both files of the adapter, one after the other.
  std::string Exported(Adaptation& adaptation, std::uint64_t generation = 0) {
    const std::string directory = StrCat("export", ++exports_);
    EXPECT_OK(adaptation.ExportAdapter(generation, directory));
    return ReadAll(directory + "/adapter_config.json") +
           ReadAll(directory + "/adapter_model.safetensors");
  }
  std::string ReadAll(const std::string& path) {
    auto bytes = files().Read(path, 1 << 26);
    EXPECT_OK(bytes);
    return bytes.ok() ? *bytes : "";
  }

 private:
  TestPorts ports_;
  CrampedFileSystem disk_{ports_.files};
  ThreadPool pool_{2};
  std::unique_ptr<Backend> backend_ = MakeCpuBackend(pool_);
  Platform platform_{&disk_,         &ports_.clock,       &pool_,
                     backend_.get(), ports_.crypto.get(), &ports_.keys};
  int exports_ = 0;
};

}  // namespace attune::testing
