// Files that are not what they should be: one line that names the file and both
// numbers, exit code 2, nothing written.

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "e2e/cli/command.h"
#include "posix/posix_file_system.h"
#include "support/safetensors_bytes.h"
#include "support/tiny_language_model.h"

namespace attune::testing {
namespace {

constexpr const char* kSecret = "xyzzyplugh";

struct BadInput {
  const char* name;
  // Spoils the files of a good model directory, or the data "data/notes...".
  std::function<void(const std::string& model, const std::string& data)> spoil;
  const char* data;                   // Name of the data file given.
  std::vector<std::string> expected;  // In the message.
};

std::string Replaced(std::string text, const std::string& from, const std::string& to) {
  const auto at = text.find(from);
  EXPECT_NE(at, std::string::npos) << "the fixture has no " << from;
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

void Edit(const std::string& path, const std::string& from, const std::string& to) {
  PutFile(path, Replaced(FileBytes(path), from, to));
}

// A safetensors file of two tensors with the given header entries and 16 bytes.
void PutTensors(const std::string& model, const std::string& a, const std::string& b) {
  PutFile(model + "/model.safetensors",
          SafetensorsBytes("{\"a\":{" + a + "},\"b\":{" + b + "}}", std::string(16, '\1')));
}

std::string Llama2cHeader(const std::vector<std::uint32_t>& fields) {
  std::string bytes;
  for (const std::uint32_t field : fields) bytes += LittleEndian32(field);
  return bytes;
}

std::vector<BadInput> Cases() {
  const auto weights = [](const std::string& model) { return model + "/model.safetensors"; };
  return {
      {"TruncatedTensors",
       [=](const auto& model, const auto&) {
         const std::string bytes = FileBytes(weights(model));
         PutFile(weights(model), bytes.substr(0, bytes.size() - 100));
       },
       "notes.txt",
       {"model.safetensors", "tensors cover", "the file has"}},
      {"TensorsOfFourBytes",
       [=](const auto& model, const auto&) { PutFile(weights(model), "abcd"); },
       "notes.txt",
       {"model.safetensors", "4 bytes", "at least 8"}},
      {"OversizedHeader",
       [=](const auto& model, const auto&) {
         const std::string bytes = FileBytes(weights(model));
         PutFile(weights(model), LittleEndian64(std::uint64_t{1} << 60) + bytes.substr(8));
       },
       "notes.txt",
       {"model.safetensors", "1152921504606846976", "100000000"}},
      {"OverlappingTensors",
       [](const auto& model, const auto&) {
         PutTensors(model, R"("dtype":"F32","shape":[3],"data_offsets":[0,12])",
                    R"("dtype":"F32","shape":[2],"data_offsets":[8,16])");
       },
       "notes.txt",
       {"model.safetensors", "'b'", "8", "12"}},
      {"TensorOfAnotherSizeThanItsType",
       [](const auto& model, const auto&) {
         PutTensors(model, R"("dtype":"F64","shape":[2],"data_offsets":[0,8])",
                    R"("dtype":"F32","shape":[2],"data_offsets":[8,16])");
       },
       "notes.txt",
       {"model.safetensors", "'a'", "takes 16 bytes", "8"}},
      {"IntegerWeights",
       [=](const auto& model, const auto&) { Edit(weights(model), "\"F32\"", "\"I32\""); },
       "notes.txt",
       {"1 tensors do not fit", "i32"}},
      {"LayersThatTheConfigurationDoesNotHave",
       [](const auto& model, const auto&) {
         Edit(model + "/config.json", "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 1");
       },
       "notes.txt",
       {"9 tensors do not fit", "model.layers.1"}},
      {"ConfigurationCutShort",
       [](const auto& model, const auto&) {
         PutFile(model + "/config.json", "{\"model_type\": \"llama\", ");
       },
       "notes.txt",
       {"config.json", "byte 24 of 24"}},
      {"NegativeWidth",
       [](const auto& model, const auto&) {
         Edit(model + "/config.json", "\"hidden_size\": 32", "\"hidden_size\": -5");
       },
       "notes.txt",
       {"config.json", "hidden_size", "-5", "262144"}},
      {"TokenizerCutShort",
       [](const auto& model, const auto&) { PutFile(model + "/tokenizer.json", "{\"model\": "); },
       "notes.txt",
       {"tokenizer.json", "byte 10 of 10"}},
      {"NoTokenizer",
       [](const auto& model, const auto&) { std::filesystem::remove(model + "/tokenizer.json"); },
       "notes.txt",
       {"model"}},
      {"NoConfiguration",
       [](const auto& model, const auto&) { std::filesystem::remove(model + "/config.json"); },
       "notes.txt",
       {"config.json"}},
      {"NoWeights",
       [=](const auto& model, const auto&) { std::filesystem::remove(weights(model)); },
       "notes.txt",
       {"model"}},
      {"JsonLineThatIsNoJson",
       [](const auto&, const auto& data) {
         PutFile(data + "/notes.jsonl",
                 std::string("{\"text\": \"fine\"}\n{\"text\": ") + kSecret + "}\n");
       },
       "notes.jsonl",
       {"notes.jsonl", "line 2", "byte 10 of 20"}},
      {"RowWithTooFewColumns",
       [](const auto&, const auto& data) {
         PutFile(data + "/notes.tsv", std::string("2025-01-01\t") + kSecret + "\n");
       },
       "notes.tsv",
       {"notes.tsv", "line 1", "2 columns", "3"}},
      {"EmptyData",
       [](const auto&, const auto& data) { PutFile(data + "/empty.txt", ""); },
       "empty.txt",
       {"empty.txt", "0 messages in 0 bytes", "1 needed"}},
      {"NoData", [](const auto&, const auto&) {}, "absent.txt", {"absent.txt"}},
      {"DataThatIsADirectory",
       [](const auto&, const auto& data) { std::filesystem::create_directory(data + "/folder"); },
       "folder",
       {"folder"}},
  };
}

class BadInputTest : public ::testing::TestWithParam<BadInput> {};

TEST_P(BadInputTest, IsOneLineAndNothingIsWritten) {
  const TemporaryDirectory directory;
  PosixFileSystem files;
  const std::string model = directory / "model", data = directory / "data";
  WriteTinyModel(files, model);
  ASSERT_TRUE(std::filesystem::create_directory(data));
  PutFile(data + "/notes.txt", TinyMessages(20));
  GetParam().spoil(model, data);
  const auto before = Snapshot(directory.path());

  const CommandResult result =
      RunAttune({"train", "--model", model, "--data", data + "/" + GetParam().data, "--out",
                 directory / "out", "--steps", "1"});
  ExpectOneLineError(result, 2, "attune: train: ");
  for (const std::string& expected : GetParam().expected) {
    EXPECT_NE(result.err.find(expected), std::string::npos) << expected << "\n" << result.err;
  }
  EXPECT_EQ(result.err.find(kSecret), std::string::npos) << "shows what the user wrote";
  EXPECT_EQ(result.err.find(directory.path()), std::string::npos) << "shows a full path";
  EXPECT_EQ(Snapshot(directory.path()), before);
}

INSTANTIATE_TEST_SUITE_P(Files, BadInputTest, ::testing::ValuesIn(Cases()),
                         [](const auto& test) { return std::string(test.param.name); });

// --- llama2.c ---

TEST(BadLlama2c, HeaderThatPromisesMoreThanTheFileHas) {
  const TemporaryDirectory directory;
  PutFile(directory / "lying.bin",
          Llama2cHeader({64, 172, 5, 8, 4, 512, 512}) + std::string(1000, '\0'));
  const CommandResult result = RunAttune({"inspect", directory / "lying.bin"});
  ExpectOneLineError(result, 2, "attune: inspect: lying.bin: ");
  EXPECT_NE(result.err.find("1028 bytes"), std::string::npos) << result.err;
  EXPECT_NE(result.err.find("1056540"), std::string::npos) << result.err;
}

TEST(BadLlama2c, HeaderOfNegativeWidth) {
  const TemporaryDirectory directory;
  PutFile(directory / "negative.bin",
          Llama2cHeader({0xffffffc0u, 172, 5, 8, 4, 512, 512}) + std::string(1000, '\0'));
  const CommandResult result = RunAttune({"inspect", directory / "negative.bin"});
  ExpectOneLineError(result, 2, "attune: inspect: negative.bin: ");
  EXPECT_NE(result.err.find("-64"), std::string::npos) << result.err;
}

// --- adapters ---

TEST(BadAdapter, IsRefusedByTheModelItDoesNotFit) {
  const TemporaryDirectory directory;
  PosixFileSystem files;
  WriteTinyModel(files, directory / "model");
  const CommandResult result =
      RunAttune({"suggest", "--model", directory / "model", "--prefix", kSecret, "--adapter",
                 std::string(ATTUNE_SOURCE_DIR) + "/tests/golden/models/llama/adapter"});
  ExpectOneLineError(result, 2, "attune: suggest: adapter: ");
  EXPECT_NE(result.err.find("the model's 32"), std::string::npos) << result.err;
  EXPECT_EQ(result.err.find(kSecret), std::string::npos) << "shows what the user wrote";
}

TEST(BadAdapter, IsNotThere) {
  const TemporaryDirectory directory;
  PosixFileSystem files;
  WriteTinyModel(files, directory / "model");
  const CommandResult result = RunAttune({"suggest", "--model", directory / "model", "--prefix",
                                          "a", "--adapter", directory / "none"});
  ExpectOneLineError(result, 2, "attune: suggest: adapter_config.json: ");
}

// --- memory ---

TEST(MemoryBudget, IsRefusedWithBothNumbersAndItsOwnExitCode) {
  const TemporaryDirectory directory;
  PosixFileSystem files;
  WriteTinyModel(files, directory / "model");
  PutFile(directory / "notes.txt", TinyMessages(20));
  const auto before = Snapshot(directory.path());
  const CommandResult result =
      RunAttune({"train", "--model", directory / "model", "--data", directory / "notes.txt",
                 "--out", directory / "out", "--memory-budget", "0.01"});
  ExpectOneLineError(result, 3, "attune: train: ");
  EXPECT_NE(result.err.find("budget is 10486"), std::string::npos) << result.err;
  EXPECT_EQ(Snapshot(directory.path()), before);
}

}  // namespace
}  // namespace attune::testing
