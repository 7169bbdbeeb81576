/* gpu_device: prints the GPUs that the cuda backend can run on, or why there is none and exit code 77, which ctest
 * takes for a test that was skipped. */
#include <stdio.h>

#include "engine/backend/backend.h"

enum { SKIPPED = 77, MOST_GPUS = 64 };

int main(void) {
    const df_backend *cuda = NULL;
    char name[256];
    df_err err = { 0 };
    df_code rc = df_backend_load(&cuda, "cuda", &err);
    if (!rc) rc = df_backend_device(cuda, 0, name, sizeof name, &err);
    if (rc) {
        printf("skipped: %s\n", err.text);
        return SKIPPED;
    }
    for (int i = 0; i < MOST_GPUS && !df_backend_device(cuda, i, name, sizeof name, NULL); i++)
        printf("GPU %d: %s\n", i, name);
    return 0;
}
