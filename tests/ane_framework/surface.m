/* IOSurface: memory that can be locked, counted. */

#import "ane_framework/standin.h"

#include <stdlib.h>

@interface StandInSurface : NSObject {
 @public
  void* bytes;
  size_t size;
  int locks;
}
@end

@implementation StandInSurface
- (void)dealloc {
  front_count(FRONT_SURFACE, -1);
  front_count(FRONT_SURFACE_BYTES, -(int64_t)size);
  free(bytes);
  [super dealloc];
}
@end

NSString* const kIOSurfaceWidth = @"IOSurfaceWidth";
NSString* const kIOSurfaceHeight = @"IOSurfaceHeight";
NSString* const kIOSurfaceBytesPerElement = @"IOSurfaceBytesPerElement";
NSString* const kIOSurfaceBytesPerRow = @"IOSurfaceBytesPerRow";
NSString* const kIOSurfaceAllocSize = @"IOSurfaceAllocSize";
NSString* const kIOSurfacePixelFormat = @"IOSurfacePixelFormat";

static long long NumberFor(NSDictionary* properties, NSString* key) {
  return [[properties objectForKey:key] longLongValue];
}

id IOSurfaceCreate(NSDictionary* properties) {
  struct front_error fault = front_fault(ANE_STANDIN_MAP);
  const long long row = NumberFor(properties, kIOSurfaceBytesPerRow);
  const long long height = NumberFor(properties, kIOSurfaceHeight);
  long long size = NumberFor(properties, kIOSurfaceAllocSize);
  StandInSurface* surface;
  void* bytes = NULL;
  if (fault.failed) return nil;
  if (size < row * height) size = row * height;
  /* A row holds its elements. */
  if (row < NumberFor(properties, kIOSurfaceWidth) *
                NumberFor(properties, kIOSurfaceBytesPerElement)) {
    return nil;
  }
  if (size <= 0 || posix_memalign(&bytes, 64, (size_t)size) != 0) return nil;
  /* Memory of a surface holds anything: who needs zeros writes them. */
  memset(bytes, 0xa5, (size_t)size);
  surface = [[StandInSurface alloc] init];
  surface->bytes = bytes;
  surface->size = (size_t)size;
  front_count(FRONT_SURFACE, 1);
  front_count(FRONT_SURFACE_BYTES, size);
  return surface;
}

int IOSurfaceLock(StandInSurface* surface, uint32_t options, uint32_t* seed) {
  (void)options, (void)seed;
  front_count(FRONT_LOCK, 1);
  ++surface->locks;
  return 0;
}

int IOSurfaceUnlock(StandInSurface* surface, uint32_t options, uint32_t* seed) {
  (void)options, (void)seed;
  if (surface->locks == 0) return -1;
  front_count(FRONT_LOCK, -1);
  --surface->locks;
  return 0;
}

void* IOSurfaceGetBaseAddress(StandInSurface* surface) { return surface->bytes; }
size_t IOSurfaceGetAllocSize(StandInSurface* surface) { return surface->size; }
