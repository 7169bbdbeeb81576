/* libpng's errors: the text is kept, then libpng jumps back to the caller's setjmp. Warnings are dropped: they are
 * about chunks that do not matter here. */
#ifndef DF_ENGINE_IMAGE_PNG_ERROR_H
#define DF_ENGINE_IMAGE_PNG_ERROR_H

#include <png.h>

typedef struct df_png_error {
    char text[128];
} df_png_error;

PNG_NORETURN void df_png_error_keep(png_structp png, png_const_charp message); /* the error pointer is a df_png_error */
void df_png_warning_drop(png_structp png, png_const_charp message);

#endif
