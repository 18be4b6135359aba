#include "ane_framework/machine_front.h"

#include <openssl/sha.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "ane/device/errors.h"
#include "ane/device/target.h"
#include "ane/simulator/machine.h"
#include "ports/parallel.h"

#define EXPORTED __attribute__((visibility("default")))

namespace {

using attune::ane::DeviceError;
using attune::ane::Fault;
using attune::ane::Machine;
using attune::ane::MachineOptions;
using attune::ane::Stage;

constexpr int kStages = 6;

// One machine a process, as there is one a computer.
struct World {
  attune::SerialParallel parallel;
  MachineOptions options;
  std::unique_ptr<Machine> machine;
  std::string temporary_directory, processor, architecture;
  bool has_engine = true, empty_weights_fail = false;
  int64_t counts[FRONT_KINDS] = {};
  int64_t wrapper_compiles_left = 0;
  bool raises[kStages] = {}, kills[kStages] = {};
  std::set<std::string> hidden, dropped;
  std::map<std::string, int64_t> replaced;
  std::vector<Fault> faults;  // Of stages that the machine has no part in.
};

void Configure(const ane_standin_options& options, attune::ane::Chip chip, World* world);

// Of no particular making until a test makes one: for commands that only want a device.
World& TheWorld() {
  static World* const world = [] {
    auto* made = new World;
    ane_standin_options options = {};
    options.chip = "m4";
    options.os = 26;
    options.temporary_directory = std::getenv("TMPDIR");
    Configure(options, attune::ane::Chip::kM4, made);
    return made;
  }();
  return *world;
}

struct ProcessorName {
  const char* chip;
  const char* name;
};
constexpr ProcessorName kProcessors[] = {
    {"m1", "Apple M1"},           {"m2", "Apple M2"},
    {"m3-pro", "Apple M3 Pro"},   {"m3-ultra", "Apple M3 Ultra"},
    {"m4", "Apple M4"},           {"m4-max", "Apple M4 Max"},
    {"m5", "Apple M5"},           {"m5-max", "Apple M5 Max"},
    {"a17-pro", "Apple A17 Pro"}, {"a18-pro", "Apple A18 Pro"},
};

std::string ProcessorOf(const std::string& chip) {
  for (const ProcessorName& processor : kProcessors) {
    if (chip == processor.chip) return processor.name;
  }
  return "";
}

void Configure(const ane_standin_options& options, attune::ane::Chip chip, World* world) {
  world->machine.reset();
  world->options = MachineOptions{};
  world->options.target = {chip, options.os};
  if (options.max_programs > 0) world->options.max_programs = options.max_programs;
  world->wrapper_compiles_left =
      options.wrapper_compiles > 0 ? options.wrapper_compiles : std::numeric_limits<int64_t>::max();
  world->machine = std::make_unique<Machine>(world->options, &world->parallel);
  world->temporary_directory =
      options.temporary_directory == nullptr ? "/tmp" : options.temporary_directory;
  world->processor = options.processor == nullptr ? ProcessorOf(options.chip) : options.processor;
  world->architecture = options.architecture == nullptr
                            ? std::string(attune::ane::ArchitectureOf(chip))
                            : options.architecture;
  world->has_engine = options.no_engine == 0;
  world->empty_weights_fail = options.empty_weights_fail != 0;
  std::fill_n(world->counts, FRONT_KINDS, 0);
  std::fill_n(world->raises, kStages, false);
  std::fill_n(world->kills, kStages, false);
  world->hidden.clear();
  world->dropped.clear();
  world->replaced.clear();
  world->faults.clear();
}

void Copy(const std::string& from, char* to, std::size_t capacity) {
  const std::size_t length = std::min(from.size(), capacity - 1);
  std::memcpy(to, from.data(), length);
  to[length] = 0;
}

front_error ErrorOf(const std::optional<DeviceError>& error) {
  front_error out = {};
  if (!error) return out;
  out.failed = 1;
  out.code = error->code;
  out.status = error->status;
  Copy(error->domain, out.domain, sizeof out.domain);
  Copy(error->text, out.text, sizeof out.text);
  return out;
}

std::vector<std::span<std::byte>> SpansOf(const front_buffer* buffers, std::size_t count) {
  std::vector<std::span<std::byte>> spans;
  for (std::size_t i = 0; i < count; ++i) {
    spans.emplace_back(static_cast<std::byte*>(buffers[i].bytes), buffers[i].size);
  }
  return spans;
}

}  // namespace

