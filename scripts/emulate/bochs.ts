/** A PC without an operating system, whose CPU Bochs emulates: for the vector instructions that no machine at hand has. */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export const SECTOR = 512;
const CHUNK = 64 * SECTOR;
/** A disk consists of whole cylinders of 16 heads and 63 sectors. */
const CYLINDER = 16 * 63 * SECTOR;
const HOUR = 3_600_000;
const PC = join(import.meta.dirname, "pc");

/** For everything that the PC runs: no system, no library, code at the address it is linked to. */
export const BARE: readonly string[] = [
  "-m64",
  "-ffreestanding",
  "-fno-pic",
  "-fno-stack-protector",
  "-mno-red-zone",
  "-fcf-protection=none",
  "-c",
];

/**
 * Compiles the PC's own program (`pc/NAME.c`, which finds headers in `out`) and links it with objects of `out`. Returns the boot sector
 * and the program behind it. Throws when a tool fails.
 */
export function linkPc(out: string, name: string, objects: readonly string[]): Buffer {
  const tool = (command: string, ...args: string[]): string => execFileSync(command, args, { cwd: out, encoding: "utf8" });
  tool("gcc", ...BARE, join(PC, "boot.S"), "-o", "boot.o");
  const plain = ["-std=gnu11", "-O2", "-mgeneral-regs-only", "-Wall", "-Wextra", "-Wno-unused-function", "-I.", "-o", "main.o"];
  tool("gcc", ...BARE, ...plain, join(PC, `${name}.c`));
  const flags = ["-static", "-z", "noexecstack", "--no-warn-rwx-segments", "-o", "program.elf"];
  // The C library's own expf asks which CPU this is before the program begins; here it is told.
  const libm = tool("gcc", "-print-file-name=libm.a").trim();
  tool("ld", "-T", join(PC, "link.ld"), ...flags, "--defsym=expf=__expf_fma", "boot.o", "main.o", ...objects, libm);
  const section = (part: string): Buffer => {
    tool("objcopy", "-O", "binary", "-j", part, "program.elf", `program${part}`);
    return readFileSync(join(out, `program${part}`));
  };
  const program = section(".program");
  return Buffer.concat([section(".boot"), program, Buffer.alloc(Math.ceil(program.length / CHUNK) * CHUNK - program.length)]);
}

/** Zeros that make a disk of so many bytes whole. */
export const restOfDisk = (bytes: number): Buffer => Buffer.alloc(Math.ceil(bytes / CYLINDER) * CYLINDER - bytes);

const settings = (megabytes: number): string => `config_interface: textconfig
display_library: term
megs: ${megabytes}
cpu: model=tigerlake, ips=50000000, reset_on_triple_fault=0
clock: sync=none
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/vgabios/vgabios.bin
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata0-master: type=disk, path=disk.img, mode=flat
boot: disk
com1: enabled=1, mode=file, dev=serial.txt
panic: action=fatal
log: bochs.txt
`;

/** Runs the PC whose disk is `disk.img` in `out`; returns what it sends to its serial port until it switches itself off. */
export function runBochs(out: string, megabytes: number): string {
  writeFileSync(join(out, "bochsrc"), settings(megabytes));
  writeFileSync(join(out, "go"), "continue\n");
  const serial = join(out, "serial.txt");
  // A lock stays behind where Bochs was killed.
  for (const path of [serial, join(out, "disk.img.lock")]) rmSync(path, { force: true });
  const { error } = spawnSync("bochs", ["-q", "-f", "bochsrc", "-rc", "go"], {
    cwd: out,
    env: { ...process.env, TERM: "xterm" },
    stdio: ["ignore", openSync(join(out, "screen.txt"), "w"), "ignore"],
    timeout: HOUR,
  });
  if (error) console.log(`Bochs did not run (${error.message}). Where it is installed: cd ${out} && bochs -q -f bochsrc -rc go`);
  return existsSync(serial) ? readFileSync(serial, "utf8") : "";
}
