/* The files of slurm/, put into the program when it is built. */
#ifndef DF_CLIENT_SLURM_SCRIPTS_H
#define DF_CLIENT_SLURM_SCRIPTS_H

#include <stddef.h>

extern const unsigned char df_slurm_site_conf[], df_slurm_roles_bash[], df_slurm_keep_worker_bash[], df_slurm_launch[],
    df_slurm_farm_sbatch[], df_slurm_coordinator_sbatch[], df_slurm_workers_sbatch[], df_slurm_submit_sbatch[];
extern const size_t df_slurm_site_conf_bytes, df_slurm_roles_bash_bytes, df_slurm_keep_worker_bash_bytes,
    df_slurm_launch_bytes, df_slurm_farm_sbatch_bytes, df_slurm_coordinator_sbatch_bytes, df_slurm_workers_sbatch_bytes,
    df_slurm_submit_sbatch_bytes;

#endif
