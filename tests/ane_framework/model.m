/* _ANEModel: a staged directory and, once loaded, a program of the machine. */

#import "ane_framework/standin.h"

#include <stdlib.h>
#include <string.h>

static struct front_error NoError(void) {
  struct front_error error = {0};
  return error;
}

static struct front_symbol* CopySymbols(int64_t handle, int64_t procedure, int outputs,
                                        size_t* count) {
  struct front_symbol* symbols;
  *count = front_symbols(handle, procedure, outputs, NULL, 0);
  symbols = calloc(*count == 0 ? 1 : *count, sizeof *symbols);
  front_symbols(handle, procedure, outputs, symbols, *count);
  return symbols;
}

static NSString* SymbolName(const struct front_symbol* symbol, int outputs) {
  return [NSString stringWithFormat:outputs ? @"%s@output" : @"%s", symbol->name];
}

/* Byte by byte: digits come before '@', and that before letters. */
static NSInteger CompareBytes(id left, id right, void* context) {
  const int order = strcmp([left UTF8String], [right UTF8String]);
  (void)context;
  return order < 0 ? NSOrderedAscending : order > 0 ? NSOrderedDescending : NSOrderedSame;
}

@implementation _ANEModel
+ (_ANEModel*)modelAtURL:(NSURL*)url key:(NSString*)key {
  if (url == nil || [key length] == 0) return nil;
  return [[[self alloc] initWithDirectory:url identity:key] autorelease];
}

- (id)initWithDirectory:(NSURL*)url identity:(NSString*)identity {
  if ((self = [super init]) != nil) {
    directory_ = [url retain];
    identity_ = [identity copy];
    front_count(FRONT_MODEL, 1);
  }
  return self;
}

- (void)dealloc {
  front_count(FRONT_MODEL, -1);
  [directory_ release];
  [identity_ release];
  [super dealloc];
}

- (uint64_t)programHandle {
  return (uint64_t)handle_;
}
- (int)state {
  return loaded_ ? 3 : 1;
}
- (int)queueDepth {
  return 127;
}

- (NSIndexSet*)inputSymbolIndicesForProcedureIndex:(unsigned)procedure {
  return [self indexSet:0 procedure:procedure];
}
- (NSIndexSet*)outputSymbolIndicesForProcedureIndex:(unsigned)procedure {
  return [self indexSet:1 procedure:procedure];
}
@end

@implementation _ANEModel (Machine)
- (BOOL)isLoaded {
  return loaded_;
}
- (int64_t)handle {
  return handle_;
}
- (BOOL)isCompiled {
  return front_is_compiled([identity_ UTF8String]) != 0;
}
- (void)purge {
  front_purge([identity_ UTF8String]);
}

- (NSIndexSet*)indexSet:(int)outputs procedure:(unsigned)procedure {
  NSMutableIndexSet* set = [NSMutableIndexSet indexSet];
  NSArray* indices;
  NSUInteger i;
  if (!loaded_ || (int64_t)procedure >= front_procedures(handle_)) return nil;
  indices = [self indices:outputs procedure:procedure];
  for (i = 0; i < [indices count]; ++i) {
    [set addIndex:(NSUInteger)[[indices objectAtIndex:i] longLongValue]];
  }
  return set;
}

- (NSArray*)symbols:(int)outputs {
  NSMutableArray* names = [NSMutableArray array];
  int64_t procedure;
  for (procedure = 0; procedure < front_procedures(handle_); ++procedure) {
    size_t count, i;
    struct front_symbol* symbols = CopySymbols(handle_, procedure, outputs, &count);
    for (i = 0; i < count; ++i) {
      NSString* name = SymbolName(&symbols[i], outputs);
      if (![names containsObject:name]) [names addObject:name];
    }
    free(symbols);
  }
  [names sortUsingFunction:CompareBytes context:NULL];
  return names;
}

- (NSArray*)indices:(int)outputs procedure:(int64_t)procedure {
  NSArray* names = [self symbols:outputs];
  NSMutableArray* indices = [NSMutableArray array];
  size_t count, i;
  struct front_symbol* symbols = CopySymbols(handle_, procedure, outputs, &count);
  for (i = 0; i < count; ++i) {
    const NSUInteger at = [names indexOfObject:SymbolName(&symbols[i], outputs)];
    [indices addObject:[NSNumber numberWithUnsignedLong:at]];
  }
  free(symbols);
  return indices;
}

/* The file at a path below the directory; nil when there is none. */
- (NSData*)contentsOf:(NSString*)path {
  NSString* full = [[directory_ path] stringByAppendingPathComponent:path];
  BOOL is_directory = NO;
  if (![[NSFileManager defaultManager] fileExistsAtPath:full isDirectory:&is_directory] ||
      is_directory) {
    return nil;
  }
  return [NSData dataWithContentsOfFile:full];
}

- (void)checkPermissions:(NSString*)path {
  NSString* full = [[directory_ path] stringByAppendingPathComponent:path];
  NSDictionary* attributes =
      [[NSFileManager defaultManager] fileAttributesAtPath:full traverseLink:NO];
  if (([attributes filePosixPermissions] & 077) != 0) front_count(FRONT_LOOSE_PERMISSION, 1);
}

