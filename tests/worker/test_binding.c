#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "worker/binding.h"

enum { RANKS = 3 };

typedef struct rank {
    df_comm *comm;
    df_binding mine;
    const df_log *log;
    df_code rc;
} rank;

static void *tell(void *arg) {
    rank *r = arg;
    r->rc = df_bindings_tell(r->comm, &r->mine, 10000, r->log, NULL);
    return NULL;
}

static void rank_0_tells_of_all(void **state) {
    (void)state;
    char *text = NULL;
    size_t bytes;
    FILE *to = open_memstream(&text, &bytes);
    const df_log log = df_log_to(to, DF_LOG_INFO, "worker");
    df_comm *comm[RANKS];
    rank r[RANKS];
    pthread_t thread[RANKS];
    assert_int_equal(df_comm_threads_open(comm, RANKS, NULL), DF_OK);
    for (int i = 0; i < RANKS; i++) {
        r[i] = (rank) { .comm = comm[i], .mine = { .host = "n1", .cores = "4-7", .gpus = "0,1", .threads = i + 1 } };
        r[i].log = &log;
        assert_int_equal(pthread_create(&thread[i], NULL, tell, &r[i]), 0);
    }
    for (int i = 0; i < RANKS; i++) {
        pthread_join(thread[i], NULL);
        assert_int_equal(r[i].rc, DF_OK);
        comm[i]->ops->close(&comm[i]);
    }
    fclose(to);
    assert_non_null(strstr(text, "event=binding rank=0 of=3 host=\"n1\" cores=4-7 threads=1 gpus=\"0,1\"\n"));
    assert_non_null(strstr(text, "event=binding rank=2 of=3 host=\"n1\" cores=4-7 threads=3 gpus=\"0,1\"\n"));
    free(text);
}

static void a_rank_that_says_nothing_is_not_waited_for(void **state) {
    (void)state;
    df_comm *comm[2];
    df_binding mine = { .threads = 1 };
    assert_int_equal(df_comm_threads_open(comm, 2, NULL), DF_OK);
    assert_int_equal(df_bindings_tell(comm[0], &mine, 20, NULL, NULL), DF_ETIMEOUT);
    for (int i = 0; i < 2; i++) comm[i]->ops->close(&comm[i]);
}

static void gpus_are_those_that_the_process_may_see(void **state) {
    (void)state;
    df_binding b = { 0 };
    unsetenv("CUDA_VISIBLE_DEVICES");
    df_binding_look(&b);
    assert_string_equal(b.gpus, "unrestricted");
    assert_true(*b.host && *b.cores);
    setenv("CUDA_VISIBLE_DEVICES", "", 1);
    df_binding_look(&b);
    assert_string_equal(b.gpus, "none");
    setenv("CUDA_VISIBLE_DEVICES", "2,3", 1);
    df_binding_look(&b);
    assert_string_equal(b.gpus, "2,3");
    unsetenv("CUDA_VISIBLE_DEVICES");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rank_0_tells_of_all),
        cmocka_unit_test(a_rank_that_says_nothing_is_not_waited_for),
        cmocka_unit_test(gpus_are_those_that_the_process_may_see),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
