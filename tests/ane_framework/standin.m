#import "ane_framework/standin.h"

#import <Foundation/NSDebug.h>

#include <errno.h>
#include <string.h>

NSString* const StandInDomain = @"com.apple.appleneuralengine";
NSString* const StandInCompilerDomain = @"com.apple.appleneuralengine.compiler";

static BOOL IsHidden(SEL selector) {
  return front_is_hidden([NSStringFromSelector(selector) UTF8String]) != 0;
}

@implementation StandInObject
+ (BOOL)respondsToSelector:(SEL)selector {
  return !IsHidden(selector) && [super respondsToSelector:selector];
}
+ (BOOL)instancesRespondToSelector:(SEL)selector {
  return !IsHidden(selector) && [super instancesRespondToSelector:selector];
}
- (BOOL)respondsToSelector:(SEL)selector {
  return !IsHidden(selector) && [super respondsToSelector:selector];
}
@end

void StandInEnter(int stage) {
  if (front_enter(stage) == FRONT_RAISE) {
    [NSException raise:NSInternalInconsistencyException format:@"planned at stage %d", stage];
  }
}

BOOL StandInAnswer(struct front_error error, NSError** out) {
  if (!error.failed) return YES;
  if (out == NULL) return NO;
  /* Some refusals come without an error object. */
  if (error.code == 0 && error.text[0] == 0) return NO;
  NSMutableDictionary* information = [NSMutableDictionary dictionary];
  NSString* text = [NSString stringWithUTF8String:error.text];
  if (error.status != 0 && strstr(error.text, "0x") == NULL) {
    text = [text stringByAppendingFormat:@" (0x%x)", error.status];
  }
  [information setObject:text forKey:NSLocalizedDescriptionKey];
  if (error.status != 0 && front_os() >= 27) {
    [information setObject:[NSNumber numberWithUnsignedInt:error.status]
                    forKey:@"_ANEErrorUnderlyingStatus"];
  }
  *out = [NSError errorWithDomain:[NSString stringWithUTF8String:error.domain]
                             code:(NSInteger)error.code
                         userInfo:information];
  return NO;
}

struct front_error StandInError(NSString* domain, int64_t code, uint32_t status, NSString* text) {
  struct front_error error = {0};
  error.failed = 1;
  error.code = code;
  error.status = status;
  strncpy(error.domain, [domain UTF8String], sizeof error.domain - 1);
  strncpy(error.text, [text UTF8String], sizeof error.text - 1);
  return error;
}

__attribute__((constructor)) static void CountObjects(void) { GSDebugAllocationActive(YES); }

int64_t front_objects(void) {
  NSAutoreleasePool* pool = [[NSAutoreleasePool alloc] init];
  Class* classes = GSDebugAllocationClassList();
  int64_t count = 0;
  Class* each;
  for (each = classes; *each != Nil; ++each) {
    /* Pools are kept for their next use. */
    if (*each != [NSAutoreleasePool class]) count += GSDebugAllocationCount(*each);
  }
  NSZoneFree(NSDefaultMallocZone(), classes);
  [pool drain];
  return count;
}

/* The system around the framework. */

typedef struct {
  NSInteger major, minor, patch;
} StandInSystemVersion;

@interface NSProcessInfo (StandIn)
- (StandInSystemVersion)operatingSystemVersion;
@end

@implementation NSProcessInfo (StandIn)
- (StandInSystemVersion)operatingSystemVersion {
  StandInSystemVersion version = {front_os(), 0, 0};
  return version;
}
@end

NSString* NSTemporaryDirectory(void) {
  return [NSString stringWithFormat:@"%s/", front_temporary_directory()];
}

int sysctlbyname(const char* name, void* value, size_t* size, void* set, size_t set_size) {
  const char* processor = front_processor();
  (void)set, (void)set_size;
  if (strcmp(name, "machdep.cpu.brand_string") != 0 || processor[0] == 0 ||
      *size < strlen(processor) + 1) {
    errno = ENOENT;
    return -1;
  }
  *size = strlen(processor) + 1;
  memcpy(value, processor, *size);
  return 0;
}

@interface _ANEDeviceInfo : StandInObject
@end

@implementation _ANEDeviceInfo
+ (BOOL)hasANE {
  return front_has_engine() != 0;
}
+ (unsigned)numANEs {
  return strcmp(front_architecture(), "h15g") == 0 ? 2 : 1;
}
+ (unsigned)numANECores {
  return 16;
}
+ (NSString*)aneArchitectureType {
  return [NSString stringWithUTF8String:front_architecture()];
}
@end
