/* Between the host's stack and the guest's, AAPCS64; see switch_x86_64.S for the contract. */

        .text

        .globl cb_enter
        .hidden cb_enter
        .type cb_enter, %function
        .p2align 4
cb_enter:
        stp x29, x30, [sp, #-176]!
        stp x19, x20, [sp, #16]
        stp x21, x22, [sp, #32]
        stp x23, x24, [sp, #48]
        stp x25, x26, [sp, #64]
        stp x27, x28, [sp, #80]
        stp d8, d9, [sp, #96]
        stp d10, d11, [sp, #112]
        stp d12, d13, [sp, #128]
        stp d14, d15, [sp, #144]
        ldp x9, x10, [x0]
        stp x9, x10, [sp, #160]
        mov x19, x0
        mov x9, sp
        str x9, [x0]
        mov sp, x10
        mov x9, x1
        mov x1, x2
        add x0, x0, #16, lsl #12
        blr x9
        mov w0, #0
.Lback:
        ldr x9, [x19]
        mov sp, x9
        ldp x9, x10, [sp, #160]
        stp x9, x10, [x19]
        ldp x19, x20, [sp, #16]
        ldp x21, x22, [sp, #32]
        ldp x23, x24, [sp, #48]
        ldp x25, x26, [sp, #64]
        ldp x27, x28, [sp, #80]
        ldp d8, d9, [sp, #96]
        ldp d10, d11, [sp, #112]
        ldp d12, d13, [sp, #128]
        ldp d14, d15, [sp, #144]
        ldp x29, x30, [sp], #176
        ret
        .size cb_enter, . - cb_enter

        .globl cb_leave
        .hidden cb_leave
        .type cb_leave, %function
        .p2align 4
cb_leave:
        mov x19, x0
        mov w0, w1
        b .Lback
        .size cb_leave, . - cb_leave

        .globl cb_on_host
        .hidden cb_on_host
        .type cb_on_host, %function
        .p2align 4
cb_on_host:
        stp x29, x30, [sp, #-32]!
        ldr x9, [x0, #8]
        stp x19, x9, [sp, #16]
        mov x19, x0
        mov x9, sp
        str x9, [x0, #8]
        ldr x9, [x0]
        mov sp, x9
        mov x0, x2
        blr x1
        ldr x9, [x19, #8]
        mov sp, x9
        ldp x10, x9, [sp, #16]
        str x9, [x19, #8]
        mov x19, x10
        ldp x29, x30, [sp], #32
        ret
        .size cb_on_host, . - cb_on_host

        .section .note.GNU-stack, "", %progbits
