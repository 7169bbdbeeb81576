/* Jobs with format tar: shards are packed in order, one after another, as soon as all rows of the next are done or
 * failed. Nothing is stored about it: OUT itself says which shards are finished, and a restart begins at the first. */
#include <inttypes.h>

#include "coordinator/farm.h"
#include "coordinator/tar_shard.h"

enum { MAX_SHARDS_A_TURN = 32 }; /* after a restart: finished ones are passed over quickly, but not all at once */

static uint64_t first_row_after(const df_job *job) {
    uint64_t end = (job->next_shard + 1) * DF_TAR_SHARD_ROWS;
    return end < job->n_rows ? end : job->n_rows;
}

/* Rows are looked at only if enough are finished, and more than at the last look. */
static bool next_is_ready(df_farm *f, df_job *job) {
    uint64_t finished = job->n_done + job->n_failed;
    bool open = true;
    df_err why;
    if (df_farm_is_packed(job) || finished < first_row_after(job) || finished == job->finished_at_look) return false;
    if (df_store_has_open_row(f->store, job->key, job->next_shard * DF_TAR_SHARD_ROWS, first_row_after(job), &open,
                              &why)) {
        df_farm_sink_failed(f, job, &why);
        return false;
    }
    job->finished_at_look = open ? finished : 0;
    return !open;
}

/* Somebody has removed or damaged pictures that were committed: their rows are pending again. */
static void render_again(df_farm *f, df_job *job) {
    size_t n;
    df_err why;
    const uint64_t *rows = df_tar_shard_lost(job->shard, &n);
    df_code rc = df_store_begin(f->store, true, &why);
    for (size_t i = 0; i < n && !rc; i++) rc = df_store_row_back(f->store, job->key, rows[i], &why);
    if (!rc) rc = df_store_commit(f->store, &why);
    if (rc) {
        df_farm_store_failed(f, &why);
    } else {
        df_farm_log(f, DF_LOG_WARN, "pictures_gone", "job=%s shard=%" PRIu64 " first_row=%" PRIu64 " n=%zu",
                    job->spec.job_id, job->next_shard, rows[0], n);
        job->n_done -= n;
    }
    df_tar_shard_close(&job->shard);
}

/* One slice of work. True: that was none, the shard was finished before. */
static bool pack(df_farm *f, df_job *job) {
    df_err why;
    df_tar_shard_end end;
    df_code rc = job->shard ? DF_OK : df_tar_shard_open(&job->shard, job, job->next_shard, &why);
    if (!rc) rc = df_tar_shard_step(job->shard, f->store, &end, &why);
    if (rc) {
        df_farm_sink_failed(f, job, &why);
        return false;
    }
    f->work_left = true;
    if (end == DF_TAR_SHARD_LACKS) render_again(f, job);
    if (end == DF_TAR_SHARD_GOES_ON || end == DF_TAR_SHARD_LACKS) return false;
    df_tar_shard_close(&job->shard);
    job->next_shard++;
    return end == DF_TAR_SHARD_WAS_WHOLE;
}

bool df_farm_is_packed(const df_job *job) {
    return !df_job_is_tar(job) || job->next_shard == df_tar_shard_count(job->n_rows);
}

void df_farm_pack_shards(df_farm *f) {
    for (size_t i = 0; i < f->jobs.n; i++) {
        df_job *job = f->jobs.at[i];
        if (!df_job_is_tar(job) || job->state != DF_JOB_RUNNING || df_farm_store_rests(f)) continue;
        for (int n = 0; n < MAX_SHARDS_A_TURN && (job->shard || next_is_ready(f, job)); n++)
            if (!pack(f, job)) break;
    }
}
