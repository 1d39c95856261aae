#if defined(__aarch64__)
// void tandem_context_switch(void **save, void *to)
//
// Saves what AAPCS64 lets a callee keep (x19-x30, d8-d15, fpcr) on the current stack, stores the
// stack pointer in *save, and goes on where `to` was saved. Both sides are suspended in this same
// function, so one CFI description fits before and after.
    .text
    .globl tandem_context_switch
    .hidden tandem_context_switch
    .type tandem_context_switch, %function
    .p2align 4
tandem_context_switch:
    .cfi_startproc
    sub sp, sp, #176
    .cfi_adjust_cfa_offset 176
    stp x19, x20, [sp, #0]
    .cfi_rel_offset x19, 0
    .cfi_rel_offset x20, 8
    stp x21, x22, [sp, #16]
    .cfi_rel_offset x21, 16
    .cfi_rel_offset x22, 24
    stp x23, x24, [sp, #32]
    .cfi_rel_offset x23, 32
    .cfi_rel_offset x24, 40
    stp x25, x26, [sp, #48]
    .cfi_rel_offset x25, 48
    .cfi_rel_offset x26, 56
    stp x27, x28, [sp, #64]
    .cfi_rel_offset x27, 64
    .cfi_rel_offset x28, 72
    stp x29, x30, [sp, #80]
    .cfi_rel_offset x29, 80
    .cfi_rel_offset x30, 88
    stp d8, d9, [sp, #96]
    stp d10, d11, [sp, #112]
    stp d12, d13, [sp, #128]
    stp d14, d15, [sp, #144]
    mrs x9, fpcr
    str x9, [sp, #160]

    mov x9, sp
    str x9, [x0]
    mov sp, x1

    ldr x9, [sp, #160]
    msr fpcr, x9
    ldp d14, d15, [sp, #144]
    ldp d12, d13, [sp, #128]
    ldp d10, d11, [sp, #112]
    ldp d8, d9, [sp, #96]
    ldp x29, x30, [sp, #80]
    ldp x27, x28, [sp, #64]
    ldp x25, x26, [sp, #48]
    ldp x23, x24, [sp, #32]
    ldp x21, x22, [sp, #16]
    ldp x19, x20, [sp, #0]
    add sp, sp, #176
    .cfi_adjust_cfa_offset -176
    ret
    .cfi_endproc
    .size tandem_context_switch, . - tandem_context_switch

// The root frame of every fiber: x19 holds the fiber. The undefined return address tells
// debuggers and Swift's crash backtrace that the stack ends here.
    .globl tandem_context_boot
    .hidden tandem_context_boot
    .type tandem_context_boot, %function
    .p2align 4
tandem_context_boot:
    .cfi_startproc
    .cfi_undefined x30
    mov x0, x19
    bl tandem_fiber_main
    brk #1
    .cfi_endproc
    .size tandem_context_boot, . - tandem_context_boot
#endif
    .section .note.GNU-stack,"",%progbits
