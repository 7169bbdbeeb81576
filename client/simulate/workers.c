/* diffarm simulate --workers N --images M: a job through a real coordinator, measured phase by phase. */
#include "client/simulate/workers.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/sha256.h"
#include "client/exit_code.h"
#include "client/report.h"
#include "client/simulate/gauge.h"
#include "client/simulate/noop_farm.h"
#include "client/simulate/noop_job.h"
#include "client/simulate/noop_options.h"
#include "coordinator/simulate/png.h"

enum { LOOK_MS = 100, CONNECT_MS = 120000, SIDE = 16 };

typedef enum phase { START, CONNECT, IDLE, UPLOAD, RUN, LISTS, N_PHASES } phase;

static const char *const phase_names[N_PHASES] = { "start", "connect", "idle", "upload", "run", "lists" };

typedef struct spell { /* what a phase took */
    double seconds, cpu_s;
    int64_t rss_bytes; /* at its end */
} spell;

typedef struct trial {
    const df_noop_options *o; /* borrowed */
    char dir[2000], state_dir[2048], out_dir[2048];
    df_noop_farm farm;
    df_noop_shape shape;
    df_noop_job job;
    df_link *link;
    void *png;
    spell spells[N_PHASES];
    int64_t began_ns;
    double began_cpu_s;
    df_noop_progress before, progress; /* before: of a job that is gone on with */
    int64_t peak_rss_bytes; /* of the coordinator */
    uint64_t n_told; /* rows that workers were told are committed */
} trial;

/* phases */

static void begin(trial *t) {
    t->began_ns = df_clock_ns();
    t->began_cpu_s = df_gauge_of(t->farm.coordinator).cpu_s;
}

static void end(trial *t, phase which) {
    df_gauge now = df_gauge_of(t->farm.coordinator);
    t->spells[which] =
        (spell) { 1e-9 * (double)(df_clock_ns() - t->began_ns), now.cpu_s - t->began_cpu_s, now.rss_bytes };
    t->peak_rss_bytes = now.peak_rss_bytes;
    begin(t);
}

static df_code wait_for_workers(trial *t, df_err *err) {
    int n = 0;
    df_code rc = DF_OK;
    for (int64_t until_ms = df_clock_ms() + CONNECT_MS; !rc && n < t->o->workers; df_clock_sleep_ms(LOOK_MS)) {
        rc = df_noop_farm_check(&t->farm, err);
        if (!rc) rc = df_noop_workers_count(t->link, &n, err);
        if (!rc && df_clock_ms() > until_ms)
            rc = df_err_set(err, DF_ETIMEOUT, "%d of %d workers are there after %d s", n, t->o->workers,
                            CONNECT_MS / 1000);
    }
    return rc;
}

/* Until all rows are done, or until the job has ended. */
static df_code wait_for_rows(trial *t, bool ended, df_err *err) {
    for (;;) {
        df_code rc = df_noop_farm_check(&t->farm, err);
        if (!rc) rc = df_noop_job_look(t->link, &t->job, &t->progress, err);
        if (rc) return rc;
        bool all = t->progress.n_done + t->progress.n_failed == t->job.n_rows;
        if (t->progress.ended || (all && !ended)) return DF_OK;
        df_clock_sleep_ms(LOOK_MS);
    }
}

static df_code run_phases(trial *t, df_err *err) {
    end(t, START);
    df_code rc = t->o->resume ? df_noop_job_look(t->link, &t->job, &t->before, err) : DF_OK;
    if (!rc) rc = wait_for_workers(t, err);
    end(t, CONNECT);
    if (!rc && t->o->hold_s) {
        df_clock_sleep_ms(1000 * (int64_t)t->o->hold_s);
        end(t, IDLE);
    }
    if (!rc && !t->o->resume) {
        rc = df_noop_job_send(t->link, &t->job, err);
        end(t, UPLOAD);
    }
    if (!rc) rc = wait_for_rows(t, false, err);
    end(t, RUN);
    if (!rc) rc = wait_for_rows(t, true, err);
    end(t, LISTS);
    return rc;
}

/* what is needed for them */

static df_code make_folder(trial *t, df_err *err) {
    const char *parent = getenv("TMPDIR");
    char absolute[PATH_MAX];
    snprintf(t->dir, sizeof t->dir, "%s/diffarm-simulate-XXXXXX", parent && *parent ? parent : "/tmp");
    if (t->o->dir) {
        df_code rc = df_file_mkdirs(t->o->dir, err);
        if (rc) return rc;
        if (!realpath(t->o->dir, absolute) || strlen(absolute) >= sizeof t->dir)
            return df_err_set(err, DF_EINVAL, "--dir %s: no folder that can be used", t->o->dir);
        snprintf(t->dir, sizeof t->dir, "%.1999s", absolute);
    } else if (!mkdtemp(t->dir)) {
        return df_err_set(err, DF_EIO, "%s: cannot be made", t->dir);
    }
    snprintf(t->state_dir, sizeof t->state_dir, "%s/state", t->dir);
    snprintf(t->out_dir, sizeof t->out_dir, "%s/out", t->dir);
    return DF_OK;
}

