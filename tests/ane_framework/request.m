/* _ANEIOSurfaceObject and _ANERequest: what a call is about. */

#import "ane_framework/standin.h"

size_t IOSurfaceGetAllocSize(id surface);
void* IOSurfaceGetBaseAddress(id surface);

@implementation _ANEIOSurfaceObject
+ (_ANEIOSurfaceObject*)objectWithIOSurface:(id)surface {
  return [self objectWithIOSurface:surface startOffset:[NSNumber numberWithInt:0]];
}

+ (_ANEIOSurfaceObject*)objectWithIOSurface:(id)surface startOffset:(NSNumber*)offset {
  _ANEIOSurfaceObject* object;
  StandInEnter(ANE_STANDIN_MAP);
  if (surface == nil) return nil;
  object = [[[self alloc] init] autorelease];
  object->surface_ = [surface retain];
  object->startOffset_ = [offset retain];
  front_count(FRONT_WRAPPER, 1);
  return object;
}

- (void)dealloc {
  if (surface_ != nil) front_count(FRONT_WRAPPER, -1);
  [surface_ release];
  [startOffset_ release];
  [super dealloc];
}

- (struct front_buffer)buffer {
  const size_t offset = (size_t)[startOffset_ longLongValue];
  struct front_buffer buffer = {(char*)IOSurfaceGetBaseAddress(surface_) + offset,
                                IOSurfaceGetAllocSize(surface_) - offset};
  return buffer;
}
@end

@implementation _ANERequest
+ (_ANERequest*)requestWithInputs:(NSArray*)inputs
                     inputIndices:(NSArray*)inputIndices
                          outputs:(NSArray*)outputs
                    outputIndices:(NSArray*)outputIndices
                    weightsBuffer:(id)weights
                        perfStats:(NSArray*)perfStats
                   procedureIndex:(NSNumber*)procedure {
  _ANERequest* request;
  (void)weights; /* Accepted and ignored. */
  if ([inputs count] != [inputIndices count] || [outputs count] != [outputIndices count]) {
    return nil;
  }
  request = [[[self alloc] init] autorelease];
  request->inputs_ = [inputs copy];
  request->inputIndices_ = [inputIndices copy];
  request->outputs_ = [outputs copy];
  request->outputIndices_ = [outputIndices copy];
  request->perfStats_ = [perfStats retain];
  request->procedure_ = [procedure retain];
  front_count(FRONT_REQUEST, 1);
  return request;
}

+ (_ANERequest*)requestWithInputs:(NSArray*)inputs
                     inputIndices:(NSArray*)inputIndices
                          outputs:(NSArray*)outputs
                    outputIndices:(NSArray*)outputIndices
                        perfStats:(NSArray*)perfStats
                   procedureIndex:(NSNumber*)procedure {
  return [self requestWithInputs:inputs
                    inputIndices:inputIndices
                         outputs:outputs
                   outputIndices:outputIndices
                   weightsBuffer:nil
                       perfStats:perfStats
                  procedureIndex:procedure];
}

- (void)dealloc {
  front_count(FRONT_REQUEST, -1);
  [inputs_ release];
  [inputIndices_ release];
  [outputs_ release];
  [outputIndices_ release];
  [perfStats_ release];
  [procedure_ release];
  [super dealloc];
}

- (BOOL)validate {
  /* From macOS 27 on whatever is there is asked for its count. */
  if (front_os() >= 27 && perfStats_ != nil && [perfStats_ count] > 64) return NO;
  return [inputs_ count] > 0 && [outputs_ count] > 0;
}
@end
