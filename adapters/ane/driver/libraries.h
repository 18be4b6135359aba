// Shared libraries opened at run time and the symbols found in them.
//
// Threads: values; const after opening.

#pragma once

#include <string>
#include <vector>

#include "attune/status.h"

namespace attune::ane {

class Libraries {
 public:
  // Opens one more. Libraries stay open until the process ends: classes that they
  // registered cannot be taken back.
  //
  //   kUnavailable  not there, or it does not load
  Status Open(const std::string& path);

  // nullptr when neither a library nor what it depends on has it.
  void* Find(const char* symbol) const;

 private:
  std::vector<void*> handles_;
};

}  // namespace attune::ane
