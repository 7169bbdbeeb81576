/* libcuda.so.1 of a machine that is told by FAKE_CUDA: fine, old, nodevice, broken, crash, hang. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int cuInit(unsigned flags);
int cuDriverGetVersion(int *version);
int cuDeviceGetCount(int *n);
int cuDeviceGet(int *device, int index);
int cuDeviceGetName(char *out, int bytes, int device);
int cuDeviceTotalMem_v2(size_t *bytes, int device);
int cuDeviceGetAttribute(int *value, int attribute, int device);
int cuGetErrorString(int code, const char **text);

static int is(const char *state) {
    const char *told = getenv("FAKE_CUDA");
    return told && !strcmp(told, state);
}

int cuInit(unsigned flags) {
    if (is("crash")) abort();
    if (is("hang")) sleep(600);
    return flags ? 1 : is("nodevice") ? 100 : is("broken") ? 803 : 0;
}

int cuDriverGetVersion(int *version) {
    *version = is("old") ? 10020 : 99000;
    return 0;
}

int cuDeviceGetCount(int *n) {
    *n = 2;
    return 0;
}

int cuDeviceGet(int *device, int index) {
    *device = index;
    return 0;
}

int cuDeviceGetName(char *out, int bytes, int device) {
    snprintf(out, (size_t)bytes, "Fake\tGPU %d", device); /* a name with a tab: fields must not shift */
    return 0;
}

int cuDeviceTotalMem_v2(size_t *bytes, int device) {
    *bytes = (size_t)(device + 1) << 34;
    return 0;
}

int cuDeviceGetAttribute(int *value, int attribute, int device) {
    *value = attribute == 75 ? (device ? 7 : 9) : 0;
    return 0;
}

int cuGetErrorString(int code, const char **text) {
    *text = code == 803 ? "system has unsupported display driver / cuda driver combination" : "?";
    return 0;
}
