/* -[_ANEModel modelAttributes]: the tables of a loaded program. */

#import "ane_framework/standin.h"

#include <stdlib.h>

/* Puts it under the key, unless a test left it out or replaced it. */
static void Put(NSMutableDictionary* dictionary, NSString* key, id value) {
  int64_t number;
  if (!front_attribute([key UTF8String], &number)) return;
  if (number == -1) {
    value = @"replaced";
  } else if (number != 0) {
    value = [NSNumber numberWithLongLong:number];
  }
  [dictionary setObject:value forKey:key];
}

static void PutNumber(NSMutableDictionary* dictionary, NSString* key, int64_t number) {
  Put(dictionary, key, [NSNumber numberWithLongLong:number]);
}

static NSDictionary* LiveEntry(const struct front_symbol* symbol, int outputs) {
  NSMutableDictionary* entry = [NSMutableDictionary dictionary];
  NSString* name = [NSString stringWithUTF8String:symbol->name];
  Put(entry, @"Name", name);
  Put(entry, @"Symbol", outputs ? [name stringByAppendingString:@"@output"] : name);
  Put(entry, @"Type", [NSString stringWithUTF8String:symbol->type]);
  PutNumber(entry, @"Channels", symbol->channels);
  PutNumber(entry, @"Height", symbol->height);
  PutNumber(entry, @"Width", symbol->width);
  PutNumber(entry, @"Depth", 1);
  PutNumber(entry, @"Batches", symbol->batches);
  PutNumber(entry, @"Interleave", 1);
  PutNumber(entry, @"RowStride", symbol->row_stride);
  PutNumber(entry, @"PlaneStride", symbol->plane_stride);
  PutNumber(entry, @"BatchStride", symbol->batch_stride);
  return entry;
}

static NSArray* LiveList(int64_t handle, int outputs) {
  NSMutableArray* list = [NSMutableArray array];
  const size_t count = front_symbols(handle, 0, outputs, NULL, 0);
  struct front_symbol* symbols = calloc(count + 1, sizeof *symbols);
  size_t i;
  front_symbols(handle, 0, outputs, symbols, count);
  /* Live lists have no promised order: the last comes first. */
  for (i = count; i > 0; --i) [list addObject:LiveEntry(&symbols[i - 1], outputs)];
  free(symbols);
  return list;
}

@implementation _ANEModel (Attributes)
- (NSDictionary*)descriptionTable {
  NSMutableDictionary* description = [NSMutableDictionary dictionary];
  NSMutableArray* procedures = [NSMutableArray array];
  int64_t procedure;
  for (procedure = 0; procedure < front_procedures([self handle]); ++procedure) {
    NSMutableDictionary* entry = [NSMutableDictionary dictionary];
    PutNumber(entry, @"ANEFModelProcedureID", procedure);
    Put(entry, @"ANEFModelInputSymbolIndexArray", [self indices:0 procedure:procedure]);
    Put(entry, @"ANEFModelOutputSymbolIndexArray", [self indices:1 procedure:procedure]);
    [procedures addObject:entry];
  }
  Put(description, @"kANEFModelInputSymbolsArrayKey", [self symbols:0]);
  Put(description, @"kANEFModelOutputSymbolsArrayKey", [self symbols:1]);
  Put(description, @"ANEFModelProcedures", procedures);
  return description;
}

- (NSDictionary*)modelAttributes {
  NSMutableDictionary* attributes = [NSMutableDictionary dictionary];
  NSMutableDictionary* status = [NSMutableDictionary dictionary];
  if (![self isLoaded]) return attributes;
  Put(status, @"LiveInputList", LiveList([self handle], 0));
  Put(status, @"LiveOutputList", LiveList([self handle], 1));
  Put(attributes, @"ANEFModelDescription", [self descriptionTable]);
  Put(attributes, @"NetworkStatusList", [NSArray arrayWithObject:status]);
  return attributes;
}
@end
