/* The one thread pool of the process: a few threads that run an engine side by side with the thread that asked. */
#ifndef HONE_TEAM_H
#define HONE_TEAM_H

#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAX_TEAM 64u
#define SPINS 4000u /* some tens of microseconds: the way between two layers, or to the next run */

/* As in the engine's header. */
struct hone_team {
  ptrdiff_t part, parts;
  void (*meet)(void *context);
  void *context;
};

typedef int (*part_function)(const uint8_t *weights, uint8_t *arena, const void *const *inputs, void *const *outputs,
                             const struct hone_team *team);

struct team_job {
  part_function run;
  const uint8_t *weights;
  uint8_t *arena;
  const void *const *inputs;
  void *const *outputs;
};

static pthread_mutex_t team_busy = PTHREAD_MUTEX_INITIALIZER; /* held by the run that has the team */
static pthread_mutex_t team_sleep = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t team_wake = PTHREAD_COND_INITIALIZER;
static uint32_t team_threads;                   /* beside the caller's; under team_busy */
static struct team_job team_job;                /* written before its ticket is published */
static _Atomic uint64_t team_ticket;            /* number of the job, and in the low byte how many run it */
static _Atomic uint32_t team_sleeping, team_left, team_arrived, team_phase;

static inline void team_pause(uint32_t spin) {
  if (spin >= SPINS) {
    sched_yield(); /* the other threads may wait for this core */
    return;
  }
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

/* Waits until all `parts` threads are here. */
static void team_meet(void *context) {
  uint32_t parts = (uint32_t)(uintptr_t)context;
  uint32_t phase = atomic_load_explicit(&team_phase, memory_order_relaxed);
  if (atomic_fetch_add_explicit(&team_arrived, 1, memory_order_acq_rel) + 1 == parts) {
    atomic_store_explicit(&team_arrived, 0, memory_order_relaxed);
    atomic_store_explicit(&team_phase, phase + 1, memory_order_release);
    return;
  }
  for (uint32_t spin = 0; atomic_load_explicit(&team_phase, memory_order_acquire) == phase; spin += spin < SPINS) team_pause(spin);
}

static int team_part(const struct team_job *job, uint32_t part, uint32_t parts) {
  struct hone_team team = {part, parts, team_meet, (void *)(uintptr_t)parts};
  return job->run(job->weights, job->arena, job->inputs, job->outputs, &team);
}

static uint64_t team_next_ticket(uint64_t seen) {
  uint64_t ticket;
  for (uint32_t spin = 0; spin < SPINS; spin++) {
    if ((ticket = atomic_load_explicit(&team_ticket, memory_order_acquire)) != seen) return ticket;
    team_pause(spin);
  }
  pthread_mutex_lock(&team_sleep);
  atomic_fetch_add(&team_sleeping, 1);
  while ((ticket = atomic_load(&team_ticket)) == seen) pthread_cond_wait(&team_wake, &team_sleep);
  atomic_fetch_sub(&team_sleeping, 1);
  pthread_mutex_unlock(&team_sleep);
  return ticket;
}

static void *team_thread(void *argument) {
  uint32_t part = (uint32_t)(uintptr_t)argument;
  for (uint64_t seen = 0;;) {
    seen = team_next_ticket(seen);
    uint32_t parts = (uint32_t)(seen & 0xff);
    if (part >= parts) continue;
    team_part(&team_job, part, parts); /* every part answers the same */
    atomic_fetch_sub_explicit(&team_left, 1, memory_order_release);
  }
  return NULL;
}

/* Under team_busy. How many threads there are for a run of `parts`, the caller's included. */
static uint32_t team_grow(uint32_t parts) {
  if (team_threads == 0) {
    /* The threads live as long as the process, so their code must too. */
    Dl_info self;
    void *address;
    void *(*own)(void *) = team_thread;
    __builtin_memcpy(&address, &own, sizeof address);
    if (!dladdr(address, &self) || !dlopen(self.dli_fname, RTLD_NOW | RTLD_NODELETE)) return 1;
  }
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are for the threads of Node */
  while (team_threads + 1 < parts) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, team_thread, (void *)(uintptr_t)(team_threads + 1)) != 0) break;
    pthread_detach(thread);
    team_threads++;
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return team_threads + 1 < parts ? team_threads + 1 : parts;
}

/* Runs a job with up to `parts` threads, or on this one alone while another run has the team. */
static int team_run(const struct team_job *job, uint32_t parts) {
  if (parts < 2 || pthread_mutex_trylock(&team_busy) != 0) return team_part(job, 0, 1);
  parts = team_grow(parts < MAX_TEAM ? parts : MAX_TEAM);
  if (parts < 2) {
    pthread_mutex_unlock(&team_busy);
    return team_part(job, 0, 1);
  }
  team_job = *job;
  atomic_store_explicit(&team_left, parts - 1, memory_order_relaxed);
  uint64_t number = (atomic_load_explicit(&team_ticket, memory_order_relaxed) >> 8) + 1;
  atomic_store(&team_ticket, number << 8 | parts);
  if (atomic_load(&team_sleeping) > 0) {
    pthread_mutex_lock(&team_sleep);
    pthread_cond_broadcast(&team_wake);
    pthread_mutex_unlock(&team_sleep);
  }
  int result = team_part(job, 0, parts);
  for (uint32_t spin = 0; atomic_load_explicit(&team_left, memory_order_acquire) > 0; spin += spin < SPINS) team_pause(spin);
  pthread_mutex_unlock(&team_busy);
  return result;
}

#endif
