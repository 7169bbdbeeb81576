#include "fiber_stack.h"

#include <stdint.h>
#include <stdlib.h>
#include <ucontext.h>

#include <vector>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

namespace simulator {

namespace {

constexpr size_t stack_bytes = 128 << 10;

struct stack_pool {
    std::vector<char *> stacks;
    std::vector<ucontext_t *> contexts;
    ~stack_pool() {
        for (char *s : stacks) free(s);
        for (ucontext_t *c : contexts) delete c;
    }
};
thread_local stack_pool pool;

char *stack_of(unsigned i) {
    while (pool.stacks.size() <= i) {
        char *memory = (char *)aligned_alloc(64, stack_bytes);
        if (!memory) abort();
        pool.stacks.push_back(memory);
    }
#ifdef __SANITIZE_ADDRESS__
    __asan_unpoison_memory_region(pool.stacks[i], stack_bytes); /* its last fiber has not returned from entry */
#endif
    return pool.stacks[i];
}

} // namespace

#ifdef __x86_64__

extern "C" void df_simulator_switch(void **from, void *to);
__asm__(".text\n.type df_simulator_switch,@function\ndf_simulator_switch:\n"
        " push %rbp\n push %rbx\n push %r12\n push %r13\n push %r14\n push %r15\n"
        " mov %rsp,(%rdi)\n mov %rsi,%rsp\n"
        " pop %r15\n pop %r14\n pop %r13\n pop %r12\n pop %rbx\n pop %rbp\n ret\n"
        ".size df_simulator_switch,.-df_simulator_switch\n");

void *new_stack(unsigned i, void (*entry)()) {
    constexpr int saved_registers = 6;
    void **top = (void **)(stack_of(i) + stack_bytes);
    *--top = nullptr; /* where entry would return to: keeps its frame aligned as after a call */
    *--top = (void *)entry;
    for (int r = 0; r < saved_registers; r++) *--top = nullptr;
    return top;
}

void switch_stack(void **from, void *to) {
    df_simulator_switch(from, to);
}

#else

void *new_stack(unsigned i, void (*entry)()) {
    while (pool.contexts.size() <= i) pool.contexts.push_back(new ucontext_t);
    ucontext_t *c = pool.contexts[i];
    getcontext(c);
    c->uc_stack.ss_sp = stack_of(i);
    c->uc_stack.ss_size = stack_bytes;
    c->uc_link = nullptr;
    makecontext(c, entry, 0);
    return c;
}

/* A stack's place is its context; the scheduler's is on its own stack while it waits. */
void switch_stack(void **from, void *to) {
    ucontext_t here;
    *from = &here;
    swapcontext(&here, (ucontext_t *)to);
}

#endif

} // namespace simulator
