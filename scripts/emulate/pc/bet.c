/* The program of the emulated PC: reads records (inputs and the interpreter's results) from its disk, runs every kernel on them, and
 * says on the serial port how many cases have equal bits. */
#include "pc.h"
#include "records.h"

static unsigned char record[RECORD_BYTES] __attribute__((aligned(64)));
static unsigned char result[RESULT_BYTES] __attribute__((aligned(64)));
static uint64_t unequal[KERNELS];

/* Cases of which any byte of any result differs from the interpreter's. */
static uint64_t differences(const unsigned char* want, const unsigned char* got) {
  uint64_t n = 0;
  for (int c = 0; c < CASES; c++) {
    int differs = 0;
    for (int r = 0; r < RESULTS; r++)
      for (int b = 0; b < result_width[r]; b++) {
        int at = result_offset[r] + c * result_width[r] + b;
        differs |= want[at] ^ got[at];
      }
    n += differs != 0;
  }
  return n;
}

void run(void) {
  start();
  for (uint32_t i = 0; i < RECORDS; i++) {
    move_sectors(1 + 64 * (uint32_t)(uint64_t)chunks + i * RECORD_SECTORS, RECORD_SECTORS, record, 0);
    for (int k = 0; k < KERNELS; k++) {
      for (int b = 0; b < RESULT_BYTES; b++) result[b] = 0xa5;
      call_kernel[k](record, result);
      unequal[k] += differences(record + INPUT_BYTES, result);
    }
  }
  for (int k = 0; k < KERNELS; k++) {
    say("kernel ");
    say(kernel_name[k]);
    say(" equal ");
    say_number((uint64_t)RECORDS * CASES - unequal[k], 10);
    say(" unequal ");
    say_number(unequal[k], 10);
    say("\n");
  }
  end();
}