static df_code make_shape(trial *t, df_err *err) {
    size_t bytes = (size_t)t->o->payload_bytes;
    t->shape = (df_noop_shape) { .images_per_second = t->o->images_per_second };
    if (bytes) {
        if (!(t->png = malloc(bytes + DF_SIM_PNG_BYTES))) return df_err_set(err, DF_ENOMEM, "a picture");
        t->shape.png = t->png;
        t->shape.png_bytes = df_sim_png_of_size(t->png, SIDE, bytes);
    }
    df_sha256_of(t->shape.png, t->shape.png_bytes, t->shape.png_sha256);
    t->job = (df_noop_job) { .job_id = "5151515151515151",
                             .out_dir = t->out_dir,
                             .format = bytes ? "png" : "none",
                             .n_rows = (uint64_t)t->o->images,
                             .side = SIDE };
    return DF_OK;
}

/* what is told */

/* That the phase was about; 0: none. */
static double images_of(const trial *t, phase which) {
    if (which == RUN) return (double)(t->job.n_rows - t->before.n_done);
    return which == UPLOAD || which == LISTS ? (double)t->job.n_rows : 0;
}

static json_t *spell_json(const trial *t, phase which) {
    const spell *s = &t->spells[which];
    double images = images_of(t, which);
    json_t *v = json_pack("{s:f, s:f, s:f, s:I}", "seconds", s->seconds, "cpu_s", s->cpu_s, "cpu_share",
                          s->seconds > 0 ? s->cpu_s / s->seconds : 0, "rss_bytes", (json_int_t)s->rss_bytes);
    if (images <= 0) return v;
    json_object_set_new(v, "images_per_second", json_real(images / s->seconds));
    json_object_set_new(v, "cpu_ms_per_image", json_real(1e3 * s->cpu_s / images));
    return v;
}

static void tell_json(const trial *t) {
    json_t *v = json_pack("{s:i, s:I, s:i, s:f, s:I, s:I, s:I}", "workers", t->o->workers, "images",
                          (json_int_t)t->o->images, "payload_bytes", (int)t->shape.png_bytes, "pace",
                          t->o->images_per_second, "committed", (json_int_t)t->progress.n_done, "acknowledged",
                          (json_int_t)t->n_told, "coordinator_peak_rss_bytes", (json_int_t)t->peak_rss_bytes);
    for (int i = 0; i < N_PHASES; i++)
        if (t->spells[i].seconds > 0) json_object_set_new(v, phase_names[i], spell_json(t, (phase)i));
    df_report_print_json(v);
}

static void tell_text(const trial *t) {
    printf("%d workers, %" PRId64 " images of %zu bytes; of the coordinator:\n"
           "phase       seconds    cpu s  of a core    images/s  cpu ms/image   MiB\n",
           t->o->workers, t->o->images, t->shape.png_bytes);
    for (int i = 0; i < N_PHASES; i++) {
        const spell *s = &t->spells[i];
        if (s->seconds <= 0) continue;
        printf("%-10s %8.2f %8.2f %9.1f%%", phase_names[i], s->seconds, s->cpu_s, 100 * s->cpu_s / s->seconds);
        double images = images_of(t, (phase)i);
        if (images > 0)
            printf(" %11.0f %13.4f", images / s->seconds, 1e3 * s->cpu_s / images);
        else
            printf("%26s", "");
        printf(" %5.0f\n", (double)s->rss_bytes / 1048576);
    }
    printf("committed %" PRIu64 ", failed %" PRIu64 ", acknowledged to workers %" PRIu64 "; peak %.0f MiB\n",
           t->progress.n_done, t->progress.n_failed, t->n_told, (double)t->peak_rss_bytes / 1048576);
}

static df_code run(trial *t, df_err *err) {
    df_err ignored;
    df_code rc = make_folder(t, err);
    if (!rc) rc = make_shape(t, err);
    t->began_ns = df_clock_ns();
    if (!rc) rc = df_noop_farm_start(&t->farm, t->state_dir, err);
    if (!rc) rc = df_noop_farm_hire(&t->farm, &t->shape, t->o->workers, t->o->processes, err);
    if (!rc) rc = df_link_open(&t->link, t->farm.endpoint, err);
    if (!rc) rc = run_phases(t, err);
    df_link_close(&t->link);
    df_code stop_rc = df_noop_farm_stop(&t->farm, &t->n_told, rc ? &ignored : err);
    if (!t->o->dir) df_file_remove_tree(t->dir, NULL);
    free(t->png);
    return rc ? rc : stop_rc;
}

int df_simulate_workers(int argc, char **argv) {
    df_noop_options o;
    trial t = { .o = &o };
    df_err err = { 0 };
    df_noop_options_parse(&o, argc, argv);
    df_code rc = run(&t, &err);
    if (rc) {
        fprintf(stderr, "diffarm: error: simulate: %s\n", err.text);
        return rc == DF_EINVAL ? DF_EXIT_USAGE : DF_EXIT_NO_FARM;
    }
    if (o.output == DF_OUTPUT_JSON) tell_json(&t);
    if (o.output == DF_OUTPUT_TEXT) tell_text(&t);
    return t.progress.n_done == t.job.n_rows ? DF_EXIT_OK : DF_EXIT_SOME_FAILED;
}
