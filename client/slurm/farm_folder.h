/* The folder of a farm under Slurm: the scripts of slurm/, the site's values, and what to render (farm.conf). */
#ifndef DF_CLIENT_SLURM_FARM_FOLDER_H
#define DF_CLIENT_SLURM_FARM_FOLDER_H

#include "base/err.h"
#include "client/slurm/options.h"

/* Makes the folder `dir` (mode 0700) and its files. farm.conf says that the farm lives in `farm`, absolute: the same
 * folder, save in a dry run. A folder that is there already is taken if its farm.conf is the same: that farm goes on.
 * DF_EEXIST if it is another's. */
df_code df_farm_folder_write(const char *dir, const char *farm, const df_slurm_options *o, df_err *err);

#endif
