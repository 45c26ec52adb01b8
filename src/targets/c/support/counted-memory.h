/* Every native allocation of the host goes through here and is counted, so that tests can prove what a run allocates. */
#ifndef HONE_COUNTED_MEMORY_H
#define HONE_COUNTED_MEMORY_H

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

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

/*
 * Copies, and gives the pages of the source back to the system on the way, so that the two are never whole at once. The source
 * reads as zeros after; where a system does not promise that, it stays as it is.
 */
static void move_bytes(uint8_t *to, uint8_t *from, size_t size) {
  const size_t step = (size_t)8 << 20;
  for (size_t done = 0; done < size; done += step) {
    size_t n = size - done < step ? size - done : step;
    memcpy(to + done, from + done, n);
#ifdef __linux__
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t first = ((uintptr_t)(from + done) + page - 1) / page * page, last = (uintptr_t)(from + done + n) / page * page;
    if (first < last) madvise((void *)first, last - first, MADV_DONTNEED);
#endif
  }
}

#endif
