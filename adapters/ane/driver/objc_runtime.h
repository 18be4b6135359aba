// Objective-C without its compiler: classes, selectors and messages through the
// runtime's C entry points. Apple's runtime has objc_msgSend; GNU's hands out the
// method, which is then called. Both are found by name, so one source serves both.
//
// Threads: const after Find().

#pragma once

#include <cstdint>

#include "ane/driver/libraries.h"
#include "attune/status.h"

namespace attune::ane::objc {

struct Object;    // Opaque: an instance or a class.
struct Selector;  // Opaque.
using Id = Object*;
using Sel = const Selector*;
// The runtimes disagree on BOOL's type, not on its size.
using Bool = unsigned char;
using Integer = long;
using Unsigned = unsigned long;

class Runtime {
 public:
  //   kUnavailable  an entry point is missing; named
  static Result<Runtime> Find(const Libraries& libraries);

  // nullptr when there is no such class.
  Id Class(const char* name) const { return class_(name); }

  // Whether a message may be sent: an unknown one raises an exception.
  bool Responds(Id object, const char* selector) const;
  bool InstancesRespond(Id of_class, const char* selector) const;

  // Sends a message. The types must be exactly those of the method: the arguments
  // travel as of a plain C function. Nothing, when `object` is nil.
  template <typename R, typename... Arguments>
  R Send(Id object, const char* selector, Arguments... arguments) const {
    if (object == nullptr) return R();
    const Sel sel = selector_(selector);
    using Method = R (*)(Id, Sel, Arguments...);
    return reinterpret_cast<Method>(MethodOf(object, sel))(object, sel, arguments...);
  }

 private:
  using Function = void (*)();
  Function MethodOf(Id object, Sel selector) const {
    return lookup_ == nullptr ? send_ : lookup_(object, selector);
  }

  Id (*class_)(const char*) = nullptr;
  Sel (*selector_)(const char*) = nullptr;
  Function send_ = nullptr;                // objc_msgSend, on Apple's runtime.
  Function (*lookup_)(Id, Sel) = nullptr;  // objc_msg_lookup, on GNU's.
};

}  // namespace attune::ane::objc
