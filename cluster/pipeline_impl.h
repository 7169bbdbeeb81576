/* Inside a pipeline (cluster/ only): what a rank keeps, and the messages between rank 0 and the others.
 *
 * Three kinds of channels: commands (rank 0 to each other rank), statuses (back; one for each command, with the error
 * if there was one), and one for each edge of each program. Messages are plain structs of fixed size: the ranks of one
 * pipeline run the same program on the same kind of machine, and the load status compares what they made of it. */
#ifndef DF_CLUSTER_PIPELINE_IMPL_H
#define DF_CLUSTER_PIPELINE_IMPL_H

#include "cluster/channels.h"
#include "cluster/pipeline.h"
#include "cluster/program.h"

enum { DF_MAX_PROGRAMS = 16, DF_STATUS_TEXT = 480, DF_IDLE_US = 20000 };

typedef enum df_command_op { DF_COMMAND_LOAD = 1, DF_COMMAND_UNLOAD, DF_COMMAND_RUN, DF_COMMAND_STOP } df_command_op;

typedef struct df_command {
    int64_t seq; /* 1, 2, ...: the order of all commands */
    int64_t n_rows; /* RUN */
    int32_t op;
    int32_t program; /* index */
    int32_t component; /* LOAD, as is the size */
    df_graph_size size;
    int32_t slot; /* RUN */
    int32_t first_step, last_step; /* RUN: of the rows; -1: they have none */
} df_command;

typedef struct df_status {
    int64_t seq; /* of the command that has ended on the sender */
    uint64_t fingerprint; /* LOAD: of the program */
    int32_t code;
    int32_t unused;
    char text[DF_STATUS_TEXT];
} df_status;

typedef enum df_slot_state { DF_SLOT_FREE, DF_SLOT_RUNNING, DF_SLOT_DONE } df_slot_state;

/* One micro-batch on this rank. */
typedef struct df_slot {
    df_slot_state state;
    df_command command; /* also the send buffer of rank 0 */
    df_program *program;
    int next_local; /* index into program->local of the next segment to run */
    df_comm_request **edge; /* [DF_PROGRAM_MAX_EDGES] posted send or receive of each edge; NULL: not posted, or done */
    int64_t *posted_ns; /* [DF_PROGRAM_MAX_EDGES] when that was, where there is a trace */
    int n_posted;
    df_err failure; /* code DF_OK: none */
    /* rank 0 */
    int first_step, last_step; /* of the next command */
    df_comm_request **command_sent; /* [n_ranks] */
    bool *ended; /* [n_ranks] */
    int n_ended; /* other ranks that have */
    int64_t longest_pause_ms; /* that nothing moved while it ran */
    /* other ranks */
    df_status status;
    df_comm_request *status_sent;
} df_slot;

/* What rank 0 waits for while a command runs that has no slot (load, unload, stop). */
typedef struct df_reply {
    df_command command;
    df_comm_request **command_sent; /* [n_ranks] */
    bool *ended; /* [n_ranks] */
    int n_ended;
    uint64_t fingerprint; /* that all must report; 0: not compared */
    df_err failure;
} df_reply;

struct df_pipeline {
    df_comm *comm; /* borrowed */
    df_program_cfg cfg;
    df_trace *trace; /* borrowed; NULL: none */
    int64_t stall_timeout_ms, load_timeout_ms; /* of the cfg */
    int rank, n_ranks;
    df_program *programs[DF_MAX_PROGRAMS];
    df_slot *slots;
    int n_slots;
    int64_t last_moved_ms; /* anything at all */
    df_err broken; /* code DF_OK: works */
    /* rank 0 */
    int64_t n_commands;
    df_reply reply;
    df_status *status_in; /* [n_ranks] */
    df_comm_request **status_recv; /* [n_ranks] */
    /* other ranks */
    df_command command_in;
    df_comm_request *command_recv;
    df_status status_out; /* for commands without a slot */
    df_comm_request *status_sent;
    /* all */
    bool stopped; /* nothing is posted; on rank 0: it rests */
};

/* pipeline_slot.c: a micro-batch on one rank. */
df_code df_slot_begin(df_pipeline *p, const df_command *c, df_err *err); /* posts receives, sends of graph inputs */
df_code df_slot_test(df_pipeline *p, df_slot *s, bool *moved, df_err *err);
/* Runs one segment, that of the oldest command that has one ready. */
df_code df_slots_run_one(df_pipeline *p, bool *ran, df_err *err);
bool df_slot_finished(const df_slot *s); /* all segments run, all messages moved */

/* pipeline_rank0.c and pipeline_serve.c: what a rank does with what the other kind sends. */
df_code df_rank0_poll(df_pipeline *p, bool *moved, df_err *err);
df_code df_serve_poll(df_pipeline *p, bool *moved, df_err *err);
df_code df_rank0_broadcast(df_pipeline *p, const df_command *c, df_comm_request **sent, df_err *err);
/* A command that has no slot: sends it to all; waits until all have done it, while slots go on. p->reply.failure then
 * says how it went on the others. fingerprint: what they must report, 0 if nothing is to be compared. */
df_code df_rank0_command(df_pipeline *p, const df_command *c, df_err *err);
df_code df_rank0_wait(df_pipeline *p, uint64_t fingerprint, df_err *err);
df_code df_serve_listen(df_pipeline *p, df_err *err); /* posts the receive of the next command */
df_code df_rank0_listen(df_pipeline *p, int rank, df_err *err); /* posts the receive of the next status of a rank */

/* pipeline_programs.c: of a LOAD command, on every rank; on failure its place is empty. */
df_code df_pipeline_open_program(df_pipeline *p, const df_command *c, df_err *err);

/* pipeline_trace.c: spans of this rank's trace; nothing without one. */
int64_t df_pipeline_now(const df_pipeline *p); /* df_clock_ns; 0 without a trace */
void df_pipeline_trace_slot(df_pipeline *p, const df_slot *s, df_span_kind kind, int segment, int64_t start_ns);
void df_pipeline_trace_message(df_pipeline *p, const df_slot *s, int edge);
void df_pipeline_trace_other(df_pipeline *p, df_span_kind kind, int64_t start_ns);

/* pipeline_stall.c: something has moved; a pass has ended; DF_ETIMEOUT if nothing has moved for too long. The text
 * names the oldest command, its steps, and the ranks it has not ended on. */
void df_pipeline_note_move(df_pipeline *p);
void df_pipeline_note_end(df_slot *s);
df_code df_pipeline_fail_if_stalled(df_pipeline *p, df_err *err);

/* pipeline_tick.c */
df_code df_pipeline_test(df_pipeline *p, df_comm_request **req, bool *moved, df_err *err); /* NULL request: nothing */
/* Everything that can be done without waiting, for at most one segment. */
df_code df_pipeline_tick(df_pipeline *p, bool *moved, bool *ran, df_err *err);
/* One tick of rank 0; idles when there was nothing to do, and fails when that has been so for too long. */
df_code df_pipeline_work(df_pipeline *p, int64_t idle_us, bool *moved, bool *ran, df_err *err);
bool df_pipeline_is_busy(const df_pipeline *p); /* some slot runs */
df_code df_pipeline_break(df_pipeline *p, df_err *err); /* keeps the error: all later calls return it */
df_code df_pipeline_return_broken(const df_pipeline *p, df_err *err);

#endif
