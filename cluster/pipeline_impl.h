/* Inside a pipeline (cluster/ only): what a rank keeps, and the messages between rank 0 and the others.
 *
 * Three kinds of channels: commands (rank 0 to each other rank), statuses (back; one for each command, with the error
 * if there was one), and one for each edge of each program. Messages are plain structs of fixed size: the ranks of one
 * pipeline run the same program on the same kind of machine, and the load status compares what they made of it. */
#ifndef DF_CLUSTER_PIPELINE_IMPL_H
#define DF_CLUSTER_PIPELINE_IMPL_H

#include "cluster/channels.h"
#include "cluster/model_plan.h"
#include "cluster/pipeline.h"
#include "cluster/program.h"
#include "cluster/schedule.h"

enum { DF_MAX_PROGRAMS = 16, DF_STATUS_TEXT = 480, DF_IDLE_US = 20000 };

typedef enum df_command_op { DF_COMMAND_LOAD = 1, DF_COMMAND_UNLOAD, DF_COMMAND_RUN, DF_COMMAND_STOP } df_command_op;

typedef struct df_command {
    int64_t seq; /* 1, 2, ...: the order of all commands */
    int64_t n_rows[DF_MOST_HALVES]; /* RUN: of each half; a half of none is not told */
    int32_t op;
    int32_t program; /* index */
    int32_t component; /* LOAD, as is the size */
    df_graph_size size;
    int32_t slot; /* RUN */
    int32_t first_step, last_step; /* RUN: of the rows; -1: they have none */
    int32_t n_costs; /* LOAD: so many nodes' costs follow (DF_CHANNEL_COSTS), of a denoiser of that size */
    df_graph_size costs_size;
    int32_t n_speeds; /* LOAD: so many stages' speeds follow behind (DF_CHANNEL_COSTS); 0: equal */
} df_command;

/* A command has ended on the sender, or, as a sign of life, it is still there: "node -1" waits for what the segment
 * needs. */
typedef struct df_status {
    int64_t seq; /* of the command */
    uint64_t fingerprint; /* LOAD: of the program */
    int32_t code;
    int32_t is_sign; /* 1: of life */
    int32_t segment, node; /* sign of life: where it is */
    int64_t compute_ns; /* RUN: that segments took here */
    int64_t longest_pause_ms; /* RUN: between two chances to be heard, in passes of its program so far */
    char text[DF_STATUS_TEXT];
} df_status;

/* What rank 0 knows of another rank. */
typedef struct df_sighting {
    int64_t heard_ms; /* of p->listened_ms, as started_ms and last_moved_ms are */
    int64_t seq; /* of its last sign of life: in this command, */
    int segment, node; /* there */
} df_sighting;

typedef enum df_slot_state { DF_SLOT_FREE, DF_SLOT_RUNNING, DF_SLOT_DONE } df_slot_state;

/* One micro-batch on this rank. */
typedef struct df_slot {
    df_slot_state state;
    df_command command; /* also the send buffer of rank 0 */
    df_program *program;
    int next_local; /* index into program->local of the next segment to run */
    df_comm_request *
        *edge; /* [DF_PROGRAM_MAX_EDGES] of each crossing: its send or receive; NULL: not posted, or done */
    int64_t *posted_ns; /* [DF_PROGRAM_MAX_EDGES] when that was, where there is a trace */
    int n_posted;
    int64_t compute_ns; /* of this rank's segments so far */
    bool fetched; /* df_slot_fetch */
    df_err failure; /* code DF_OK: none */
    /* rank 0 */
    int first_step, last_step; /* of the next command */
    df_comm_request **command_sent; /* [n_ranks] */
    bool *ended; /* [n_ranks] */
    int n_ended; /* other ranks that have */
    int64_t started_ms;
    /* other ranks */
    df_status status;
    df_comm_request *status_sent;
} df_slot;

/* What rank 0 waits for while a command runs that has no slot (load, unload, stop). */
typedef struct df_reply {
    df_command command;
    df_comm_request **command_sent, **costs_sent, **speeds_sent; /* [n_ranks] */
    bool *ended; /* [n_ranks] */
    int n_ended;
    uint64_t fingerprint; /* that all must report; 0: not compared */
    df_err failure;
} df_reply;

