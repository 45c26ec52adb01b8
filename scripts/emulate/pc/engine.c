/* The program of the emulated PC: reads an engine's weights and inputs from its disk, runs the engine, and writes the outputs to the disk. */
#include "pc.h"
#include "layout.h"

int hone_run_0(const uint8_t* weights, uint8_t* arena, const void* const* inputs, void* const* outputs);
extern char chunks[];

void run(void) {
  uint32_t first = 1 + 64 * (uint32_t)(uint64_t)chunks;
  start();
  move_sectors(first, READ_SECTORS, (unsigned char*)WEIGHTS, 0);
  memset((void*)ARENA, 255, ARENA_BYTES);
  const void* const inputs[] = {INPUTS};
  void* const outputs[] = {OUTPUTS};
  int answer = hone_run_0((const uint8_t*)WEIGHTS, (uint8_t*)ARENA, inputs, outputs);
  move_sectors(first + READ_SECTORS, WRITTEN_SECTORS, (unsigned char*)WRITTEN, 1);
  say("engine answered ");
  say_number((uint64_t)(uint32_t)answer, 10);
  say("\n");
  end();
}
