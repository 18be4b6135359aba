/* The other route: _ANEClient, on models of a directory. */

#import "ane_framework/standin.h"

@interface _ANEClient : StandInObject
@end

@implementation _ANEClient
+ (_ANEClient*)sharedConnection {
  static _ANEClient* connection = nil;
  if (connection == nil) connection = [[self alloc] init];
  return connection;
}

- (BOOL)compiledModelExistsFor:(_ANEModel*)model {
  return [model isCompiled];
}
- (void)purgeCompiledModel:(_ANEModel*)model {
  [model purge];
}

- (BOOL)compileModel:(_ANEModel*)model
             options:(NSDictionary*)options
                 qos:(unsigned)qos
               error:(NSError**)error {
  (void)qos;
  /* Without being told what the directory holds it looks for another form. */
  if (![[options objectForKey:@"kANEFModelType"] isEqual:@"kANEFModelMIL"] ||
      ![[options objectForKey:@"kANEFNetPlistFilenameKey"] isEqual:@"model.mil"]) {
    return StandInAnswer(StandInError(StandInCompilerDomain, 1, 0,
                                      @"_ANECompiler : ANECCompile() FAILED: "
                                      @"err=(InvalidMILProgram)"),
                         error);
  }
  return [model compileExpecting:nil error:error];
}

- (BOOL)loadModel:(_ANEModel*)model
          options:(NSDictionary*)options
              qos:(unsigned)qos
            error:(NSError**)error {
  (void)options, (void)qos;
  return [model loadWithError:error];
}

- (BOOL)evaluateWithModel:(_ANEModel*)model
                  options:(NSDictionary*)options
                  request:(_ANERequest*)request
                      qos:(unsigned)qos
                    error:(NSError**)error {
  (void)options, (void)qos;
  return [model evaluate:request error:error];
}

- (BOOL)unloadModel:(_ANEModel*)model
            options:(NSDictionary*)options
                qos:(unsigned)qos
              error:(NSError**)error {
  (void)options, (void)qos;
  return [model unloadWithError:error];
}
@end
