/* What the CPU has and the operating system lets us use, by hone's names. Not GCC's builtins: compilers differ in what they know. */
#ifndef HONE_CPU_FEATURES_H
#define HONE_CPU_FEATURES_H

#include <stdbool.h>
#include <stdint.h>
#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

typedef void (*found_function)(void *data, const char *name);

#if defined(__x86_64__) || defined(__i386__) || defined(__aarch64__)
static void tell(found_function to, void *data, bool present, const char *name) {
  if (present) to(data, name);
}
#endif

#if defined(__x86_64__) || defined(__i386__)
static uint64_t enabled_state(void) { /* XCR0: which registers the operating system saves */
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return ((uint64_t)high << 32) | low;
}

static void list_features(found_function to, void *data) {
  uint32_t a, b, c, d, b7 = 0, c7 = 0, d7 = 0, a71 = 0;
  if (!__get_cpuid(1, &a, &b, &c, &d)) return;
  uint64_t state = c & (1u << 27) ? enabled_state() : 0;
  bool ymm = (state & 0x6) == 0x6, zmm = ymm && (state & 0xe0) == 0xe0, tiles = (state & 0x60000) == 0x60000;
  tell(to, data, d & (1u << 26), "sse2");
  tell(to, data, c & (1u << 9), "ssse3");
  tell(to, data, c & (1u << 19), "sse4.1");
  tell(to, data, c & (1u << 20), "sse4.2");
  tell(to, data, ymm && c & (1u << 28), "avx");
  tell(to, data, ymm && c & (1u << 12), "fma");
  tell(to, data, ymm && c & (1u << 29), "f16c");
  if (!__get_cpuid_count(7, 0, &a, &b7, &c7, &d7)) return;
  if (a >= 1) __get_cpuid_count(7, 1, &a71, &b, &c, &d);
  tell(to, data, ymm && b7 & (1u << 5), "avx2");
  tell(to, data, b7 & (1u << 8), "bmi2");
  tell(to, data, zmm && b7 & (1u << 16), "avx512f");
  tell(to, data, zmm && b7 & (1u << 17), "avx512dq");
  tell(to, data, zmm && b7 & (1u << 28), "avx512cd");
  tell(to, data, zmm && b7 & (1u << 30), "avx512bw");
  tell(to, data, zmm && b7 & (1u << 31), "avx512vl");
  tell(to, data, zmm && c7 & (1u << 1), "avx512vbmi");
  tell(to, data, zmm && c7 & (1u << 11), "avx512vnni");
  tell(to, data, zmm && d7 & (1u << 23), "avx512fp16");
  tell(to, data, ymm && a71 & (1u << 4), "avxvnni");
  tell(to, data, zmm && a71 & (1u << 5), "avx512bf16");
  tell(to, data, tiles && d7 & (1u << 24), "amx-tile");
  tell(to, data, tiles && d7 & (1u << 25), "amx-int8");
  tell(to, data, tiles && d7 & (1u << 22), "amx-bf16");
}
#elif defined(__aarch64__) && defined(__linux__)
static void list_features(found_function to, void *data) { /* bits of Linux's asm/hwcap.h */
  unsigned long one = getauxval(AT_HWCAP), two = getauxval(26 /* AT_HWCAP2 */);
  tell(to, data, one & (1ul << 1), "neon");
  tell(to, data, one & (1ul << 10), "fp16");
  tell(to, data, one & (1ul << 20), "dotprod");
  tell(to, data, one & (1ul << 22), "sve");
  tell(to, data, two & (1ul << 1), "sve2");
  tell(to, data, two & (1ul << 13), "i8mm");
  tell(to, data, two & (1ul << 14), "bf16");
}
#elif defined(__aarch64__)
static void list_features(found_function to, void *data) { /* every 64-bit Apple processor that runs Node 20 */
  tell(to, data, true, "neon");
  tell(to, data, true, "fp16");
  tell(to, data, true, "dotprod");
}
#else
static void list_features(found_function to, void *data) {
  (void)to;
  (void)data;
}
#endif

#endif
