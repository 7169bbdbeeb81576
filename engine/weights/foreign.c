#include "engine/weights/foreign.h"

#include <stdbool.h>
#include <string.h>

static const struct {
    const char *magic;
    size_t n;
    const char *what;
} kinds[] = {
    { "PK\3\4", 4, "this looks like a zip archive with a pickle, as torch.save writes it: " DF_PICKLE_ADVICE },
    { "\x80\2", 2, "this looks like a pickle: " DF_PICKLE_ADVICE },
    { "\x80\3", 2, "this looks like a pickle: " DF_PICKLE_ADVICE },
    { "\x80\4", 2, "this looks like a pickle: " DF_PICKLE_ADVICE },
    { "\x80\5", 2, "this looks like a pickle: " DF_PICKLE_ADVICE },
    { "version https://git-lfs", 23, "this is a Git LFS pointer, not the file itself; fetch it with git lfs pull" },
    { "GGUF", 4, "this is a GGUF file, which is not supported" },
    { "\x89HDF", 4, "this is an HDF5 file, which is not supported" },
    { "<!DOCTYPE", 9, "this is a web page, so the download went wrong" },
    { "<html", 5, "this is a web page, so the download went wrong" },
};

df_code df_foreign_check(const unsigned char *bytes, size_t n_bytes, const char *path, df_err *err) {
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (n_bytes >= kinds[i].n && !memcmp(bytes, kinds[i].magic, kinds[i].n))
            return df_err_set(err, DF_EUNSUPPORTED, "%s: cannot be a safetensors file: %s", path, kinds[i].what);
    return DF_OK;
}
