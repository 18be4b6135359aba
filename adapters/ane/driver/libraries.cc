#include "ane/driver/libraries.h"

#include <dlfcn.h>

#include "base/strings.h"

namespace attune::ane {

Status Libraries::Open(const std::string& path) {
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    const std::string name = path.substr(path.rfind('/') + 1);
    return Unavailable(StrCat("the library ", name, " is not there or does not load"));
  }
  handles_.push_back(handle);
  return OkStatus();
}

void* Libraries::Find(const char* symbol) const {
  for (void* handle : handles_) {
    if (void* found = dlsym(handle, symbol)) return found;
  }
  return nullptr;
}

}  // namespace attune::ane
