/* The in-memory route: _ANEInMemoryModelDescriptor and _ANEInMemoryModel. */

#import "ane_framework/standin.h"

static NSString* Hash(NSData* data) {
  char digits[65];
  front_hash([data bytes], [data length], digits);
  return [NSString stringWithUTF8String:digits];
}

@interface _ANEInMemoryModelDescriptor : StandInObject {
 @public
  NSData* text_;
  NSDictionary* weights_;
  NSMutableDictionary* hashes_; /* Of every file, by its path in the text. */
}
@end

@implementation _ANEInMemoryModelDescriptor
+ (_ANEInMemoryModelDescriptor*)modelWithMILText:(NSData*)text
                                         weights:(NSDictionary*)weights
                                     optionsPlist:(NSData*)options {
  _ANEInMemoryModelDescriptor* descriptor;
  NSEnumerator* paths = [weights keyEnumerator];
  NSString* path;
  (void)options;
  StandInEnter(ANE_STANDIN_DESCRIBE);
  /* Sent to a string this is unrecognised; the text itself is not looked at. */
  (void)[text bytes];
  if (front_fault(ANE_STANDIN_DESCRIBE).failed) return nil;
  descriptor = [[[self alloc] init] autorelease];
  front_count(FRONT_DESCRIPTOR, 1);
  descriptor->text_ = [text copy];
  descriptor->weights_ = [weights copy];
  descriptor->hashes_ = [[NSMutableDictionary alloc] init];
  while ((path = [paths nextObject]) != nil) {
    NSDictionary* entry = [weights objectForKey:path];
    [descriptor->hashes_ setObject:Hash([entry objectForKey:@"data"]) forKey:path];
  }
  return descriptor;
}

- (void)dealloc {
  front_count(FRONT_DESCRIPTOR, -1);
  [text_ release];
  [weights_ release];
  [hashes_ release];
  [super dealloc];
}

/* Three hashes: of the text, of the weights, of the options. */
- (NSString*)identity {
  NSMutableString* all = [NSMutableString string];
  NSArray* paths = [[hashes_ allKeys] sortedArrayUsingSelector:@selector(compare:)];
  NSUInteger i;
  for (i = 0; i < [paths count]; ++i) {
    NSString* path = [paths objectAtIndex:i];
    [all appendFormat:@"%@=%@;", path, [hashes_ objectForKey:path]];
  }
  return [NSString stringWithFormat:@"%@_%@_%@", Hash(text_),
                                    Hash([all dataUsingEncoding:NSUTF8StringEncoding]),
                                    Hash([NSData data])];
}

/* Whether the dictionary says "no weights" as this system wants it. */
- (BOOL)weightsAreAccepted {
  if ([weights_ count] > 0) return YES;
  return front_empty_weights_fail() ? weights_ == nil : weights_ != nil;
}
@end

@interface _ANEInMemoryModel : StandInObject {
  _ANEInMemoryModelDescriptor* descriptor_;
  NSDictionary* hashes_;
  NSString* identity_;
  _ANEModel* model_;
}
@end

@implementation _ANEInMemoryModel
+ (_ANEInMemoryModel*)inMemoryModelWithDescriptor:(_ANEInMemoryModelDescriptor*)descriptor {
  _ANEInMemoryModel* model;
  NSURL* directory;
  if (descriptor == nil) return nil;
  model = [[[self alloc] init] autorelease];
  model->descriptor_ = [descriptor retain];
  model->hashes_ = [descriptor->hashes_ retain];
  model->identity_ = [[descriptor identity] retain];
  directory = [NSURL fileURLWithPath:[NSTemporaryDirectory()
                                         stringByAppendingPathComponent:model->identity_]];
  model->model_ = [[_ANEModel alloc] initWithDirectory:directory identity:model->identity_];
  return model;
}

- (void)dealloc {
  [descriptor_ release];
  [hashes_ release];
  [identity_ release];
  [model_ release];
  [super dealloc];
}

- (void)setDescriptor:(_ANEInMemoryModelDescriptor*)descriptor {
  [descriptor retain];
  [descriptor_ release];
  descriptor_ = descriptor;
}

- (NSString*)hexStringIdentifier {
  return identity_;
}
- (_ANEModel*)model {
  return model_;
}
- (BOOL)compiledModelExists {
  return [model_ isCompiled];
}

- (NSDictionary*)modelAttributes {
  [NSException raise:NSInvalidArgumentException
              format:@"-externConstants: unrecognized selector"];
  return nil;
}

- (BOOL)compileWithQoS:(unsigned)qos options:(NSDictionary*)options error:(NSError**)error {
  (void)qos, (void)options;
  /* Refused without a word. */
  if (![descriptor_ weightsAreAccepted]) return NO;
  if (!front_wrapper_compiles()) {
    return StandInAnswer(StandInError(StandInCompilerDomain, 1, 0,
                                      @"_ANECompiler : ANECCompile() FAILED: err=()"),
                         error);
  }
  return [model_ compileExpecting:hashes_ error:error];
}

- (BOOL)loadWithQoS:(unsigned)qos options:(NSDictionary*)options error:(NSError**)error {
  (void)qos, (void)options;
  return [model_ loadWithError:error];
}

- (BOOL)evaluateWithQoS:(unsigned)qos
                options:(NSDictionary*)options
                request:(_ANERequest*)request
                  error:(NSError**)error {
  (void)qos, (void)options;
  return [model_ evaluate:request error:error];
}

- (BOOL)unloadWithQoS:(unsigned)qos error:(NSError**)error {
  (void)qos;
  return [model_ unloadWithError:error];
}
@end
