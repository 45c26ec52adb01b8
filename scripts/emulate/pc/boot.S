/* From a PC's BIOS to 64-bit code: the boot sector reads the program behind it and enters it in long mode, where the first GiB of
 * memory is mapped to itself. */
.set CHUNK, 64 /* sectors of a read: 32 KiB */

.section .boot, "ax"
.code16
.global boot
boot:
  cli
  xorw %ax, %ax
  movw %ax, %ds
  movw %ax, %es
  movw %ax, %ss
  movw $0x7c00, %sp
  ljmp $0, $start
start:
  movb %dl, drive
  movw $chunks, %cx
read:
  pushw %cx
  movw $packet, %si
  movb $0x42, %ah
  movb drive, %dl
  int $0x13
  jc failed
  addw $(CHUNK * 512 / 16), packet_segment
  addl $CHUNK, packet_sector
  popw %cx
  loop read

  inb $0x92, %al /* address line 20 */
  orb $2, %al
  andb $0xfe, %al
  outb %al, $0x92

  cld
  movl $0x1000, %edi /* page tables at 0x1000, 0x2000 and 0x3000 */
  xorl %eax, %eax
  movl $(3 * 1024), %ecx
  rep stosl
  movl $0x2003, 0x1000
  movl $0x3003, 0x2000
  movw $0x3000, %di
  movl $0x83, %eax /* pages of 2 MiB */
  movw $512, %cx
page:
  movl %eax, (%di)
  addl $0x200000, %eax
  addw $8, %di
  loop page

  movl $0x1000, %eax
  movl %eax, %cr3
  movl $0x40620, %eax /* PAE, OSFXSR, OSXMMEXCPT, OSXSAVE */
  movl %eax, %cr4
  movl $0xc0000080, %ecx
  rdmsr
  orw $0x100, %ax /* long mode */
  wrmsr
  lgdt table_of_segments
  movl $0x80000023, %eax /* paging, numeric errors, monitoring, protection */
  movl %eax, %cr0
  ljmpl $8, $enter
failed:
  hlt
  jmp failed

.align 4
drive: .byte 0
.align 4
packet:
  .word 16, CHUNK, 0
packet_segment:
  .word 0x1000
packet_sector:
  .quad 1
.align 8
segments:
  .quad 0, 0x00209a0000000000, 0x0000920000000000
table_of_segments:
  .word . - segments - 1
  .long segments
.org 510
  .word 0xaa55

.section .entry, "ax"
.code64
enter:
  movw $16, %ax
  movw %ax, %ds
  movw %ax, %es
  movw %ax, %ss
  movl $stack_top, %esp
  movl $bss_start, %edi
  movl $bss_bytes, %ecx
  xorl %eax, %eax
  rep stosb
  call run
stop:
  hlt
  jmp stop

/* One stub of 16 bytes for each exception of the CPU. */
.align 16
.global exceptions
exceptions:
.set vector, 0
.rept 32
  .align 16
  pushq $vector
  jmp exception
  .set vector, vector + 1
.endr
exception:
  movq (%rsp), %rdi
  leaq 8(%rsp), %rsi
  andq $-16, %rsp
  call died

.section .bss
.align 64
  .skip 65536
stack_top:
