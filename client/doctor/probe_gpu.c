/* The NVIDIA driver, its devices and NCCL, by their own libraries' functions: nothing of CUDA is linked, and no toolkit
 * is needed. Runs in a process of its own. Source: CUDA Driver API reference, NCCL API reference. */
#include <dlfcn.h>
#include <stdarg.h>
#include <stdbool.h>

#include "client/doctor/checkup.h"
#include "engine/backend/cuda/module.h"

enum {
    NO_DEVICE = 100,
    CAPABILITY_MAJOR = 75,
    CAPABILITY_MINOR = 76,
    LEAST_CAPABILITY = 80
}; /* CUresult, CUdevice_attribute */

typedef struct driver {
    int (*init)(unsigned flags);
    int (*version)(int *version);
    int (*count)(int *n);
    int (*get)(int *device, int index);
    int (*name)(char *out, int bytes, int device);
    int (*memory)(size_t *bytes, int device);
    int (*attribute)(int *value, int attribute, int device);
    int (*error_text)(int code, const char **text);
} driver;

static void say(df_level level, const char *name, const char *fix, const char *text, ...)
    __attribute__((format(printf, 4, 5)));

static void say(df_level level, const char *name, const char *fix, const char *text, ...) {
    df_finding of = { .level = level };
    va_list args;
    va_start(args, text);
    vsnprintf(of.text, sizeof of.text, text, args);
    va_end(args);
    snprintf(of.name, sizeof of.name, "%s", name);
    snprintf(of.fix, sizeof of.fix, "%s", fix);
    df_finding_write(stdout, &of);
    fflush(stdout);
}

/* POSIX lets a symbol's address be a function's, ISO C does not. */
static bool find(void *library, const char *name, void *function) {
    *(void **)function = dlsym(library, name);
    return *(void **)function != NULL;
}

static bool load(driver *d, void *library) {
    return find(library, "cuInit", &d->init) && find(library, "cuDriverGetVersion", &d->version) &&
           find(library, "cuDeviceGetCount", &d->count) && find(library, "cuDeviceGet", &d->get) &&
           find(library, "cuDeviceGetName", &d->name) && find(library, "cuDeviceTotalMem_v2", &d->memory) &&
           find(library, "cuDeviceGetAttribute", &d->attribute) && find(library, "cuGetErrorString", &d->error_text);
}

static void say_device(const driver *d, int index) {
    int device, major = 0, minor = 0;
    size_t bytes = 0;
    char name[128] = "?", label[24];
    snprintf(label, sizeof label, "gpu %d", index);
    if (d->get(&device, index) || d->name(name, sizeof name, device) || d->memory(&bytes, device) ||
        d->attribute(&major, CAPABILITY_MAJOR, device) || d->attribute(&minor, CAPABILITY_MINOR, device)) {
        say(DF_FOUND_PROBLEM, label, "`nvidia-smi` tells more", "the driver counts it, but does not describe it");
        return;
    }
    bool known = 10 * major + minor >= LEAST_CAPABILITY;
    say(known ? DF_FOUND_OK : DF_FOUND_WARNING, label, known ? "" : "leave it out of CUDA_VISIBLE_DEVICES",
        "%s, sm_%d%d, %.1f GiB%s", name, major, minor, (double)bytes / (1 << 30),
        known ? "" : ": kernels are built for sm_80 and later");
}

/* A driver runs programs of its own CUDA's major version and of earlier ones. */
static bool is_new_enough(int version) {
    const df_cuda_module *m;
    return df_cuda_module_load(&m, NULL) || version / 1000 >= m->cuda_version / 1000;
}

static void say_driver(const driver *d, df_level missing) {
    int version = 0, n = 0;
    const char *text = NULL;
    d->version(&version);
    int code = d->init(0);
    if (code == NO_DEVICE || (!code && !d->count(&n) && !n)) {
        say(missing, "gpu", "is there a GPU, and is it in CUDA_VISIBLE_DEVICES or the allocation (--gres=gpu:1)?",
            "a driver (CUDA %d.%d), but no device", version / 1000, version % 1000 / 10);
    } else if (code) {
        if (d->error_text(code, &text) || !text) text = "unknown";
        say(DF_FOUND_PROBLEM, "gpu", "`nvidia-smi` should work before a GPU can be used",
            "the driver does not start: error %d, %s", code, text);
    } else if (!is_new_enough(version)) {
        say(DF_FOUND_PROBLEM, "gpu", "install a newer driver, or build with an older CUDA toolkit",
            "the driver is too old: it knows CUDA %d.%d, the cuda backend was built with a later one", version / 1000,
            version % 1000 / 10);
    } else {
        say(DF_FOUND_OK, "gpu", "", "driver for CUDA %d.%d, %d device%s", version / 1000, version % 1000 / 10, n,
            n == 1 ? "" : "s");
        for (int i = 0; i < n; i++) say_device(d, i);
    }
}

static void look_at_driver(df_level missing) {
    driver d;
    void *library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!library)
        say(missing, "gpu", missing == DF_FOUND_NOTE ? "" : "install the NVIDIA driver on this host",
            "no NVIDIA driver (libcuda.so.1): pictures are made on the CPU");
    else if (!load(&d, library))
        say(DF_FOUND_PROBLEM, "gpu", "install the NVIDIA driver anew", "libcuda.so.1 lacks functions: %s", dlerror());
    else
        say_driver(&d, missing);
}

static void look_at_nccl(df_level missing) {
    int (*get)(int *version), version = 0;
    void *library = dlopen("libnccl.so.2", RTLD_NOW | RTLD_LOCAL);
    if (!library)
        say(missing, "nccl", "install libnccl2, or add its folder to LD_LIBRARY_PATH",
            "none (libnccl.so.2): pipelines over GPUs would go through the host's memory");
    else if (!find(library, "ncclGetVersion", &get) || get(&version) || version < 1000)
        say(DF_FOUND_PROBLEM, "nccl", "install it anew", "libnccl.so.2 does not tell its version");
    else if (version < 10000)
        say(DF_FOUND_OK, "nccl", "", "%d.%d.%d", version / 1000, version % 1000 / 100, version % 100);
    else
        say(DF_FOUND_OK, "nccl", "", "%d.%d.%d", version / 10000, version % 10000 / 100, version % 100);
}

static void look_at_backend(df_level missing) {
    const df_cuda_module *m;
    df_err err;
    if (df_cuda_module_load(&m, &err))
        say(missing, "cuda backend", "", "%s", err.text);
    else
        say(DF_FOUND_OK, "cuda backend", "", "built with CUDA %d.%d", m->cuda_version / 1000,
            m->cuda_version % 1000 / 10);
}

int df_probe_gpu(bool wanted) {
    df_level missing = wanted ? DF_FOUND_PROBLEM : DF_FOUND_NOTE;
    look_at_backend(missing);
    look_at_driver(missing);
    look_at_nccl(missing);
    return 0;
}
