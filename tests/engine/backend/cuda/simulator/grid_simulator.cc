#include "grid_simulator.h"

namespace simulator {

thread_local fiber *current;
thread_local index3 block_index, block_dim, grid_dim;

namespace {

constexpr size_t stack_bytes = 128 << 10;

thread_local ucontext_t scheduler;
thread_local barrier block_meet;
thread_local const std::function<void()> *kernel_body;

[[noreturn]] void fail(const char *what, int a, int b) {
    fprintf(stderr, "grid simulator: block %u, thread %u: ", block_index.x, current ? current->thread.x : 0);
    fprintf(stderr, what, a, b);
    fputc('\n', stderr);
    abort();
}

void switch_to_scheduler() {
    swapcontext(&current->context, &scheduler);
}

void open_if_all_arrived(barrier &b) {
    if (b.members && b.arrived >= b.members) {
        b.arrived = 0;
        b.generation++;
    }
}

void leave(barrier &b) {
    b.members--;
    open_if_all_arrived(b);
}

void fiber_main() {
    (*kernel_body)();
    current->done = true;
    leave(block_meet);
    leave(current->own_warp->meet);
    switch_to_scheduler();
}

enum class order { forward, reverse, random };

order chosen_order() {
    const char *name = getenv("DF_SIM_ORDER");
    if (!name || !strcmp(name, "forward")) return order::forward;
    if (!strcmp(name, "reverse")) return order::reverse;
    if (!strcmp(name, "random")) return order::random;
    fprintf(stderr, "grid simulator: DF_SIM_ORDER=%s is none of forward, reverse, random\n", name);
    abort();
}

std::vector<unsigned> turns(unsigned n, unsigned &seed) {
    std::vector<unsigned> turn(n);
    const order by = chosen_order();
    for (unsigned i = 0; i < n; i++) turn[i] = by == order::reverse ? n - 1 - i : i;
    for (unsigned i = n; by == order::random && i > 1; i--) {
        seed = seed * 1664525u + 1013904223u;
        std::swap(turn[i - 1], turn[(seed >> 8) % i]);
    }
    return turn;
}

/* Gives every fiber its turn until all are done. */
void run_fibers(std::vector<fiber> &fibers, const std::vector<unsigned> &turn) {
    for (size_t left = fibers.size(); left;) {
        bool moved = false;
        for (unsigned i : turn) {
            fiber &f = fibers[i];
            if (f.done || (f.waits_for && f.waits_for->generation == f.waits_past)) continue;
            f.waits_for = nullptr;
            current = &f;
            moved = true;
            swapcontext(&scheduler, &f.context);
            left -= f.done;
        }
        if (!moved) fail("%d of %d threads wait at a barrier that the others never reach", (int)left,
                         (int)fibers.size());
    }
}

void start_fiber(fiber &f, unsigned i, warp &w, char *stack) {
    f.thread = { i, 0, 0 };
    f.lane = (int)(i % 32);
    f.own_warp = &w;
    w.meet.members++;
    getcontext(&f.context);
    f.context.uc_stack.ss_sp = stack;
    f.context.uc_stack.ss_size = stack_bytes;
    f.context.uc_link = nullptr;
    makecontext(&f.context, fiber_main, 0);
}

} // namespace

barrier &block_barrier() {
    return block_meet;
}

void meet(barrier &b, int line) {
    if (b.arrived == 0) b.line = line;
    else if (b.line != line) fail("a barrier at line %d meets one at line %d", line, b.line);
    const unsigned generation = b.generation;
    b.arrived++;
    open_if_all_arrived(b);
    if (b.generation != generation) return;
    current->waits_for = &b;
    current->waits_past = generation;
    switch_to_scheduler();
}

void run_grid(unsigned grid, unsigned block, const std::function<void()> &body) {
    std::vector<char> stacks(block * stack_bytes);
    unsigned seed = 12345;
    kernel_body = &body;
    block_dim = { block, 1, 1 };
    grid_dim = { grid, 1, 1 };
    for (unsigned b = 0; b < grid; b++) {
        std::vector<warp> warps((block + 31) / 32);
        std::vector<fiber> fibers(block);
        block_index = { b, 0, 0 };
        block_meet = {};
        block_meet.members = block;
        for (unsigned i = 0; i < block; i++) start_fiber(fibers[i], i, warps[i / 32], &stacks[i * stack_bytes]);
        run_fibers(fibers, turns(block, seed));
    }
}

} // namespace simulator
