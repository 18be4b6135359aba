// A device in memory whose programs are lines of text, so that the runtime can be
// tested without compiler and simulator:
//
//   in s0 64 32      an input of 64 channels, 32 wide
//   out s2 64 32
//   add s0 s1 s2     s2 = s0 + s1, element by element
//   double s0 s2     s2 = 2 s0

#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "ane/device/device.h"
#include "ane/runtime/transfers.h"
#include "base/strings.h"

namespace attune::ane::testing {

class FakeSurface final : public Surface {
 public:
  FakeSurface(std::int64_t bytes, DeviceCounters* counters)
      : bytes_(static_cast<std::size_t>(bytes)), counters_(counters) {
    ++counters_->surfaces;
    counters_->surface_bytes += bytes;
  }
  ~FakeSurface() override {
    --counters_->surfaces;
    counters_->surface_bytes -= bytes();
  }
  std::int64_t bytes() const override { return static_cast<std::int64_t>(bytes_.size()); }
  Result<std::span<std::byte>> Lock(bool) override {
    if (std::exchange(locked_, true)) return Internal("locked twice");
    return std::span(bytes_);
  }
  void Unlock() override { locked_ = false; }

 private:
  std::vector<std::byte> bytes_;
  DeviceCounters* counters_;
  bool locked_ = false;
};

class FakeDevice final : public Device {
 public:
  explicit FakeDevice(ElementType element = ElementType::kF16) : element_(element) {}

  // Errors that the next calls give, first come first served.
  std::deque<Status> load_errors, evaluate_errors;
  std::function<void()> on_evaluate = [] {};
  std::int64_t max_programs = 127;
  std::int64_t extra_stride = 0;  // Bytes between planes besides what they need.

  std::string_view name() const override { return "fake"; }
  const Target& target() const override { return target_; }
  ElementType element() const override { return element_; }
  DeviceCounters counters() const override { return counters_; }

  Result<std::unique_ptr<Surface>> Allocate(std::int64_t bytes) override {
    return std::unique_ptr<Surface>(std::make_unique<FakeSurface>(bytes, &counters_));
  }

  Result<std::unique_ptr<DeviceProgram>> Load(const ProgramImage& image) override {
    if (!load_errors.empty()) return Next(&load_errors);
    if (counters_.programs >= max_programs) {
      return ResourceExhausted(StrCat(counters_.programs, " programs of ", max_programs));
    }
    ++counters_.compiles;
    ++counters_.loads;
    ++counters_.programs;
    return std::unique_ptr<DeviceProgram>(std::make_unique<Program>(this, image.mil));
  }

 private:
  class Program final : public DeviceProgram {
   public:
    Program(FakeDevice* device, const std::string& text) : device_(device) {
      std::istringstream lines(text);
      for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::vector<std::string> parts;
        for (std::string word; words >> word;) parts.push_back(word);
        if (parts.empty()) continue;
        if (parts[0] == "in") inputs_.push_back(device->Symbol(parts));
        if (parts[0] == "out") outputs_.push_back(device->Symbol(parts));
        if (parts[0] == "add" || parts[0] == "double") lines_.push_back(parts);
      }
      const auto by_name = [](const SymbolLayout& a, const SymbolLayout& b) {
        return a.name < b.name;
      };
      std::sort(inputs_.begin(), inputs_.end(), by_name);
      std::sort(outputs_.begin(), outputs_.end(), by_name);
    }
    ~Program() override {
      --device_->counters_.programs;
      ++device_->counters_.unloads;
    }

    const std::vector<SymbolLayout>& inputs() const override { return inputs_; }
    const std::vector<SymbolLayout>& outputs() const override { return outputs_; }

    Status Bind(std::span<Surface* const> inputs, std::span<Surface* const> outputs) override {
      if (inputs.size() != inputs_.size() || outputs.size() != outputs_.size()) {
        return InvalidArgument("the wrong number of surfaces");
      }
      for (std::size_t i = 0; i < inputs.size(); ++i) bound_[inputs_[i].name] = inputs[i];
      for (std::size_t i = 0; i < outputs.size(); ++i) bound_[outputs_[i].name] = outputs[i];
      return OkStatus();
    }

    Status Evaluate() override {
      if (!device_->evaluate_errors.empty()) return Next(&device_->evaluate_errors);
      if (bound_.empty()) return FailedPrecondition("nothing is bound");
      device_->on_evaluate();
      ++device_->counters_.evaluations;
      std::map<std::string, std::vector<float>> values;
      for (const SymbolLayout& symbol : inputs_) values[symbol.name] = Read(symbol);
      for (const auto& line : lines_) {
        std::vector<float>& to = values[line.back()] = values[line[1]];
        const std::vector<float>& other = values[line[line[0] == "add" ? 2 : 1]];
        for (std::size_t i = 0; i < to.size(); ++i) to[i] += other[i];
      }
      for (const SymbolLayout& symbol : outputs_) Write(symbol, values[symbol.name]);
      return OkStatus();
    }

   private:
    static PlaneLayout Planes(const SymbolLayout& symbol) {
      return {symbol.element, symbol.channels, symbol.width, symbol.plane_stride};
    }
    std::vector<float> Read(const SymbolLayout& symbol) {
      auto locked = LockedSurface::Lock(bound_[symbol.name], true);
      std::vector<float> values;
      for (std::int64_t i = 0; i < symbol.channels * symbol.width; ++i) {
        values.push_back(
            ReadElement(locked->data(), Planes(symbol), i / symbol.width, i % symbol.width));
      }
      return values;
    }
    void Write(const SymbolLayout& symbol, const std::vector<float>& values) {
      auto locked = LockedSurface::Lock(bound_[symbol.name], false);
      for (std::size_t i = 0; i < values.size(); ++i) {
        const auto at = static_cast<std::int64_t>(i);
        WriteElement(values[i], Planes(symbol), at / symbol.width, at % symbol.width,
                     locked->data());
      }
    }

    FakeDevice* device_;
    std::vector<SymbolLayout> inputs_, outputs_;
    std::vector<std::vector<std::string>> lines_;
    std::map<std::string, Surface*> bound_;
  };

  static Status Next(std::deque<Status>* errors) {
    Status status = errors->front();
    errors->pop_front();
    return status;
  }

  SymbolLayout Symbol(const std::vector<std::string>& parts) const {
    SymbolLayout symbol;
    symbol.name = parts[1];
    symbol.element = element_;
    symbol.channels = std::stoll(parts[2]);
    symbol.width = std::stoll(parts[3]);
    symbol.row_stride = symbol.width * SizeOf(element_);
    symbol.plane_stride = symbol.row_stride + extra_stride;
    return symbol;
  }

  ElementType element_;
  Target target_;
  DeviceCounters counters_;
};

}  // namespace attune::ane::testing
