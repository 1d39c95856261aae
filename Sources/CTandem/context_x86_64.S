#if defined(__x86_64__)
// void tandem_context_switch(void **save, void *to)
//
// Saves the callee-saved state of the System V ABI (rbx, rbp, r12-r15, the control bits of mxcsr and
// x87) on the current stack, stores the stack pointer in *save, loads `to` as the stack pointer,
// restores the state saved there and jumps to the code that saved it. Both sides are suspended inside
// this function, so the same CFI describes the frame before and after the switch.
    .text
    .globl tandem_context_switch
    .hidden tandem_context_switch
    .type tandem_context_switch, @function
    .p2align 4
tandem_context_switch:
    .cfi_startproc
    pushq %rbp
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %rbp, 0
    pushq %rbx
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %rbx, 0
    pushq %r12
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r12, 0
    pushq %r13
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r13, 0
    pushq %r14
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r14, 0
    pushq %r15
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r15, 0
    subq $8, %rsp
    .cfi_adjust_cfa_offset 8
    stmxcsr (%rsp)
    fnstcw 4(%rsp)

    movq %rsp, (%rdi)
    movq %rsi, %rsp

    ldmxcsr (%rsp)
    fldcw 4(%rsp)
    addq $8, %rsp
    .cfi_adjust_cfa_offset -8
    popq %r15
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r15
    popq %r14
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r14
    popq %r13
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r13
    popq %r12
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r12
    popq %rbx
    .cfi_adjust_cfa_offset -8
    .cfi_restore %rbx
    popq %rbp
    .cfi_adjust_cfa_offset -8
    .cfi_restore %rbp
    // A jump, not ret: the processor would predict a return to the caller on the stack that was left.
    popq %rcx
    .cfi_adjust_cfa_offset -8
    .cfi_register %rip, %rcx
    jmpq *%rcx
    .cfi_endproc
    .size tandem_context_switch, . - tandem_context_switch

// The root frame of every fiber: rbx holds the fiber. The undefined return address marks
// the end of the stack for debuggers and Swift's crash backtrace.
    .globl tandem_context_boot
    .hidden tandem_context_boot
    .type tandem_context_boot, @function
    .p2align 4
tandem_context_boot:
    .cfi_startproc
    .cfi_undefined %rip
    movq %rbx, %rdi
    callq tandem_fiber_main@PLT
    ud2
    .cfi_endproc
    .size tandem_context_boot, . - tandem_context_boot

// void tandem_context_call(void *sp, void (*function)(void *), void *argument)
//
// Calls function(argument) on top of the stack that was saved as sp. The CFI describes this frame as the frame of
// tandem_context_switch that is suspended there, so unwinders continue into it. The frame pointer is that stack's too.
    .globl tandem_context_call
    .hidden tandem_context_call
    .type tandem_context_call, @function
    .p2align 4
tandem_context_call:
    .cfi_startproc
    pushq %rbp
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %rbp, 0
    pushq %rbx
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %rbx, 0
    movq %rsp, %rbx
    movq %rsi, %rax
    .cfi_remember_state
    movq %rdi, %rsp
    .cfi_def_cfa %rsp, 64
    .cfi_offset %r15, -56
    .cfi_offset %r14, -48
    .cfi_offset %r13, -40
    .cfi_offset %r12, -32
    .cfi_offset %rbx, -24
    .cfi_offset %rbp, -16
    movq 48(%rsp), %rbp
    movq %rdx, %rdi
    callq *%rax
    movq %rbx, %rsp
    .cfi_restore_state
    popq %rbx
    .cfi_def_cfa_offset 16
    .cfi_restore %rbx
    popq %rbp
    .cfi_def_cfa_offset 8
    .cfi_restore %rbp
    retq
    .cfi_endproc
    .size tandem_context_call, . - tandem_context_call
#endif
    .section .note.GNU-stack,"",@progbits
