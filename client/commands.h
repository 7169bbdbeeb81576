/* The sub-commands of `diffarm`. Each takes its own argv (argv[0] is "diffarm NAME") and returns an exit code. */
#ifndef DF_CLIENT_COMMANDS_H
#define DF_CLIENT_COMMANDS_H

enum {
    DF_EXIT_OK = 0, /* all images done */
    DF_EXIT_SOME_FAILED = 1, /* some failed; they are listed */
    DF_EXIT_USAGE = 2, /* usage or bad input; nothing was started */
    DF_EXIT_NO_FARM = 3, /* the farm could not be reached or started */
};

int df_cmd_render(int argc, char **argv);
int df_cmd_coordinator(int argc, char **argv);
int df_cmd_worker(int argc, char **argv);
int df_cmd_keygen(int argc, char **argv);
int df_cmd_submit(int argc, char **argv);
int df_cmd_status(int argc, char **argv);
int df_cmd_watch(int argc, char **argv);
int df_cmd_cancel(int argc, char **argv);
int df_cmd_pause(int argc, char **argv);
int df_cmd_resume(int argc, char **argv);
int df_cmd_retry(int argc, char **argv);
int df_cmd_jobs(int argc, char **argv);
int df_cmd_readmit(int argc, char **argv);
int df_cmd_workers(int argc, char **argv);
int df_cmd_inspect(int argc, char **argv);
int df_cmd_eval(int argc, char **argv);
int df_cmd_bench(int argc, char **argv);
int df_cmd_forward(int argc, char **argv);
int df_cmd_calibrate(int argc, char **argv);
int df_cmd_failures(int argc, char **argv);
int df_cmd_explain(int argc, char **argv);
int df_cmd_replay(int argc, char **argv);
int df_cmd_verify(int argc, char **argv);
int df_cmd_simulate(int argc, char **argv);
int df_cmd_slurm(int argc, char **argv);
int df_cmd_doctor(int argc, char **argv);
int df_simulate_farm(int argc, char **argv); /* argv[0] is "diffarm simulate farm" */

#endif
