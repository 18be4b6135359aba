#include "ane/driver/objc_runtime.h"

namespace attune::ane::objc {

namespace {

template <typename F>
void Bind(const Libraries& libraries, const char* symbol, F* function) {
  *function = reinterpret_cast<F>(libraries.Find(symbol));
}

}  // namespace

Result<Runtime> Runtime::Find(const Libraries& libraries) {
  Runtime runtime;
  Bind(libraries, "objc_getClass", &runtime.class_);
  Bind(libraries, "sel_registerName", &runtime.selector_);
  Bind(libraries, "objc_msg_lookup", &runtime.lookup_);
  Bind(libraries, "objc_msgSend", &runtime.send_);
  if (runtime.class_ == nullptr) return Unavailable("the runtime has no objc_getClass");
  if (runtime.selector_ == nullptr) return Unavailable("the runtime has no sel_registerName");
  if (runtime.lookup_ == nullptr && runtime.send_ == nullptr) {
    return Unavailable("the runtime has neither objc_msgSend nor objc_msg_lookup");
  }
  return runtime;
}

bool Runtime::Responds(Id object, const char* selector) const {
  return Send<Bool>(object, "respondsToSelector:", selector_(selector)) != 0;
}

bool Runtime::InstancesRespond(Id of_class, const char* selector) const {
  return Send<Bool>(of_class, "instancesRespondToSelector:", selector_(selector)) != 0;
}

}  // namespace attune::ane::objc
