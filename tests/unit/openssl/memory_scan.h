// Looks for a key in this process's own memory (Linux), as somebody with a core dump
// of it would. The key is never laid out in memory by the search itself.

#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <span>
#include <string>
#include <vector>

namespace attune::testing {

// The i-th byte of a key that no compiler can write down in advance.
inline std::byte KeyByte(std::size_t i) {
  static volatile std::uint32_t seed = 0x9e3779b9;
  const std::uint32_t mixed = (seed + static_cast<std::uint32_t>(i)) * 0x85ebca6bu;
  return static_cast<std::byte>((mixed ^ (mixed >> 15)) >> 7);
}
inline void WriteKey(std::span<std::byte> out) {
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = KeyByte(i);
}

class MemoryScan {
 public:
  struct Mapping {
    std::uintptr_t begin = 0, end = 0;
    std::string name;
    bool readable = false;
    bool dumped = true;  // Part of a core dump.
  };

  // Where 16 bytes in a row of the 32-byte key lie: names of mappings, one a place.
  // Pages that a core dump leaves out count only if asked for.
  static std::vector<std::string> FindKey(bool also_undumped) {
    const int memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    if (memory < 0) return {"/proc/self/mem cannot be read"};
    void* buffer =
        mmap(nullptr, kBlock, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    std::vector<std::string> found;
    for (const Mapping& mapping : Mappings()) {
      if (!mapping.readable || !(mapping.dumped || also_undumped)) continue;
      // Copies of what was searched are no finds.
      const auto own = reinterpret_cast<std::uintptr_t>(buffer);
      if (mapping.begin < own + kBlock && own < mapping.end) {
        Search(memory, buffer, mapping.begin, own, mapping.name, &found);
        Search(memory, buffer, own + kBlock, mapping.end, mapping.name, &found);
      } else {
        Search(memory, buffer, mapping.begin, mapping.end, mapping.name, &found);
      }
    }
    munmap(buffer, kBlock);
    close(memory);
    return found;
  }

 private:
  static constexpr std::size_t kBlock = std::size_t{1} << 20;
  static constexpr std::size_t kRun = 16;

  static std::vector<Mapping> Mappings() {
    std::vector<Mapping> mappings;
    std::ifstream file("/proc/self/smaps");
    for (std::string line; std::getline(file, line);) {
      unsigned long begin = 0, end = 0;
      char mode[8] = {};
      if (std::sscanf(line.c_str(), "%lx-%lx %7s", &begin, &end, mode) == 3) {
        const std::size_t slash = line.find_first_of("/[", 40);
        mappings.push_back({begin, end,
                            slash == std::string::npos ? "anonymous" : line.substr(slash),
                            mode[0] == 'r', true});
      } else if (line.starts_with("VmFlags:") && !mappings.empty()) {
        mappings.back().dumped = line.find(" dd") == std::string::npos;
      }
    }
    return mappings;
  }

  static void Search(int memory, void* buffer, std::uintptr_t begin, std::uintptr_t end,
                     const std::string& name, std::vector<std::string>* found) {
    const auto* bytes = static_cast<const std::byte*>(buffer);
    while (begin + kRun <= end) {
      const std::size_t want = std::min<std::size_t>(kBlock, end - begin);
      const ssize_t got = pread(memory, buffer, want, static_cast<off_t>(begin));
      if (got < static_cast<ssize_t>(kRun)) return;  // [vvar] and the like.
      const auto size = static_cast<std::size_t>(got);
      for (std::size_t at = 0; at + kRun <= size; ++at) {
        if (IsKeyAt(bytes + at, 0) || IsKeyAt(bytes + at, kRun)) found->push_back(name);
      }
      begin += size == want && want == kBlock ? size - (kRun - 1) : size;
    }
  }
  static bool IsKeyAt(const std::byte* at, std::size_t from) {
    for (std::size_t i = 0; i < kRun; ++i) {
      if (at[i] != KeyByte(from + i)) return false;
    }
    return true;
  }
};

}  // namespace attune::testing
