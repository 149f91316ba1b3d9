/* Between the host's stack and the guest's, System V x86-64. `struct cb_instance` begins with
 * host_sp (0) and guest_sp (8); linear memory is 65536 bytes behind its start (abi.h). */

        .text

/* int cb_enter(struct cb_instance *, void (*entry)(uint8_t *self, uint64_t *values),
 *              uint64_t *values)
 * Calls entry on the guest's stack. 0, or the code that cb_leave was given. Both stack pointers
 * are kept on the host's stack, so that a host import may call the guest again. */
        .globl cb_enter
        .hidden cb_enter
        .type cb_enter, @function
        .p2align 4
cb_enter:
        pushq %rbp
        pushq %rbx
        pushq %r12
        pushq %r13
        pushq %r14
        pushq %r15
        pushq 0(%rdi)
        pushq 8(%rdi)
        subq $8, %rsp
        movq %rdi, %rbx
        movq %rsp, 0(%rdi)
        movq 8(%rdi), %rsp
        movq %rsi, %rax
        movq %rdx, %rsi
        leaq 65536(%rdi), %rdi
        call *%rax
        xorl %eax, %eax
.Lback:
        movq 0(%rbx), %rsp
        addq $8, %rsp
        popq 8(%rbx)
        popq 0(%rbx)
        popq %r15
        popq %r14
        popq %r13
        popq %r12
        popq %rbx
        popq %rbp
        ret
        .size cb_enter, . - cb_enter

/* void cb_leave(struct cb_instance *, int code): ends the innermost cb_enter with that code. */
        .globl cb_leave
        .hidden cb_leave
        .type cb_leave, @function
        .p2align 4
cb_leave:
        cld
        movq %rdi, %rbx
        movl %esi, %eax
        jmp .Lback
        .size cb_leave, . - cb_leave

/* int cb_on_host(struct cb_instance *, int (*function)(uint64_t *), uint64_t *values)
 * Calls function on the host's stack. */
        .globl cb_on_host
        .hidden cb_on_host
        .type cb_on_host, @function
        .p2align 4
cb_on_host:
        pushq %rbx
        pushq 8(%rdi)
        subq $8, %rsp
        movq %rdi, %rbx
        movq %rsp, 8(%rdi)
        movq 0(%rdi), %rsp
        movq %rdx, %rdi
        call *%rsi
        movq 8(%rbx), %rsp
        addq $8, %rsp
        popq 8(%rbx)
        popq %rbx
        ret
        .size cb_on_host, . - cb_on_host

        .section .note.GNU-stack, "", @progbits
