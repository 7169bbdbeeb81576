/* The NVIDIA driver, its devices and NCCL, by their own libraries' functions: nothing of CUDA is linked, and no toolkit
 * is needed. Runs in a process of its own. Source: CUDA Driver API reference, NCCL API reference. */
#include <dlfcn.h>
#include <stdbool.h>
#include <string.h>

#include "client/doctor/checkup.h"
#include "client/doctor/pci_gpus.h"
#include "engine/backend/cuda/module.h"

enum {
    NO_DEVICE = 100,
    CAPABILITY_MAJOR = 75,
    CAPABILITY_MINOR = 76,
    LEAST_CAPABILITY = 80
}; /* CUresult, CUdevice_attribute */

typedef struct probe {
    df_findings found; /* as lines to the parent */
    df_level missing; /* of a finding about what is not there */
    bool has_device;
} probe;

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

static void say_device(probe *p, const driver *d, int index) {
    int device, major = 0, minor = 0;
    size_t bytes = 0;
    char name[128] = "?", label[24];
    snprintf(label, sizeof label, "gpu %d", index);
    if (d->get(&device, index) || d->name(name, sizeof name, device) || d->memory(&bytes, device) ||
        d->attribute(&major, CAPABILITY_MAJOR, device) || d->attribute(&minor, CAPABILITY_MINOR, device)) {
        df_found(&p->found, DF_FOUND_PROBLEM, label, "`nvidia-smi` tells more",
                 "the driver counts it, but does not describe it");
        return;
    }
    bool known = 10 * major + minor >= LEAST_CAPABILITY;
    df_found(&p->found, known ? DF_FOUND_OK : DF_FOUND_WARNING, label,
             known ? NULL : "leave it out of CUDA_VISIBLE_DEVICES", "%s, sm_%d%d, %.1f GiB%s", name, major, minor,
             (double)bytes / (1 << 30), known ? "" : ": kernels are built for sm_80 and later");
}

/* A driver runs programs of its own CUDA's major version and of earlier ones. */
static bool is_new_enough(int version) {
    const df_cuda_module *m;
    return df_cuda_module_load(&m, NULL) || version / 1000 >= m->cuda_version / 1000;
}

static void say_driver(probe *p, const driver *d) {
    int version = 0, n = 0;
    const char *text = NULL;
    d->version(&version);
    int code = d->init(0);
    if (code == NO_DEVICE || (!code && !d->count(&n) && !n)) {
        df_found(&p->found, p->missing, "gpu",
                 "is there a GPU, and is it in CUDA_VISIBLE_DEVICES or the allocation (--gres=gpu:1)?",
                 "a driver (CUDA %d.%d), but no device", version / 1000, version % 1000 / 10);
    } else if (code) {
        if (d->error_text(code, &text) || !text) text = "unknown";
        df_found(&p->found, DF_FOUND_PROBLEM, "gpu", "`nvidia-smi` should work before a GPU can be used",
                 "the driver does not start: error %d, %s", code, text);
    } else if (!is_new_enough(version)) {
        df_found(&p->found, DF_FOUND_PROBLEM, "gpu", "install a newer driver, or build with an older CUDA toolkit",
                 "the driver is too old: it knows CUDA %d.%d, the cuda backend was built with a later one",
                 version / 1000, version % 1000 / 10);
    } else {
        df_found(&p->found, DF_FOUND_OK, "gpu", NULL, "driver for CUDA %d.%d, %d device%s", version / 1000,
                 version % 1000 / 10, n, n == 1 ? "" : "s");
        for (int i = 0; i < n; i++) say_device(p, d, i);
        p->has_device = true;
    }
}

static void say_no_driver(probe *p) {
    int n = df_pci_gpus(DF_PCI_DEVICES);
    if (n > 0)
        df_found(&p->found, p->missing == DF_FOUND_NOTE ? DF_FOUND_WARNING : p->missing, "gpu",
                 "install the NVIDIA driver on this host", "%d NVIDIA GPU%s, but no driver (libcuda.so.1)", n,
                 n == 1 ? "" : "s");
    else
        df_found(&p->found, p->missing, "gpu",
                 p->missing == DF_FOUND_NOTE ? NULL : "install the NVIDIA driver on a host that has a GPU",
                 "no NVIDIA driver (libcuda.so.1)%s: pictures are made on the CPU", n ? "" : ", and no NVIDIA GPU");
}

static void look_at_driver(probe *p) {
    driver d;
    void *library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!library)
        say_no_driver(p);
    else if (!load(&d, library))
        df_found(&p->found, DF_FOUND_PROBLEM, "gpu", "install the NVIDIA driver anew",
                 "libcuda.so.1 lacks functions: %s", dlerror());
    else
        say_driver(p, &d);
}

static void look_at_nccl(probe *p) {
    int (*get)(int *version), version = 0;
    void *library = dlopen("libnccl.so.2", RTLD_NOW | RTLD_LOCAL);
    if (!library)
        df_found(&p->found, p->missing, "nccl", "install libnccl2, or add its folder to LD_LIBRARY_PATH",
                 "none (libnccl.so.2): pipelines over GPUs would go through the host's memory");
    else if (!find(library, "ncclGetVersion", &get) || get(&version) || version < 1000)
        df_found(&p->found, DF_FOUND_PROBLEM, "nccl", "install it anew", "libnccl.so.2 does not tell its version");
    else if (version < 10000)
        df_found(&p->found, DF_FOUND_OK, "nccl", NULL, "%d.%d.%d", version / 1000, version % 1000 / 100, version % 100);
    else
        df_found(&p->found, DF_FOUND_OK, "nccl", NULL, "%d.%d.%d", version / 10000, version % 10000 / 100,
                 version % 100);
}

/* The parts of what the loader says stand apart: what is so, and what to do. */
static void look_at_backend(probe *p) {
    const df_cuda_module *m;
    df_err err;
    df_level level = p->has_device && p->missing == DF_FOUND_NOTE ? DF_FOUND_WARNING : p->missing;
    if (!df_cuda_module_load(&m, &err)) {
        df_found(&p->found, DF_FOUND_OK, "cuda backend", NULL, "built with CUDA %d.%d", m->cuda_version / 1000,
                 m->cuda_version % 1000 / 10);
        return;
    }
    char *fix = strrchr(err.text, ';');
    if (fix) *fix++ = '\0';
    df_found(&p->found, level, "cuda backend", fix ? fix + strspn(fix, " ") : NULL, "%s", err.text);
}

int df_probe_gpu(bool wanted) {
    probe p = { .found = { .lines = stdout }, .missing = wanted ? DF_FOUND_PROBLEM : DF_FOUND_NOTE };
    look_at_driver(&p);
    look_at_backend(&p);
    look_at_nccl(&p);
    return 0;
}
