/* What a bare PC needs to run kernels: the serial port, the CPU's exceptions and states, the disk, and the end. Compiled without SIMD, so that
 * only kernels use it. */
#include <stdint.h>

#define IO __asm__ __volatile__
static void out8(uint16_t port, uint8_t v) { IO("outb %0, %1" : : "a"(v), "Nd"(port)); }
static uint8_t in8(uint16_t port) { uint8_t v; IO("inb %1, %0" : "=a"(v) : "Nd"(port)); return v; }

/* What compilers call by themselves. */
void* memcpy(void* to, const void* from, uint64_t n) { void* at = to; IO("rep movsb" : "+D"(at), "+S"(from), "+c"(n) : : "memory"); return to; }
void* memset(void* to, int v, uint64_t n) { void* at = to; IO("rep stosb" : "+D"(at), "+c"(n) : "a"(v) : "memory"); return to; }

static void say(const char* text) { for (; *text; text++) { while (!(in8(0x3fd) & 0x20)); out8(0x3f8, (uint8_t)*text); } }

static void say_number(uint64_t v, unsigned base) {
  char text[24];
  char* at = text + sizeof text - 1;
  *at = 0;
  do { *--at = "0123456789abcdef"[v % base]; v /= base; } while (v);
  say(at);
}

/* Ends Bochs when the serial port has sent everything. */
__attribute__((noreturn)) static void end(void) {
  while (!(in8(0x3fd) & 0x40));
  for (const char* c = "Shutdown"; *c; c++) out8(0x8900, (uint8_t)*c);
  for (;;) IO("cli; hlt");
}

__attribute__((noreturn)) void died(uint64_t vector, const uint64_t* stack) {
  say("\ndied of CPU exception ");
  say_number(vector, 10);
  say(", stack");
  for (int i = 0; i < 3; i++) { say(" "); say_number(stack[i], 16); }
  say("\n");
  end();
}

extern char exceptions[];
static struct { uint16_t low, segment, flags, middle; uint32_t high, zero; } gates[32];

static void catch_exceptions(void) {
  for (int i = 0; i < 32; i++) {
    uint64_t at = (uint64_t)(exceptions + 16 * i);
    gates[i].low = (uint16_t)at;
    gates[i].segment = 8;
    gates[i].flags = 0x8e00;
    gates[i].middle = (uint16_t)(at >> 16);
    gates[i].high = (uint32_t)(at >> 32);
  }
  struct { uint16_t limit; uint64_t base; } __attribute__((packed)) table = {sizeof gates - 1, (uint64_t)gates};
  IO("lidt %0" : : "m"(table));
}

static void cpuid(uint32_t leaf, uint32_t r[4]) {
  IO("cpuid" : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3]) : "a"(leaf), "c"(0));
}

/* Says which CPU this is; the states of AVX and AVX-512 are switched on, without which their instructions fault. */
static void prepare_cpu(void) {
  uint32_t name[13] = {0}, r[4];
  for (uint32_t i = 0; i < 3; i++) cpuid(0x80000002 + i, name + 4 * i);
  say("cpu ");
  say((const char*)name);
  cpuid(7, r);
  int vnni = r[2] >> 11 & 1, f = r[1] >> 16 & 1, dq = r[1] >> 17 & 1, bw = r[1] >> 30 & 1, vl = r[1] >> 31 & 1;
  say(vnni && f && dq && bw && vl ? "\nfeatures avx512f avx512dq avx512bw avx512vl avx512_vnni\n" : "\nthis CPU lacks AVX-512-VNNI\n");
  if (!(vnni && f && dq && bw && vl)) end();
  IO("xsetbv" : : "a"(0xe7), "d"(0), "c"(0));
}

/* Sectors of the first ATA disk, by its ports: to memory, or from it. */
static void move_sectors(uint32_t first, uint32_t count, unsigned char* memory, int write) {
  for (uint32_t done = 0; done < count; done += 128) {
    uint32_t n = count - done < 128 ? count - done : 128, at = first + done;
    while (in8(0x1f7) & 0x80);
    out8(0x1f6, (uint8_t)(0xe0 | (at >> 24 & 15)));
    out8(0x1f2, (uint8_t)n);
    out8(0x1f3, (uint8_t)at);
    out8(0x1f4, (uint8_t)(at >> 8));
    out8(0x1f5, (uint8_t)(at >> 16));
    out8(0x1f7, write ? 0x30 : 0x20);
    for (uint32_t i = 0; i < n; i++) {
      uint8_t status;
      while ((status = in8(0x1f7)) & 0x80 || !(status & 9));
      if (status & 1) { say("the disk cannot be used\n"); end(); }
      uint64_t words = 256;
      if (write) IO("rep outsw" : "+S"(memory), "+c"(words) : "d"(0x1f0) : "memory");
      else IO("rep insw" : "+D"(memory), "+c"(words) : "d"(0x1f0) : "memory");
    }
  }
}

/* The mathematical functions' errors go here; threads' variables lie below the address in fs. */
_Thread_local int errno;
static unsigned char thread[256] __attribute__((aligned(64)));

static void start(void) {
  uint64_t end_of_thread = (uint64_t)(thread + sizeof thread);
  IO("wrmsr" : : "c"(0xc0000100), "a"((uint32_t)end_of_thread), "d"((uint32_t)(end_of_thread >> 32)));
  out8(0x3fb, 3); /* characters of 8 bits */
  catch_exceptions();
  prepare_cpu();
}
