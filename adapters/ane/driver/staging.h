// Where a program lies on disk while the framework compiles and loads it: a directory
// with model.mil and weights/weight.bin, readable by this user alone, gone as soon as
// the program is loaded or refused. A lock file names the directory meanwhile, so that
// what a killed process left is removed by the next one.
//
// Processes that share a root stage one at a time.

#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "attune/status.h"
#include "ports/clock.h"

namespace attune::ane {

// A staged program; its destruction removes the directory.
class Staged {
 public:
  Staged() = default;
  Staged(std::string root, std::string name, int lock);
  ~Staged();
  Staged(Staged&& other) noexcept;
  Staged& operator=(Staged&&) = delete;

  std::string directory() const { return root_ + "/" + name_; }

 private:
  std::string root_, name_;
  int lock_ = -1;
};

class StagingArea {
 public:
  // Removes what a killed process left below `root`.
  //
  //   kIoError  the root is no directory that can be written to
  static Result<StagingArea> Open(std::string root, Clock* clock);

  // `name` is the program's identity; content from before is removed first.
  //
  //   kUnsupported        the name is no identity: letters, digits, '_' and '-' only
  //   kUnavailable        another process has been staging for 30 seconds
  //   kResourceExhausted  no space
  //   kIoError            anything else
  Result<Staged> Stage(std::string_view name, std::string_view mil,
                       std::span<const std::byte> weights) const;

  const std::string& root() const { return root_; }

 private:
  StagingArea(std::string root, Clock* clock) : root_(std::move(root)), clock_(clock) {}
  Result<int> Lock() const;

  std::string root_;
  Clock* clock_;
};

}  // namespace attune::ane
