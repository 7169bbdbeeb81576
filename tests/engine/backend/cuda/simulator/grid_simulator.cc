#include "grid_simulator.h"

#include <new>

#include "fiber_stack.h"

namespace simulator {

thread_local fiber *current;
thread_local index3 block_index, block_dim, grid_dim;

namespace {

thread_local void *scheduler;
thread_local barrier block_meet;
thread_local const std::function<void()> *kernel_body;

struct shared_block {
    const char *file;
    int line;
    size_t bytes;
    void *memory;
};
thread_local std::vector<shared_block> shared_blocks;
thread_local size_t dynamic_bytes;
constexpr std::align_val_t shared_alignment { 128 };

void *new_shared(size_t bytes) {
    return memset(operator new(bytes, shared_alignment), 0xff, bytes);
}

void free_shared() {
    for (shared_block &s : shared_blocks) operator delete(s.memory, shared_alignment);
    shared_blocks.clear();
}

void switch_to_scheduler() {
    switch_stack(&current->stack_pointer, scheduler);
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

/* Groups without copies may be left: they keep the count of a loop's last turns. */
void check_no_copies_left() {
    size_t left = current->open_group.size();
    for (const std::vector<async_copy> &group : current->groups) left += group.size();
    if (left) fail("ends with %d copies that nobody waited for", (int)left, 0);
}

[[noreturn]] void fiber_main() {
    (*kernel_body)();
    check_no_copies_left();
    current->done = true;
    leave(block_meet);
    leave(current->own_warp->meet);
    switch_to_scheduler();
    abort(); /* a fiber that is done is not run again */
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

thread_local order by; /* of the grid that runs */
thread_local unsigned seed;

unsigned random_below(unsigned n) {
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % n;
}

std::vector<unsigned> turns(unsigned n) {
    std::vector<unsigned> turn(n);
    for (unsigned i = 0; i < n; i++) turn[i] = by == order::reverse ? n - 1 - i : i;
    for (unsigned i = n; by == order::random && i > 1; i--) std::swap(turn[i - 1], turn[random_below(i)]);
    return turn;
}

/* A copy may arrive at any time between its start and the wait for it; both ends of that are played. */
bool is_early() {
    return by == order::reverse || (by == order::random && random_below(2));
}

void make(const async_copy &c) {
    memcpy(c.to, c.from, c.valid);
    memset((char *)c.to + c.valid, 0, c.bytes - c.valid);
}

bool can_run(const fiber &f) {
    return !f.done && !(f.waits_for && f.waits_for->generation == f.waits_past);
}

void resume(fiber &f) {
    f.waits_for = nullptr;
    current = &f;
    switch_stack(&scheduler, f.stack_pointer);
}

/* Turns for the lanes of one warp until all of them are done or wait for other warps. False: none could run. */
bool run_warp(fiber *lanes, unsigned n) {
    for (bool any = false;; any = true) {
        bool moved = false;
        for (unsigned i : turns(n)) {
            if (!can_run(lanes[i])) continue;
            resume(lanes[i]);
            moved = true;
        }
        if (!moved) return any;
    }
}

/* A warp runs as far as it can before the next one starts: no device lets them drift further apart. */
void run_fibers(std::vector<fiber> &fibers) {
    const unsigned n = (unsigned)fibers.size(), n_warps = (n + 31) / 32;
    for (bool moved = true; moved;) {
        moved = false;
        for (unsigned w : turns(n_warps)) moved |= run_warp(&fibers[32 * w], n - 32 * w < 32 ? n - 32 * w : 32);
    }
    int left = 0;
    for (const fiber &f : fibers) left += !f.done;
    if (left) fail("%d of %d threads wait at a barrier that the others never reach", left, (int)n);
}

void start_fiber(fiber &f, unsigned i, warp &w) {
    f.thread = { i, 0, 0 };
    f.lane = (int)(i % 32);
    f.own_warp = &w;
    f.stack_pointer = new_stack(i, fiber_main);
    w.meet.members++;
}

} // namespace

void fail(const char *what, int a, int b) {
    fprintf(stderr, "grid simulator: block %u, thread %u: ", block_index.x, current ? current->thread.x : 0);
    fprintf(stderr, what, a, b);
    fputc('\n', stderr);
    abort();
}

barrier &block_barrier() {
    return block_meet;
}

void meet(barrier &b, int line) {
    if (b.arrived == 0)
        b.line = line;
    else if (b.line != line)
        fail("a barrier at line %d meets one at line %d", line, b.line);
    const unsigned generation = b.generation;
    b.arrived++;
    open_if_all_arrived(b);
    if (b.generation != generation) return;
    current->waits_for = &b;
    current->waits_past = generation;
    switch_to_scheduler();
}

void *shared_array(const char *file, int line, size_t bytes) {
    for (const shared_block &s : shared_blocks)
        if (s.line == line && s.bytes == bytes && !strcmp(s.file, file)) return s.memory;
    shared_blocks.push_back({ file, line, bytes, new_shared(bytes) });
    return shared_blocks.back().memory;
}

void *dynamic_shared() {
    return shared_array("the launch's", 0, dynamic_bytes);
}

void copy_async(const async_copy &copy) {
    if (is_early())
        make(copy);
    else
        current->open_group.push_back(copy);
}

void commit_copies() {
    current->groups.push_back(std::move(current->open_group));
    current->open_group.clear();
}

void wait_for_copies(size_t may_be_left) {
    std::vector<std::vector<async_copy>> &groups = current->groups;
    while (groups.size() > may_be_left) {
        for (const async_copy &c : groups.front()) make(c);
        groups.erase(groups.begin());
    }
}

void run_grid(unsigned grid, unsigned block, size_t shared_bytes, const std::function<void()> &body) {
    seed = 12345;
    by = chosen_order();
    kernel_body = &body;
    block_dim = { block, 1, 1 };
    grid_dim = { grid, 1, 1 };
    dynamic_bytes = shared_bytes;
    for (unsigned b = 0; b < grid; b++) {
        std::vector<warp> warps((block + 31) / 32);
        std::vector<fiber> fibers(block);
        block_index = { b, 0, 0 };
        block_meet = {};
        block_meet.members = block;
        for (unsigned i = 0; i < block; i++) start_fiber(fibers[i], i, warps[i / 32]);
        run_fibers(fibers);
        free_shared();
    }
}

cudaError_t launch(cudaStream_t stream, const std::function<void()> &kernel) {
    if (stream && launch_on) return launch_on(stream, kernel);
    kernel();
    return cudaSuccess;
}

} // namespace simulator
