/* Messages of the uplink: each function builds one and sends it. All return what df_wire_send returns. */
#ifndef DF_WORKER_UPLINK_WIRE_H
#define DF_WORKER_UPLINK_WIRE_H

#include "proto/envelope.h"
#include "worker/book.h"

df_code df_uplink_send_hello(void *socket, const df_uplink_cfg *cfg, const char *worker_id, const df_book *b,
                             df_err *err);
df_code df_uplink_send_heartbeat(void *socket, const df_book *b, double steps_done, bool draining, df_err *err);
typedef struct df_question { /* for work; what a LeaseRequest says */
    uint64_t id;
    uint32_t max_rows;
    double images_per_second, work_per_second, seconds_left;
} df_question;
df_code df_uplink_send_request(void *socket, const df_question *question, df_err *err);
df_code df_uplink_send_result(void *socket, const df_result *r, df_err *err); /* Result or RowFailed */
df_code df_uplink_send_return(void *socket, const df_lease *lease, size_t first, df_err *err);
df_code df_uplink_send_file_get(void *socket, const char *sha256, uint64_t offset, df_err *err);
df_code df_uplink_send_goodbye(void *socket, const char *reason, df_err *err);

#endif
