/* Loaded engines: one per key and process, shared by all threads, let go of with the last reference. */
#ifndef HONE_ENGINES_H
#define HONE_ENGINES_H

#include <dlfcn.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/syscall.h>
#endif

#include "counted-memory.h"
#include "team.h"

/* The oldest versions of these, so that a host built on a new glibc loads on every one that Node itself runs on. */
#if defined(__GLIBC__) && defined(__x86_64__)
#define OLD_SYMBOL(name) __asm__(".symver " #name "," #name "@GLIBC_2.2.5")
#elif defined(__GLIBC__) && defined(__aarch64__)
#define OLD_SYMBOL(name) __asm__(".symver " #name "," #name "@GLIBC_2.17")
#endif
#ifdef OLD_SYMBOL
OLD_SYMBOL(dlopen);
OLD_SYMBOL(dlsym);
OLD_SYMBOL(dlclose);
OLD_SYMBOL(dlerror);
#endif

#define MAX_KEY 255u

typedef int (*run_function)(const uint8_t *weights, uint8_t *arena, const void *const *inputs, void *const *outputs);

struct engine {
  char key[MAX_KEY + 1];
  void *library;
  int memory_file; /* stays open while loaded: its /proc path must name no other library meanwhile */
  uint32_t profiles;
  run_function *run;
  part_function *part; /* NULL where a profile has nothing to share */
  uint8_t *weights;
  size_t weight_bytes; /* as mapped, never 0 */
  size_t references;
  struct engine *next;
};

static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static struct engine *registry;

static void engine_free(struct engine *e) {
  if (e->library) dlclose(e->library);
  if (e->memory_file >= 0) close(e->memory_file);
  unmap_pages(e->weights, e->weight_bytes);
  release(e->run, e->profiles * sizeof *e->run);
  release(e->part, e->profiles * sizeof *e->part);
  release(e, sizeof *e);
}

static void engine_retain(struct engine *e) {
  pthread_mutex_lock(&registry_lock);
  e->references++;
  pthread_mutex_unlock(&registry_lock);
}

static void engine_release(struct engine *e) {
  pthread_mutex_lock(&registry_lock);
  if (--e->references == 0) {
    struct engine **at = &registry;
    while (*at != e) at = &(*at)->next;
    *at = e->next;
    engine_free(e);
    atomic_fetch_sub(&engines_alive, 1);
  }
  pthread_mutex_unlock(&registry_lock);
}

/* A file without a name, for machines where no folder may hold executable code. -1 when the kernel has none. */
static int memory_file(const uint8_t *bytes, size_t size) {
#if defined(__linux__) && defined(SYS_memfd_create)
  const unsigned close_on_exec = 1u, executable = 16u;
  int fd = (int)syscall(SYS_memfd_create, "hone-engine", close_on_exec | executable);
  if (fd < 0) fd = (int)syscall(SYS_memfd_create, "hone-engine", close_on_exec); /* before Linux 6.3 */
  if (fd < 0) return -1;
  for (size_t done = 0; done < size;) {
    ssize_t n = write(fd, bytes + done, size - done);
    if (n <= 0) {
      close(fd);
      return -1;
    }
    done += (size_t)n;
  }
  return fd;
#else
  (void)bytes;
  (void)size;
  return -1;
#endif
}

#endif
