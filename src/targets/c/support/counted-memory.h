/* Every native allocation of the host goes through here and is counted, so that tests can prove what a run allocates. */
#ifndef HONE_COUNTED_MEMORY_H
#define HONE_COUNTED_MEMORY_H

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#define HUGE_PAGE ((size_t)2 << 20)

static atomic_ullong allocation_count; /* since the process began */
static atomic_ullong bytes_alive;
static atomic_ullong engines_alive;
static atomic_ullong contexts_alive;
static atomic_ullong run_count;

static void *allocate(size_t size) {
  void *p = calloc(1, size);
  if (!p) return NULL;
  atomic_fetch_add(&allocation_count, 1);
  atomic_fetch_add(&bytes_alive, size);
  return p;
}

static void release(void *p, size_t size) {
  if (!p) return;
  free(p);
  atomic_fetch_sub(&bytes_alive, size);
}

/* Zeroed pages, so the alignment is more than the 64 bytes that engines ask for; huge pages spare the TLB. */
static uint8_t *map_pages(size_t size) {
  void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) return NULL;
#ifdef MADV_HUGEPAGE
  if (size >= HUGE_PAGE) madvise(p, size, MADV_HUGEPAGE);
#endif
  atomic_fetch_add(&allocation_count, 1);
  atomic_fetch_add(&bytes_alive, size);
  return p;
}

static void unmap_pages(uint8_t *p, size_t size) {
  if (!p) return;
  munmap(p, size);
  atomic_fetch_sub(&bytes_alive, size);
}

#endif
