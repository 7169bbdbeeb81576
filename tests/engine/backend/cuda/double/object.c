#include "tests/engine/backend/cuda/double/object.h"

#include <stdlib.h>
#include <string.h>

#include "tests/engine/backend/cuda/double/gpu_double.h"

static gpu_object *objects;

void *gpu_object_new(const char *kind, size_t bytes) {
    gpu_object *o = calloc(1, bytes);
    if (!o) abort();
    o->kind = kind;
    o->next = objects;
    objects = o;
    return o;
}

void *gpu_object_of(const void *handle, const char *kind) {
    gpu_object *o = (gpu_object *)handle;
    if (!o)
        gpu_double_report("%s is used that is NULL", kind);
    else if (strcmp(o->kind, kind) != 0)
        gpu_double_report("%s is used as %s", o->kind, kind);
    else if (o->destroyed)
        gpu_double_report("%s is used that was destroyed", kind);
    else
        return o;
    return NULL;
}

bool gpu_object_destroy(const void *handle, const char *kind) {
    gpu_object *o = gpu_object_of(handle, kind);
    if (o) o->destroyed = true;
    return o;
}

void gpu_objects_report_left(void) {
    for (const gpu_object *o = objects; o; o = o->next)
        if (!o->destroyed) gpu_double_report("%s is left that was not destroyed", o->kind);
}

void gpu_objects_free(void) {
    for (gpu_object *o; (o = objects);) {
        objects = o->next;
        if (o->release) o->release(o);
        free(o);
    }
}
