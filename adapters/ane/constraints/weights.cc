// Which weights a program refers to: what its text alone tells.

#include <algorithm>
#include <map>
#include <set>
#include <string>

#include "ane/constraints/reading.h"
#include "ane/mil/blob.h"
#include "base/strings.h"

namespace attune::ane {
namespace {

constexpr std::size_t kMaxWeights = 16;
constexpr std::uint64_t kFourGib = std::uint64_t{4} << 30;

using Place = std::pair<std::string_view, std::uint64_t>;
Place PlaceOf(const BlobUse& use) { return {use.blob->path, use.blob->offset}; }

// Weights that lie at the same place count once: programs with many times 16
// references to one record compile.
std::size_t CountWeights(const FunctionReading& function) {
  std::set<Place> places;
  for (const BlobUse& use : function.blobs()) places.insert(PlaceOf(use));
  return places.size();
}

void CheckSixteen(const Reading& reading, Findings* found) {
  for (const FunctionReading& function : reading.functions()) {
    std::set<Place> places;
    for (const BlobUse& use : function.blobs()) {
      if (!places.insert(PlaceOf(use)).second || places.size() != kMaxWeights + 1) continue;
      found->Add(use.at, StrCat(Shown(function.function().name), " has ", CountWeights(function),
                                " weight tensors, at most ", kMaxWeights,
                                "; concatenate some by rows or split the program"));
    }
  }
}

// An add, mul or pow with a number: all of those together take one slot.
const mil::Statement* FirstScalarOperation(const FunctionReading& function) {
  for (const mil::Statement& statement : function.function().body) {
    if (statement.op != "add" && statement.op != "mul" && statement.op != "pow") continue;
    for (const std::string_view key : {"x", "y"}) {
      const mil::Literal* literal = function.LiteralOf(statement, key);
      const bool number = literal != nullptr &&
                          std::holds_alternative<std::vector<double>>(literal->data) &&
                          literal->type.elements() == 1;
      if (number) return &statement;
    }
  }
  return nullptr;
}

void CheckScalarSlot(const Reading& reading, Findings* found) {
  for (const FunctionReading& function : reading.functions()) {
    const mil::Statement* scalar = FirstScalarOperation(function);
    if (scalar == nullptr || CountWeights(function) != kMaxWeights) continue;
    found->Add(scalar->at,
               StrCat(Shown(*scalar), " with a number leaves room for ", kMaxWeights - 1,
                      " weight tensors, ", Shown(function.function().name), " has ", kMaxWeights,
                      "; fold the number into a weight"));
  }
}

// Files with the same bytes have the same hash, so their order does not matter.
bool Differ(const WeightFiles* files, std::string_view left, std::string_view right) {
  if (left == right) return false;
  if (files == nullptr) return true;
  const auto a = files->find(left), b = files->find(right);
  if (a == files->end() || b == files->end()) return true;
  return !std::equal(a->second.begin(), a->second.end(), b->second.begin(), b->second.end());
}

void CheckOneFile(const Reading& reading, Findings* found) {
  const BlobUse* first = nullptr;
  for (const FunctionReading& function : reading.functions()) {
    for (const BlobUse& use : function.blobs()) {
      if (first == nullptr) first = &use;
      if (!Differ(reading.weights(), first->blob->path, use.blob->path)) continue;
      // One finding is enough: the whole program is refused.
      return found->Add(
          use.at, StrCat("weights in ", Shown(use.blob->path), " and in ", Shown(first->blob->path),
                         ": more than one weight file fails verification; put all "
                         "records into one"));
    }
  }
}

void CheckPath(const Reading& reading, Findings* found) {
  constexpr std::string_view kRoot = "@model_path/";
  for (const FunctionReading& function : reading.functions()) {
    for (const BlobUse& use : function.blobs()) {
      const std::string_view path = use.blob->path;
      const bool inside = path.starts_with(kRoot) && path.size() > kRoot.size() &&
                          path.find("/../") == std::string_view::npos && !path.ends_with("/..");
      if (inside) continue;
      found->Add(use.at, StrCat("weights in ", Shown(path), "; paths begin with ", kRoot,
                                " and stay below it"));
    }
  }
}

void CheckFourGib(const Reading& reading, Findings* found) {
  for (const FunctionReading& function : reading.functions()) {
    for (const BlobUse& use : function.blobs()) {
      if (use.blob->offset < kFourGib - mil::kBlobAlignment) continue;
      found->Add(use.at, StrCat("weights at ", use.blob->offset, ", offsets are read as 32 bits (",
                                kFourGib, "); split the program"));
    }
  }
}

// All weights of a program are mapped at once.
void CheckWindow(const Reading& reading, Findings* found) {
  std::map<Place, double> bytes;
  double total = 0;
  for (const FunctionReading& function : reading.functions()) {
    for (const BlobUse& use : function.blobs()) {
      const double size =
          static_cast<double>(use.type->elements()) * mil::BitsOf(use.type->dtype) / 8;
      double& known = bytes[PlaceOf(use)];
      total += std::max(known, size) - known;
      known = std::max(known, size);
      if (total <= static_cast<double>(kFourGib)) continue;
      return found->Add(use.at, StrCat("weights of more than ", kFourGib,
                                       " bytes in one program, which is all that an engine maps; "
                                       "split it"));
    }
  }
}

constexpr Constraint kConstraints[] = {
    {"weights.sixteen", Severity::kCompile,
     "A function has at most 16 weight tensors of its own, whatever their size.",
     "M4 Max, macOS 15 and 26; M5 Max; three sources", Everywhere, CheckSixteen},
    {"weights.scalar_slot", Severity::kCompile,
     "An add, mul or pow with a number takes one of the 16 weights away.",
     "M4 Max, macOS 26; one source", Everywhere, CheckScalarSlot},
    {"weights.one_file", Severity::kCompile, "All weights of a program lie in one file.",
     "macOS 27, every chip tried; four sources", FromMacOs27, CheckOneFile},
    {"weights.path", Severity::kCompile,
     "Paths of weight files begin with @model_path/ and stay below it.",
     "every working program; the in-memory route writes them there", Everywhere, CheckPath},
    {"weights.offset_32bit", Severity::kSilent, "Weights lie below 4 GiB of their file.",
     "M5 Max; one careful source", Everywhere, CheckFourGib},
    {"weights.window", Severity::kLoad, "The weights of a program fit in 4 GiB.",
     "M3 Max, M1 Ultra (there 1 GiB is safe); a shipping product", Everywhere, CheckWindow},
};

}  // namespace

std::span<const Constraint> WeightConstraints() { return kConstraints; }

}  // namespace attune::ane
