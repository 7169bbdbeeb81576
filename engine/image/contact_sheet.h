/* A contact sheet: many pictures on one, in a grid, in reading order. */
#ifndef DF_ENGINE_IMAGE_CONTACT_SHEET_H
#define DF_ENGINE_IMAGE_CONTACT_SHEET_H

#include "base/err.h"

/* Reads the PNG files and writes one PNG with `columns` columns (0: about square), cells as large as the largest
 * picture up to max_cell pixels a side (larger ones are shrunk by whole factors), 4 pixels between. */
df_code df_contact_sheet_write(const char *out_path, const char *const *png_paths, int n, int columns, int max_cell,
                               df_err *err);

#endif
