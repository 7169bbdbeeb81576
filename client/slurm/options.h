/* Options of `diffarm slurm submit`. What follows `--` are options of `render`, checked here and handed on as they are.
 */
#ifndef DF_CLIENT_SLURM_OPTIONS_H
#define DF_CLIENT_SLURM_OPTIONS_H

#include <stdbool.h>

#define DF_SLURM_MAX_RENDER_OPTIONS 1000

typedef struct df_slurm_options {
    const char *manifest, *model, *out;
    const char *farm; /* NULL: OUT.farm */
    const char *site; /* NULL: the program's own site.conf */
    const char *time; /* as sbatch takes it */
    const char *traces; /* folder for what the workers' ranks did when; NULL: none */
    const char *launcher; /* NULL: the site's */
    int nodes, pipeline;
    int ranks_per_node; /* 0: the site's */
    bool elastic, wait, dry_run;
    char **render; /* borrowed from argv, n_render of them */
    int n_render;
} df_slurm_options;

/* Ends the program with a usage error where they make no sense. argv[0] is "diffarm slurm submit". */
void df_slurm_options_parse(df_slurm_options *o, int argc, char **argv);

#endif