/* From macOS 27 on files must have the hashes that the identity was made of. */
- (struct front_error)verify:(NSDictionary*)files expecting:(NSDictionary*)expected {
  NSEnumerator* paths = [files keyEnumerator];
  NSString* path;
  if (front_os() < 27 || expected == nil) return NoError();
  while ((path = [paths nextObject]) != nil) {
    NSData* data = [files objectForKey:path];
    char digits[65];
    front_hash([data bytes], [data length], digits);
    if (![[expected objectForKey:path] isEqualToString:[NSString stringWithUTF8String:digits]]) {
      return StandInError(StandInDomain, 10, 0, @"verifyBundleAtPath: invalid model");
    }
  }
  return NoError();
}

/* Everything in the directory but the text, by the path that the text has for it. */
- (NSDictionary*)weightFiles {
  NSMutableDictionary* files = [NSMutableDictionary dictionary];
  NSEnumerator* paths =
      [[NSFileManager defaultManager] enumeratorAtPath:[directory_ path]];
  NSString* path;
  while ((path = [paths nextObject]) != nil) {
    NSData* data;
    [self checkPermissions:path];
    if ([path isEqualToString:@"model.mil"]) continue;
    data = [self contentsOf:path];
    if (data == nil) continue; /* A directory. */
    [files setObject:data forKey:[@"@model_path/" stringByAppendingString:path]];
  }
  return files;
}

- (BOOL)compileExpecting:(NSDictionary*)expected error:(NSError**)answer {
  NSData* text = [self contentsOf:@"model.mil"];
  NSDictionary* files = [self weightFiles];
  NSArray* paths = [files allKeys];
  struct front_file* list;
  struct front_error error;
  NSUInteger i;
  StandInEnter(ANE_STANDIN_COMPILE);
  [self checkPermissions:@""];
  /* A file of the older form would be compiled instead of the text. */
  if ([self contentsOf:@"model.espresso.net"] != nil) {
    return StandInAnswer(StandInError(StandInCompilerDomain, 1, 0,
                                      @"_ANECompiler : ANECCompile() FAILED: "
                                      @"err=(InvalidMILProgram)"),
                         answer);
  }
  if (text == nil) {
    return StandInAnswer(StandInError(StandInDomain, 16, 0, @"model.mil: file not found"), answer);
  }
  error = [self verify:files expecting:expected];
  if (error.failed) return StandInAnswer(error, answer);
  list = calloc([paths count] + 1, sizeof *list);
  for (i = 0; i < [paths count]; ++i) {
    NSData* data = [files objectForKey:[paths objectAtIndex:i]];
    list[i].path = [[paths objectAtIndex:i] UTF8String];
    list[i].bytes = [data bytes];
    list[i].size = [data length];
  }
  error = front_compile([identity_ UTF8String], [text bytes], [text length], list, [paths count]);
  free(list);
  return StandInAnswer(error, answer);
}

- (BOOL)loadWithError:(NSError**)answer {
  struct front_error error;
  StandInEnter(ANE_STANDIN_LOAD);
  if (loaded_) return YES;
  error = front_load([identity_ UTF8String], &handle_);
  loaded_ = !error.failed;
  return StandInAnswer(error, answer);
}

- (BOOL)unloadWithError:(NSError**)answer {
  struct front_error error;
  StandInEnter(ANE_STANDIN_UNLOAD);
  if (!loaded_) {
    return StandInAnswer(StandInError(StandInDomain, 23, 0, @"Program not found"), answer);
  }
  error = front_unload(handle_);
  if (!error.failed) loaded_ = NO;
  return StandInAnswer(error, answer);
}

/* Buffers of one side in the order of the procedure's symbols; NO when the request
 * leaves one out or names another's. */
- (BOOL)order:(NSArray*)surfaces
      indices:(NSArray*)given
           as:(NSArray*)wanted
         into:(struct front_buffer*)buffers {
  NSUInteger i;
  if ([surfaces count] != [wanted count]) return NO;
  for (i = 0; i < [wanted count]; ++i) {
    const NSUInteger at = [given indexOfObject:[wanted objectAtIndex:i]];
    if (at == NSNotFound) return NO;
    buffers[i] = [(_ANEIOSurfaceObject*)[surfaces objectAtIndex:at] buffer];
  }
  return YES;
}

- (struct front_error)run:(_ANERequest*)request procedure:(int64_t)procedure {
  NSArray* in = [self indices:0 procedure:procedure];
  NSArray* out = [self indices:1 procedure:procedure];
  struct front_buffer* inputs = calloc([in count] + 1, sizeof *inputs);
  struct front_buffer* outputs = calloc([out count] + 1, sizeof *outputs);
  struct front_error error;
  if ([self order:request->inputs_ indices:request->inputIndices_ as:in into:inputs] &&
      [self order:request->outputs_ indices:request->outputIndices_ as:out into:outputs]) {
    error = front_evaluate(handle_, procedure, inputs, [in count], outputs, [out count]);
  } else {
    error = StandInError(StandInDomain, 8, 0x2,
                         @"ANEProgramProcessRequestDirect() Failed with status=0x2 : "
                         @"statusType=0x9: Program Inference error");
  }
  free(inputs);
  free(outputs);
  return error;
}

- (BOOL)evaluate:(_ANERequest*)request error:(NSError**)answer {
  const int64_t procedure = [request->procedure_ longLongValue];
  StandInEnter(ANE_STANDIN_EVALUATE);
  if (!loaded_) {
    return StandInAnswer(StandInError(StandInDomain, 23, 0, @"Program not found"), answer);
  }
  if (![request validate] || procedure < 0 || procedure >= front_procedures(handle_)) {
    return StandInAnswer(StandInError(StandInDomain, 26, 0, @"bad argument"), answer);
  }
  return StandInAnswer([self run:request procedure:procedure], answer);
}
@end
