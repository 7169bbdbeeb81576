/* What is made and destroyed through handles: kept until the next reset, so that a handle that is used too late is
 * known for one. All under the double's lock. */
#ifndef DF_TESTS_ENGINE_BACKEND_CUDA_DOUBLE_OBJECT_H
#define DF_TESTS_ENGINE_BACKEND_CUDA_DOUBLE_OBJECT_H

#include <stdbool.h>
#include <stddef.h>

typedef struct gpu_object {
    struct gpu_object *next;
    const char *kind; /* "a stream": as faults name it */
    bool destroyed;
    void (*release)(void *object); /* at the reset, of what it owns; NULL: nothing */
} gpu_object;

void *gpu_object_new(const char *kind, size_t bytes); /* zeroed; begins with a gpu_object */
void *gpu_object_of(const void *handle, const char *kind); /* NULL, and a fault, if it is none or was destroyed */
bool gpu_object_destroy(const void *handle, const char *kind); /* false: it was none */
void gpu_objects_report_left(void);
void gpu_objects_free(void);

#endif
