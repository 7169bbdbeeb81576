/* Stacks of fibers and the switch between them. On x86-64 a switch saves what the calling convention asks for and takes
 * nanoseconds; swapcontext, used elsewhere, asks the kernel for the signal mask each time. */
#pragma once

namespace simulator {

/* The i-th stack of this OS thread, made anew: the first switch to it calls entry, which never returns. */
void *new_stack(unsigned i, void (*entry)());

/* Leaves the present stack, whose place goes to *from, for `to`. */
void switch_stack(void **from, void *to);

} // namespace simulator
