// What Route.cu hands to ExpertProduct.cu. Everything that depends on the routing lies in device memory, so that launches, and
// graphs of them, have fixed grids.
//
// An entry is row * slots + slot. Entries are grouped by expert, ascending inside a group. A group is cut into items of at most
// as many entries as a product's tile has tokens; work holds a header and then the items, experts ascending.
#pragma once

#include "numerics.cuh"

struct alignas(16) WorkHeader {
  u32 items;
  u32 entries;
  u32 unused[2];
};

struct alignas(16) WorkItem {
  u32 expert;
  u32 first; // place among the grouped entries
  u32 count; // 1 to the tile's tokens
  u32 unused;
};

static_assert(sizeof(WorkHeader) == 16 && sizeof(WorkItem) == 16, "one access each");