// --- For tests ---

EXPORTED int ane_standin_configure(const ane_standin_options* options) {
  const auto chip = attune::ane::ParseChip(options->chip);
  if (!chip.ok()) return 0;
  Configure(*options, *chip, &TheWorld());
  return 1;
}

EXPORTED void ane_standin_inject(int stage, const char* domain, int64_t code, uint32_t status,
                                 const char* text, int64_t after, int64_t times) {
  Fault fault;
  fault.stage = static_cast<Stage>(stage);
  fault.after = after;
  fault.times = times;
  fault.error = {fault.stage, domain, code, status, text};
  if (fault.stage == Stage::kDescribe || fault.stage == Stage::kMap) {
    TheWorld().faults.push_back(fault);
  } else {
    TheWorld().machine->Inject(fault);
  }
}

EXPORTED void ane_standin_raise(int stage) { TheWorld().raises[stage] = true; }
EXPORTED void ane_standin_kill(int stage) { TheWorld().kills[stage] = true; }

EXPORTED void ane_standin_hide(const char* selector) {
  if (selector == nullptr) {
    TheWorld().hidden.clear();
  } else {
    TheWorld().hidden.insert(selector);
  }
}

EXPORTED void ane_standin_drop_attribute(const char* key) { TheWorld().dropped.insert(key); }
EXPORTED void ane_standin_replace_attribute(const char* key, int64_t value) {
  TheWorld().replaced[key] = value;
}
EXPORTED void ane_standin_restore_attributes() {
  TheWorld().dropped.clear();
  TheWorld().replaced.clear();
}

EXPORTED ane_standin_counts ane_standin_count() {
  const World& world = TheWorld();
  const attune::ane::DeviceCounters machine = world.machine->counters();
  ane_standin_counts counts = {};
  counts.programs = machine.programs;
  counts.compiles = machine.compiles;
  counts.loads = machine.loads;
  counts.unloads = machine.unloads;
  counts.evaluations = machine.evaluations;
  counts.descriptors = world.counts[FRONT_DESCRIPTOR];
  counts.models = world.counts[FRONT_MODEL];
  counts.requests = world.counts[FRONT_REQUEST];
  counts.surfaces = world.counts[FRONT_SURFACE];
  counts.surface_bytes = world.counts[FRONT_SURFACE_BYTES];
  counts.wrappers = world.counts[FRONT_WRAPPER];
  counts.locks = world.counts[FRONT_LOCK];
  counts.loose_permissions = world.counts[FRONT_LOOSE_PERMISSION];
  counts.objects = front_objects();
  return counts;
}

// --- For the classes ---

void front_count(front_kind kind, int64_t change) { TheWorld().counts[kind] += change; }
int front_os() { return TheWorld().options.target.os; }
const char* front_temporary_directory() { return TheWorld().temporary_directory.c_str(); }
const char* front_processor() { return TheWorld().processor.c_str(); }
const char* front_architecture() { return TheWorld().architecture.c_str(); }
int front_has_engine() { return TheWorld().has_engine ? 1 : 0; }
int front_empty_weights_fail() { return TheWorld().empty_weights_fail ? 1 : 0; }
int front_is_hidden(const char* selector) { return TheWorld().hidden.contains(selector) ? 1 : 0; }

int front_wrapper_compiles() { return TheWorld().wrapper_compiles_left-- > 0 ? 1 : 0; }

