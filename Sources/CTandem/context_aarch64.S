#if defined(__aarch64__)
// void tandem_context_switch(void **save, void *to)
//
// Saves the callee-saved registers of AAPCS64 (x19-x30, d8-d15) and fpcr on the current stack, stores
// the stack pointer in *save, loads `to` as the stack pointer, restores the registers saved there and
// returns to the code that saved them. Both sides are suspended inside this function, so the same CFI
// describes the frame before and after the switch.
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

// The root frame of every fiber: x19 holds the fiber. The undefined return address marks
// the end of the stack for debuggers and Swift's crash backtrace.
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

// void tandem_context_call(void *sp, void (*function)(void *), void *argument)
//
// Calls function(argument) on top of the stack that was saved as sp. The CFI describes this frame as the frame of
// tandem_context_switch that is suspended there, so unwinders continue into it. The frame pointer is that stack's too.
    .globl tandem_context_call
    .hidden tandem_context_call
    .type tandem_context_call, %function
    .p2align 4
tandem_context_call:
    .cfi_startproc
    stp x29, x30, [sp, #-32]!
    .cfi_adjust_cfa_offset 32
    .cfi_rel_offset x29, 0
    .cfi_rel_offset x30, 8
    str x19, [sp, #16]
    .cfi_rel_offset x19, 16
    mov x19, sp
    .cfi_remember_state
    mov sp, x0
    .cfi_def_cfa sp, 176
    .cfi_offset x19, -176
    .cfi_offset x20, -168
    .cfi_offset x21, -160
    .cfi_offset x22, -152
    .cfi_offset x23, -144
    .cfi_offset x24, -136
    .cfi_offset x25, -128
    .cfi_offset x26, -120
    .cfi_offset x27, -112
    .cfi_offset x28, -104
    .cfi_offset x29, -96
    .cfi_offset x30, -88
    ldr x29, [sp, #80]
    mov x0, x2
    blr x1
    mov sp, x19
    .cfi_restore_state
    ldr x19, [sp, #16]
    .cfi_restore x19
    ldp x29, x30, [sp], #32
    .cfi_def_cfa_offset 0
    .cfi_restore x29
    .cfi_restore x30
    ret
    .cfi_endproc
    .size tandem_context_call, . - tandem_context_call
#endif
    .section .note.GNU-stack,"",%progbits
