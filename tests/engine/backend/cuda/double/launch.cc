#include "tests/engine/backend/cuda/double/launch.h"

#include <memory>

#include "grid_simulator.h"
#include "tests/engine/backend/cuda/double/gpu_double.h"

namespace {

struct extent {
    const void *data;
    size_t bytes;
    bool writes;
};

struct kernel {
    std::vector<extent> touches;
    std::function<void()> run;
};

thread_local std::vector<extent> declared;

bool run_kernel(void *ctx, gpu_work *self) {
    const kernel *k = static_cast<const kernel *>(ctx);
    bool there = true;
    for (const extent &e : k->touches) there &= gpu_work_use(self, e.data, e.bytes, e.writes);
    if (there) k->run();
    return true;
}

void drop_kernel(void *ctx) {
    delete static_cast<kernel *>(ctx);
}

void declare(const void *data, size_t bytes, bool writes) {
    if (data) declared.push_back({ data, bytes, writes });
}

} // namespace

void launch_reads(const void *data, size_t bytes) {
    declare(data, bytes, false);
}

void launch_writes(const void *data, size_t bytes) {
    declare(data, bytes, true);
}

cudaError_t launch_end(cudaError_t e) {
    declared.clear();
    return e;
}

cudaError_t launch_function(cudaStream_t s, void (*run)(void *ctx), void (*drop)(void *ctx), void *ctx) {
    const std::shared_ptr<void> owned(ctx, drop);
    return simulator::launch_on(s, [=] { run(owned.get()); });
}

cudaError_t simulator::launch_on(cudaStream_t stream, const std::function<void()> &run) {
    gpu_double_lock();
    if (declared.empty()) gpu_double_report("a kernel that does not say what it touches");
    const bool taken = gpu_double_submit(stream, run_kernel, drop_kernel, new kernel { declared, run });
    gpu_double_unlock();
    return taken ? cudaSuccess : cudaErrorInvalidResourceHandle;
}
