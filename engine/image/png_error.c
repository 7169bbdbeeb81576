#include "engine/image/png_error.h"

#include <setjmp.h>
#include <stdio.h>

void df_png_error_keep(png_structp png, png_const_charp message) {
    df_png_error *e = png_get_error_ptr(png);
    snprintf(e->text, sizeof e->text, "%s", message);
    png_longjmp(png, 1);
}

void df_png_warning_drop(png_structp png, png_const_charp message) {
    (void)png, (void)message;
}
