/* What the classes of the stand-in share. */

#pragma once

#include "ane_framework/machine_front.h"

#ifdef __OBJC__ /* Nothing for anybody else. */

#import <Foundation/Foundation.h>

/* Knows the selectors that a test has hidden as not its own. */
@interface StandInObject : NSObject
@end

/* Does what a test planned for this stage: raises, or kills. */
void StandInEnter(int stage);

/* Answers as the framework does: YES without an error, or NO and perhaps one. */
BOOL StandInAnswer(struct front_error error, NSError** out);
struct front_error StandInError(NSString* domain, int64_t code, uint32_t status, NSString* text);

extern NSString* const StandInDomain;
extern NSString* const StandInCompilerDomain;

@class _ANERequest;

/* The program of a staged directory. */
@interface _ANEModel : StandInObject {
  NSString* identity_;
  NSURL* directory_;
  int64_t handle_;
  BOOL loaded_;
}
+ (_ANEModel*)modelAtURL:(NSURL*)url key:(NSString*)key;
- (id)initWithDirectory:(NSURL*)url identity:(NSString*)identity;
- (NSIndexSet*)inputSymbolIndicesForProcedureIndex:(unsigned)procedure;
- (NSIndexSet*)outputSymbolIndicesForProcedureIndex:(unsigned)procedure;
- (uint64_t)programHandle;
- (int)state;
- (int)queueDepth;
@end

@interface _ANEModel (Attributes)
- (NSDictionary*)modelAttributes;
@end

/* Not of the framework: what client and wrapper do to a model. */
@interface _ANEModel (Machine)
/* `expected`: paths to hashes of the files, or nil where nothing is known of them. */
- (BOOL)compileExpecting:(NSDictionary*)expected error:(NSError**)error;
- (BOOL)isCompiled;
- (void)purge;
- (BOOL)loadWithError:(NSError**)error;
- (BOOL)unloadWithError:(NSError**)error;
- (BOOL)evaluate:(_ANERequest*)request error:(NSError**)error;
- (BOOL)isLoaded;
- (int64_t)handle;
- (NSIndexSet*)indexSet:(int)outputs procedure:(unsigned)procedure;
/* The program's symbols over all procedures, sorted as the compiler does. */
- (NSArray*)symbols:(int)outputs;
- (NSArray*)indices:(int)outputs procedure:(int64_t)procedure;
@end

@interface _ANEIOSurfaceObject : StandInObject {
  id surface_;
  NSNumber* startOffset_;
}
+ (_ANEIOSurfaceObject*)objectWithIOSurface:(id)surface;
+ (_ANEIOSurfaceObject*)objectWithIOSurface:(id)surface startOffset:(NSNumber*)offset;
- (struct front_buffer)buffer;
@end

@interface _ANERequest : StandInObject {
 @public
  NSArray* inputs_;
  NSArray* inputIndices_;
  NSArray* outputs_;
  NSArray* outputIndices_;
  NSArray* perfStats_;
  NSNumber* procedure_;
}
+ (_ANERequest*)requestWithInputs:(NSArray*)inputs
                     inputIndices:(NSArray*)inputIndices
                          outputs:(NSArray*)outputs
                    outputIndices:(NSArray*)outputIndices
                    weightsBuffer:(id)weights
                        perfStats:(NSArray*)perfStats
                   procedureIndex:(NSNumber*)procedure;
+ (_ANERequest*)requestWithInputs:(NSArray*)inputs
                     inputIndices:(NSArray*)inputIndices
                          outputs:(NSArray*)outputs
                    outputIndices:(NSArray*)outputIndices
                        perfStats:(NSArray*)perfStats
                   procedureIndex:(NSNumber*)procedure;
- (BOOL)validate;
@end

#endif
