// Chips, systems, and frameworks that lack something.

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "contract/ane_driver/driver_world.h"

namespace attune::ane::testing {
namespace {

TEST(AneDriverSystems, KnowsEveryChipByTheNameOfItsProcessor) {
  for (const Chip chip : AllChips()) {
    const std::string name(ChipName(chip));
    SCOPED_TRACE(name);
    DriverWorld world(Route::kInMemory, name);
    auto device = world.Open();
    ASSERT_OK(device);
    EXPECT_EQ((*device)->target(), (Target{chip, 26}));
    EXPECT_EQ((*device)->name(), "ane");
    EXPECT_EQ((*device)->element(), ElementType::kF16);
  }
}

struct Machine {
  const char* processor;
  const char* architecture;
  int os;
  StatusCode expected;
  Chip chip;
};
constexpr Machine kMachines[] = {
    {"Apple M1 Ultra", "", 15, StatusCode::kOk, Chip::kM1},
    {"Apple M2 Pro", "", 26, StatusCode::kOk, Chip::kM2},
    {"Apple M3", "", 26, StatusCode::kOk, Chip::kM3Pro},
    {"Apple M3 Max", "", 26, StatusCode::kOk, Chip::kM3Pro},
    {"Apple M4 Pro", "", 26, StatusCode::kOk, Chip::kM4},
    {"Apple M5 Pro", "", 27, StatusCode::kOk, Chip::kM5},
    // Without a name the architecture tells; where it is known, the name goes before it.
    {"", "h16g", 26, StatusCode::kOk, Chip::kM4},
    {"", "h13g", 26, StatusCode::kOk, Chip::kM1},
    {"Apple M4", "h13g", 26, StatusCode::kOk, Chip::kM4},
    {"Apple M4", "h16g", 28, StatusCode::kOk, Chip::kM4},
    {"Apple M17", "h99g", 27, StatusCode::kUnsupported, Chip::kM4},
    {"", "", 27, StatusCode::kUnsupported, Chip::kM4},
    {"Apple M4", "h16g", 14, StatusCode::kUnsupported, Chip::kM4},
};

TEST(AneDriverSystems, TellsMachinesApartAndRefusesThoseItDoesNotKnow) {
  for (const Machine& machine : kMachines) {
    SCOPED_TRACE(StrCat("'", machine.processor, "', ", machine.architecture, ", ", machine.os));
    DriverWorld world;
    world.machine.processor = machine.processor;
    world.machine.architecture = machine.architecture;
    world.machine.os = machine.os;
    world.Configure();
    auto device = world.Open();
    EXPECT_EQ(device.status().code(), machine.expected) << device.status().ToString();
    if (device.ok()) {
      EXPECT_EQ((*device)->target(), (Target{machine.chip, machine.os}));
    }
  }
}

TEST(AneDriverSystems, AMachineWithoutAnEngineIsUnavailable) {
  DriverWorld world;
  world.machine.no_engine = 1;
  world.Configure();
  EXPECT_EQ(world.Open().status().code(), StatusCode::kUnavailable);
}

TEST(AneDriverSystems, ALibraryThatIsNotThereIsUnavailableAndNamedWithoutItsPath) {
  DriverWorld world;
  world.options.framework = "/nowhere/libnothing.so";
  const Status status = world.Open().status();
  EXPECT_EQ(status.code(), StatusCode::kUnavailable);
  EXPECT_NE(status.message().find("libnothing.so"), std::string::npos) << status.message();
  EXPECT_EQ(status.message().find("/nowhere"), std::string::npos) << status.message();
  world.options.framework = "libm.so.6";
  EXPECT_EQ(world.Open().status().code(), StatusCode::kUnavailable);
}

// What each route cannot do without.
constexpr const char* kNeeded[] = {
    "modelWithMILText:weights:optionsPlist:",
    "inMemoryModelWithDescriptor:",
    "hexStringIdentifier",
    "objectWithIOSurface:",
    "modelAttributes",
    "requestWithInputs:inputIndices:outputs:outputIndices:weightsBuffer:perfStats:procedureIndex:",
};
constexpr const char* kNeededInMemory[] = {
    "compileWithQoS:options:error:", "loadWithQoS:options:error:",
    "evaluateWithQoS:options:request:error:", "unloadWithQoS:error:", "model"};
constexpr const char* kNeededByClient[] = {"modelAtURL:key:",
                                           "sharedConnection",
                                           "compileModel:options:qos:error:",
                                           "loadModel:options:qos:error:",
                                           "evaluateWithModel:options:request:qos:error:",
                                           "unloadModel:options:qos:error:"};

void ExpectRefusedWithout(Route route, const char* selector, bool needed) {
  SCOPED_TRACE(StrCat(RouteName(route), " without ", selector));
  DriverWorld world(route);
  ane_standin_hide(selector);
  auto device = world.Open();
  if (!needed) {
    EXPECT_OK(device);
    if (device.ok()) EXPECT_OK(RunOnce(device->get(), LoraLinear()));
    return;
  }
  EXPECT_EQ(device.status().code(), StatusCode::kUnsupported);
  EXPECT_NE(device.status().message().find(selector), std::string::npos)
      << device.status().message();
}

TEST(AneDriverSystems, ASelectorThatIsMissingIsNamedBeforeAnythingIsSent) {
  for (const Route route : kRoutes) {
    for (const char* selector : kNeeded) ExpectRefusedWithout(route, selector, true);
    for (const char* selector : kNeededInMemory) {
      ExpectRefusedWithout(route, selector, route == Route::kInMemory);
    }
    for (const char* selector : kNeededByClient) {
      ExpectRefusedWithout(route, selector, route == Route::kClient);
    }
    // Of use, but not needed.
    for (const char* selector :
         {"compiledModelExists", "compiledModelExistsFor:", "setDescriptor:", "hasANE",
          "aneArchitectureType", "inputSymbolIndicesForProcedureIndex:"}) {
      ExpectRefusedWithout(route, selector, false);
    }
  }
}

TEST(AneDriverSystems, AttributesThatAreMissingOrWrongAreNamedAndNothingStaysLoaded) {
  struct Damage {
    const char* key;
    std::int64_t value;  // 0: left out; -1: a text.
  };
  constexpr Damage kDamages[] = {
      {"ANEFModelDescription", 0},
      {"NetworkStatusList", 0},
      {"kANEFModelInputSymbolsArrayKey", 0},
      {"kANEFModelOutputSymbolsArrayKey", 0},
      {"kANEFModelInputSymbolsArrayKey", -1},
      {"LiveInputList", 0},
      {"LiveOutputList", -1},
      {"Type", 0},
      {"Type", 7},
      {"Channels", 0},
      {"Channels", -1},
      {"Height", 100000},
      {"Width", -5},
      {"Width", 60000},
      {"RowStride", -1},
      {"RowStride", 2},
      {"PlaneStride", -1},
      {"PlaneStride", 2},
      {"PlaneStride", std::int64_t{1} << 31},
      {"BatchStride", -7},
      {"Depth", 2},
      {"Batches", 2},
      {"Interleave", 4},
      {"ANEFModelInputSymbolIndexArray", 5},
  };
  for (const Route route : kRoutes) {
    for (const Damage& damage : kDamages) {
      SCOPED_TRACE(StrCat(RouteName(route), ", ", damage.key, " as ", damage.value));
      DriverWorld world(route);
      auto device = world.Open();
      ASSERT_OK(device);
      ane_standin_hide("inputSymbolIndicesForProcedureIndex:");
      if (damage.value == 0) {
        ane_standin_drop_attribute(damage.key);
      } else {
        ane_standin_replace_attribute(damage.key, damage.value);
      }
      const Status status = RunOnce(device->get(), LoraLinear());
      EXPECT_EQ(status.code(), StatusCode::kUnsupported) << status.ToString();
      world.ExpectNothingLeft();
      EXPECT_EQ((*device)->counters().programs, 0);
      EXPECT_EQ((*device)->counters().unloads, 1);
    }
  }
}

TEST(AneDriverSystems, IndicesComeFromTheModelWhereTheTableLacksThem) {
  for (const Route route : kRoutes) {
    SCOPED_TRACE(RouteName(route));
    DriverWorld world(route);
    auto device = world.Open();
    ASSERT_OK(device);
    ane_standin_drop_attribute("ANEFModelInputSymbolIndexArray");
    ane_standin_drop_attribute("ANEFModelOutputSymbolIndexArray");
    ane_standin_drop_attribute("Symbol");
    for (const char* optional : {"Depth", "Batches", "Interleave", "BatchStride"}) {
      ane_standin_drop_attribute(optional);
    }
    EXPECT_OK(RunOnce(device->get(), LoraLinear()));
    EXPECT_OK(RunOnce(device->get(), TwoOutputs()));
  }
}

// Strides can be left out where they can only be one thing.
TEST(AneDriverSystems, StridesThatAreNotToldAreThoseOfDenseRowsOrUnknown) {
  DriverWorld world(Route::kInMemory, "m4", 15);
  auto device = world.Open();
  ASSERT_OK(device);
  for (const char* key : {"RowStride", "PlaneStride", "BatchStride"}) {
    ane_standin_drop_attribute(key);
  }
  auto program = (*device)->Load(LoraLinear().image);
  ASSERT_OK(program);
  EXPECT_EQ((*program)->inputs()[1].row_stride, 2 * (*program)->inputs()[1].width);
  EXPECT_EQ((*program)->inputs()[1].plane_stride, (*program)->inputs()[1].row_stride);
  ane_standin_replace_attribute("Width", 40);
  const Status unknown = (*device)->Load(LoraLinear().image).status();
  EXPECT_EQ(unknown.code(), StatusCode::kUnsupported);
  EXPECT_NE(unknown.message().find("RowStride"), std::string::npos) << unknown.message();
}

// A batch may take more than its planes.
TEST(AneDriverSystems, TheBatchStrideCountsInASurfacesSize) {
  DriverWorld world;
  auto device = world.Open();
  ASSERT_OK(device);
  ane_standin_replace_attribute("BatchStride", 65536);
  auto program = (*device)->Load(LoraLinear().image);
  ASSERT_OK(program);
  for (const SymbolLayout& layout : (*program)->inputs()) EXPECT_EQ(layout.bytes(), 65536);
  Bench bench(device->get(), program->get(), 1);
  EXPECT_OK(bench.bound());
  EXPECT_OK((*program)->Evaluate());
}

// Programs by others take and give integers.
TEST(AneDriverSystems, IntegerSurfacesAreReadAsTheirTypes) {
  const std::pair<std::string, ElementType> types[] = {
      {"int8", ElementType::kI8}, {"uint8", ElementType::kU8}, {"int32", ElementType::kI32}};
  for (const auto& [name, element] : types) {
    SCOPED_TRACE(name);
    DriverWorld world;
    auto device = world.Open();
    ASSERT_OK(device);
    const std::string type = StrCat("tensor<", name, ", [1,2,1,64]> ");
    const std::string mil = StrCat(
        "program(1.3)\n[buildInfo = dict<string, string>({{\"coremlc-version\", "
        "\"3505.4.1\"}})]\n{\n"
        "func main<ios18>(",
        type, "x) { ", type, "y = maximum(x = x, y = x); } -> (y);\n}\n");
    auto program = (*device)->Load({.mil = mil, .weights = {}});
    ASSERT_OK(program);
    ASSERT_EQ((*program)->inputs().size(), 1u);
    EXPECT_EQ((*program)->inputs()[0].element, element);
    EXPECT_EQ((*program)->outputs()[0].element, element);
  }
}

// Systems disagree on how a program says that it has no weights.
TEST(AneDriverSystems, AProgramWithoutWeightsLoadsWhicheverWayTheSystemWantsIt) {
  for (const char* chip : {"m1", "m4"}) {
    for (const int empty_weights_fail : {0, 1}) {
      SCOPED_TRACE(StrCat(chip, ", ", empty_weights_fail));
      DriverWorld world(Route::kInMemory, chip);
      world.machine.empty_weights_fail = empty_weights_fail;
      world.Configure();
      auto device = world.Open();
      ASSERT_OK(device);
      EXPECT_OK(RunOnce(device->get(), Numbered(1)));
      EXPECT_OK(RunOnce(device->get(), LoraLinear()));
    }
  }
}

// The wrapper of old systems leaks until it refuses; the other route has no wrapper.
TEST(AneDriverSystems, TheWrappersOwnLimitIsReportedAndTheClientHasNone) {
  for (const Route route : kRoutes) {
    SCOPED_TRACE(RouteName(route));
    DriverWorld world(route, "m4", 15);
    world.machine.wrapper_compiles = 3;
    world.Configure();
    auto device = world.Open();
    ASSERT_OK(device);
    for (int i = 0; i < 3; ++i) EXPECT_OK(RunOnce(device->get(), Numbered(i)));
    EXPECT_EQ(RunOnce(device->get(), Numbered(3)).ok(), route == Route::kClient);
  }
}

}  // namespace
}  // namespace attune::ane::testing
