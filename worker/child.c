#include "worker/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static bool begins_with(const char *entry, const char *prefix) {
    return !strncmp(entry, prefix, strlen(prefix));
}

/* Parameters of Open MPI are a user's or a site's, but for a rank that mpirun has started: it gets some of its own. */
static bool tells_of_a_launch(const char *entry, bool is_rank_of_mpirun) {
    if (begins_with(entry, "OMPI_MCA_")) return is_rank_of_mpirun;
    if (begins_with(entry, "SLURM_CONF=")) return false; /* of the cluster */
    return begins_with(entry, "OMPI_") || begins_with(entry, "PMIX_") || begins_with(entry, "PMI_") ||
           begins_with(entry, "SLURM_");
}

/* True if `added` sets the same name as entry. */
static bool is_replaced(const char *entry, const char *const *added) {
    size_t name = strcspn(entry, "=") + 1;
    for (; added && *added; added++)
        if (!strncmp(entry, *added, name)) return true;
    return false;
}

/* Made before the fork: afterwards nothing may be allocated. */
static const char **environment_of(const df_child_cfg *cfg) {
    size_t n = 0, n_added = 0;
    bool is_rank = getenv("OMPI_COMM_WORLD_RANK") != NULL;
    for (char **e = environ; *e; e++) n++;
    for (const char *const *e = cfg->env; e && *e; e++) n_added++;
    const char **env = calloc(n + n_added + 1, sizeof *env);
    if (!env) return NULL;
    n = 0;
    for (char **e = environ; *e; e++)
        if (!is_replaced(*e, cfg->env) && !(cfg->clean_launch && tells_of_a_launch(*e, is_rank))) env[n++] = *e;
    for (size_t i = 0; i < n_added; i++) env[n++] = cfg->env[i];
    return env;
}

/* In the child, between fork and exec: system calls only. Never returns. */
static void become(const df_child_cfg *cfg, const char **env, pid_t parent, int tell) {
    sigset_t blocked;
    sigemptyset(&blocked);
    if (cfg->deaf_to) sigaddset(&blocked, cfg->deaf_to);
    sigprocmask(SIG_SETMASK, &blocked, NULL);
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    signal(SIGUSR1, SIG_DFL);
    signal(SIGUSR2, SIG_DFL);
    setpgid(0, 0);
    if (cfg->cores) sched_setaffinity(0, sizeof *cfg->cores, cfg->cores); /* where it fails it is merely slower */
    prctl(PR_SET_PDEATHSIG, cfg->death_signal);
    if (getppid() != parent) _exit(1); /* it died before the call above */
    int null = open("/dev/null", O_RDONLY);
    if (null >= 0) dup2(null, STDIN_FILENO);
    if (cfg->log_path) {
        int log = open(cfg->log_path, O_WRONLY | O_CREAT | O_APPEND, 0666);
        if (log >= 0) {
            dup2(log, STDOUT_FILENO);
            dup2(log, STDERR_FILENO);
        }
    }
    if (cfg->output_fd) dup2(cfg->output_fd, STDOUT_FILENO);
    if (cfg->output_fd && cfg->errors_too) dup2(cfg->output_fd, STDERR_FILENO);
    execvpe(cfg->argv[0], (char *const *)cfg->argv, (char *const *)env);
    int why = errno;
    if (write(tell, &why, sizeof why) < 0) _exit(126);
    _exit(127);
}

/* The pipe closes when exec succeeds, or carries its errno. */
static int exec_errno(int fd) {
    int why = 0;
    ssize_t n;
    do n = read(fd, &why, sizeof why);
    while (n < 0 && errno == EINTR);
    return n == sizeof why ? why : 0;
}

df_code df_child_start(pid_t *pid, const df_child_cfg *cfg, df_err *err) {
    int tell[2];
    const char **env = environment_of(cfg);
    if (!env) return df_err_set(err, DF_ENOMEM, "start %s", cfg->argv[0]);
    if (pipe2(tell, O_CLOEXEC)) {
        free(env);
        return df_err_errno(err, errno, "start %s", cfg->argv[0]);
    }
    pid_t parent = getpid(), child = fork();
    if (!child) become(cfg, env, parent, tell[1]);
    int why = child < 0 ? errno : 0;
    close(tell[1]);
    if (child > 0 && (why = exec_errno(tell[0]))) waitpid(child, NULL, 0);
    close(tell[0]);
    free(env);
    if (why) return df_err_errno(err, why, "start %s", cfg->argv[0]);
    *pid = child;
    return DF_OK;
}

df_code df_child_self(char *out, size_t out_bytes, df_err *err) {
    ssize_t n = readlink("/proc/self/exe", out, out_bytes - 1);
    if (n < 0) return df_err_errno(err, errno, "/proc/self/exe");
    out[n] = '\0';
    return DF_OK;
}

char *df_child_status_text(int status, char *out, size_t out_bytes) {
    if (WIFSIGNALED(status))
        snprintf(out, out_bytes, "signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        snprintf(out, out_bytes, "exit code %d", WEXITSTATUS(status));
    return out;
}