struct df_pipeline {
    df_comm *comm; /* borrowed */
    df_program_cfg cfg;
    df_trace *trace; /* borrowed; NULL: none */
    df_code (*confirm)(void *, df_err *); /* with its context; of df_pipeline_cfg */
    void *confirm_ctx;
    void (*watch)(void *, const df_pipeline *, bool); /* likewise */
    void *watch_ctx;
    int64_t stall_timeout_ms, load_timeout_ms; /* of the cfg */
    df_costs_cfg costs_cfg; /* of the cfg */
    df_cost_book costs; /* the same on all ranks where a program is cut by it */
    int rank, n_ranks;
    int half; /* this rank's */
    double *speed, *next_speed; /* [depth] as cfg.speed has them once they are known; rank 0: those of the next cut */
    int recut_after, n_recuts; /* rank 0 */
    void (*on_recut)(void *, const double *, int); /* with its context; of df_pipeline_cfg */
    void *on_recut_ctx;
    df_program *programs[DF_MAX_PROGRAMS];
    df_slot *slots;
    df_turn *turns; /* [n_slots] what the next segment is chosen from */
    int n_slots;
    df_err broken; /* code DF_OK: works */
    /* rank 0 */
    int64_t n_commands;
    df_reply reply;
    df_status *status_in; /* [n_ranks] */
    df_comm_request **status_recv; /* [n_ranks] */
    df_sighting *seen; /* [n_ranks] */
    int64_t listened_ms, last_tick_ms; /* a clock that rests while this rank is away */
    int64_t last_moved_ms; /* anything at all */
    /* other ranks */
    df_command command_in;
    df_comm_request *command_recv;
    df_status status_out; /* for commands without a slot */
    df_comm_request *status_sent;
    df_status sign; /* of life */
    df_comm_request *sign_sent;
    int64_t signed_ms, chance_ms; /* when the last one was sent; when the last one could have been */
    const df_slot *running; /* whose kernels are being prepared or run; NULL: none */
    /* all */
    bool stopped; /* nothing is posted; on rank 0: it rests */
};

/* pipeline_slot.c: a micro-batch on one rank. */
df_code df_slot_begin(df_pipeline *p, const df_command *c, df_err *err); /* posts receives, sends of graph inputs */
df_code df_slot_test(df_pipeline *p, df_slot *s, bool *moved, df_err *err);
/* Runs one segment, that of the oldest command that has one ready. */
df_code df_slots_run_one(df_pipeline *p, bool *ran, df_err *err);
void df_slot_fetch(df_pipeline *p, df_slot *s); /* of a finished one: outputs to the host, errors of the device */
bool df_slot_finished(const df_slot *s); /* all segments run, all messages moved */
/* The oldest command that runs; on rank 0 of those that have not ended on a rank (-1: on some). NULL: none. */
const df_slot *df_slot_oldest(const df_pipeline *p, int rank);

/* This rank's end of a crossing, and its bytes. */
void *df_slot_value(const df_pipeline *p, const df_slot *s, const df_crossing *c, size_t *bytes);
/* Has the rank rows of this command to run? */
bool df_command_concerns(const df_pipeline *p, const df_command *c, int rank);

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

/* pipeline_costs.c. On rank 0, of a command to load: finds what its plan asks for, and says so in the command; posts
 * the messages behind it. On the others: takes them. */
void df_costs_announce(df_pipeline *p, df_command *c);
df_code df_costs_send(df_pipeline *p, const df_command *c, df_err *err);
df_code df_costs_receive(df_pipeline *p, const df_command *c, df_err *err);

/* pipeline_recut.c, on rank 0: a rank has ended its part of a pass; the program that wants it is loaded next, at the
 * new speeds. */
void df_recut_note(df_pipeline *p, const df_slot *s, int rank, int64_t compute_ns);
void df_recut_begin(df_pipeline *p);

/* pipeline_trace.c: spans of this rank's trace; nothing without one. */
int64_t df_pipeline_now(const df_pipeline *p); /* df_clock_ns; 0 without a trace */
void df_pipeline_trace_slot(df_pipeline *p, const df_slot *s, df_span_kind kind, int segment, int64_t start_ns);
void df_pipeline_trace_message(df_pipeline *p, const df_slot *s, int crossing);
void df_pipeline_trace_other(df_pipeline *p, df_span_kind kind, int64_t start_ns);

/* pipeline_sign.c: signs of life, from ranks other than 0 while a micro-batch is on them, at most a few a second:
 * between nodes, and while they wait. */
void df_sign_of_node(void *pipeline, int node); /* a df_stage_on_node_fn of all its stages */
df_code df_sign_if_due(df_pipeline *p, bool *moved, df_err *err); /* of the oldest command */

/* pipeline_stall.c, on rank 0: something has moved; a rank was heard; a tick begins. DF_ETIMEOUT if a rank was not
 * heard for too long, or nothing has moved: the text names rank, stage, command and steps. */
void df_pipeline_note_move(df_pipeline *p);
void df_pipeline_note_status(df_pipeline *p, int rank, const df_status *st);
void df_pipeline_note_tick(df_pipeline *p);
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