front_plan front_enter(int stage) {
  World& world = TheWorld();
  if (world.kills[stage]) std::raise(SIGKILL);
  if (!world.raises[stage]) return FRONT_GO_ON;
  world.raises[stage] = false;
  return FRONT_RAISE;
}

front_error front_fault(int stage) {
  for (Fault& fault : TheWorld().faults) {
    if (fault.stage != static_cast<Stage>(stage)) continue;
    if (fault.after-- > 0) continue;
    if (fault.times-- > 0) return ErrorOf(fault.error);
  }
  return {};
}

int front_attribute(const char* key, int64_t* value) {
  const World& world = TheWorld();
  const auto found = world.replaced.find(key);
  *value = found == world.replaced.end() ? 0 : found->second;
  return world.dropped.contains(key) ? 0 : 1;
}

void front_hash(const void* bytes, size_t size, char digits[65]) {
  unsigned char hash[SHA256_DIGEST_LENGTH];
  SHA256(static_cast<const unsigned char*>(bytes), size, hash);
  for (std::size_t i = 0; i < sizeof hash; ++i) {
    digits[2 * i] = "0123456789abcdef"[hash[i] >> 4];
    digits[2 * i + 1] = "0123456789abcdef"[hash[i] & 15];
  }
  digits[64] = 0;
}

front_error front_compile(const char* identity, const void* mil, size_t size,
                          const front_file* files, size_t count) {
  std::map<std::string, std::vector<std::byte>> weights;
  for (std::size_t i = 0; i < count; ++i) {
    const auto* bytes = static_cast<const std::byte*>(files[i].bytes);
    weights[files[i].path] = std::vector<std::byte>(bytes, bytes + files[i].size);
  }
  return ErrorOf(TheWorld().machine->Compile(
      identity, std::string_view(static_cast<const char*>(mil), size), weights));
}

int front_is_compiled(const char* identity) {
  return TheWorld().machine->IsCompiled(identity) ? 1 : 0;
}
void front_purge(const char* identity) { TheWorld().machine->Purge(identity); }

front_error front_load(const char* identity, int64_t* handle) {
  return ErrorOf(TheWorld().machine->Load(identity, handle));
}
front_error front_unload(int64_t handle) { return ErrorOf(TheWorld().machine->Unload(handle)); }
int64_t front_procedures(int64_t handle) { return TheWorld().machine->procedures(handle); }

size_t front_symbols(int64_t handle, int64_t procedure, int outputs, front_symbol* symbols,
                     size_t capacity) {
  const attune::ane::Symbols all = TheWorld().machine->symbols(handle, procedure);
  // By ElementType.
  static constexpr const char* kTypes[] = {"Float16", "Float32", "Int8", "UInt8", "Int32"};
  const std::vector<attune::ane::SymbolLayout>& side = outputs != 0 ? all.outputs : all.inputs;
  for (std::size_t i = 0; i < std::min(side.size(), capacity); ++i) {
    const attune::ane::SymbolLayout& layout = side[i];
    const std::int64_t channels = layout.channels / layout.batches;
    symbols[i] = {.name = {},
                  .type = kTypes[static_cast<std::size_t>(layout.element)],
                  .batches = layout.batches,
                  .channels = channels,
                  .height = layout.height,
                  .width = layout.width,
                  .row_stride = layout.row_stride,
                  .plane_stride = layout.plane_stride,
                  .batch_stride = std::max(layout.batch_stride, layout.plane_stride * channels)};
    Copy(layout.name, symbols[i].name, sizeof symbols[i].name);
  }
  return side.size();
}

front_error front_evaluate(int64_t handle, int64_t procedure, const front_buffer* inputs,
                           size_t input_count, const front_buffer* outputs, size_t output_count) {
  return ErrorOf(TheWorld().machine->Evaluate(handle, procedure, SpansOf(inputs, input_count),
                                              SpansOf(outputs, output_count)));
}
