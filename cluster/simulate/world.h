/* Inside the simulation (cluster/simulate only): ranks, messages, rows, and the moment.
 *
 * A rank's thread is always in one phase, which takes so much of a core; when it ends the rank goes on (rank.c). What
 * reaches a rank from outside (messages, commands, statuses) lies in its in-trays until its thread looks. */
#ifndef DF_CLUSTER_SIMULATE_WORLD_H
#define DF_CLUSTER_SIMULATE_WORLD_H

#include "cluster/schedule.h"
#include "cluster/simulate/agenda.h"
#include "cluster/simulate/pipesim.h"

/* A queue of fixed room. */
typedef struct df_tray {
    int *of;
    int first, n, room;
} df_tray;

bool df_tray_open(df_tray *t, int room);
void df_tray_close(df_tray *t);
void df_tray_put(df_tray *t, int x); /* there is room */
int df_tray_take(df_tray *t); /* there is one */

/* What follows from the costs once and for all, of one program. */
typedef struct df_routes {
    int *local_of; /* [n_segments] which of its rank's segments it is */
    int *n_local; /* [n_ranks] */
    int *n_received; /* [n_ranks] edges that end there */
    int *needs; /* [n_segments] edges that end in it */
    int *segment_at; /* [n_ranks][n_segments] a rank's segments in order */
} df_routes;

typedef enum df_message_state {
    DF_MESSAGE_NONE,
    DF_MESSAGE_POSTED, /* the receiver does not know of it yet */
    DF_MESSAGE_ANNOUNCED, /* it waits for the receiver's thread to look */
    DF_MESSAGE_QUEUED, /* it waits for the ports */
    DF_MESSAGE_MOVING,
    DF_MESSAGE_THERE,
} df_message_state;

/* The value of one edge on its way in one slot. */
typedef struct df_message {
    df_message_state state;
    int slot, edge, from, to;
    double bytes;
    bool is_expected; /* the receiver's thread knows of the command */
    bool is_sent; /* the sender's buffer is free */
    double posted_at, expected_at;
} df_message;

typedef enum df_phase {
    DF_PHASE_IDLE,
    DF_PHASE_LOOK, /* at what has come */
    DF_PHASE_COMPUTE,
    DF_PHASE_SEND,
    DF_PHASE_PREPARE, /* rank 0: a micro-batch's inputs */
    DF_PHASE_FINISH, /* rank 0: a micro-batch's outputs */
} df_phase;

typedef struct df_sim_rank {
    df_phase phase;
    double since; /* when the phase began */
    int slot, segment; /* of the phase; slot -1: none. Segment -1: inputs are sent */
    df_turn *turns; /* [n_slots] */
    int *n_posted; /* [n_slots] sends and receives that have not been seen to end */
    int **missing; /* [n_slots] by local segment: what has not come yet */
    int *news, n_news, news_room; /* messages that have moved, or been announced, since the thread looked */
    df_tray commands; /* slots */
    df_span *spans;
    int64_t n_spans, room;
} df_sim_rank;

/* What a slot is busy with, as rank 0 knows it. */
typedef struct df_sim_batch {
    df_batch_kind kind;
    int component, n_model_rows;
    int *rows, n; /* pictures; DF_BATCH_TEXT: whose prompts, -1 for the one of all */
    int n_ended; /* other ranks that have */
    bool is_done;
    int64_t seq;
    int first_step, last_step;
} df_sim_batch;

typedef struct df_sim_row {
    enum { DF_SIM_READY, DF_SIM_RUNNING, DF_SIM_TO_DECODE } state;
    int step;
    unsigned text_started, text_done; /* encoders, a bit each */
    double entered_at;
} df_sim_row;

/* Steps that were done at one moment. */
typedef struct df_sim_done {
    double at;
    int n;
} df_sim_done;

typedef struct df_world {
    const df_pipesim_cfg *cfg;
    const df_pipesim_costs *costs;
    int n_ranks, n_slots;
    double now;
    bool failed; /* no memory: nothing goes on */
    int64_t n_spans; /* of all ranks */
    df_agenda agenda; /* what comes from outside the ranks' threads */
    df_agenda work; /* ends of phases, in seconds of a core */
    double worked; /* seconds that each computing rank has had of a core so far */
    df_routes routes[DF_COMPONENT_COUNT];
    df_sim_rank *ranks;
    df_message *messages; /* [n_slots][most_edges] */
    int most_edges;
    int *queue, n_queue, queue_room; /* messages that wait for ports, oldest first */
    bool *out_busy, *in_busy; /* [n_ranks] ports */
    df_tray *statuses; /* [n_ranks] slots that have ended there */
    /* rank 0's */
    df_sim_batch *batches; /* [n_slots] */
    df_sim_row *rows; /* [n_slots * micro_batch] */
    int *order, n_here; /* rows that are here, the one that has waited longest first */
    int n_entered, n_left;
    unsigned encoders; /* of the model, a bit each */
    df_sim_row common; /* the prompt of all: guidance without one of its own */
    int64_t n_commands, n_passes, n_messages;
    double *latencies; /* [n_rows] */
    df_sim_done *done;
    int64_t n_done, done_room;
} df_world;

/* world.c */
enum { DF_EVENT_PORTS_FREE, DF_EVENT_ARRIVES, DF_EVENT_ANNOUNCED, DF_EVENT_COMMAND, DF_EVENT_STATUS };
df_code df_world_open(df_world *w, const df_pipesim_cfg *cfg, df_err *err);
void df_world_close(df_world *w);
df_code df_world_run(df_world *w, df_err *err); /* until the last row has left */
void df_world_add(df_world *w, double after, int kind, int rank, int what);
const df_pipesim_program *df_world_program(const df_world *w, int slot);
const df_hop *df_world_hop(const df_world *w, int from, int to);

/* ports.c: messages. */
df_message *df_message_of(df_world *w, int slot, int edge);
void df_message_post(df_world *w, int slot, int edge);
void df_message_expect(df_world *w, int slot, int edge); /* its receiver's thread has the command */
void df_ports_free(df_world *w, int message);
void df_message_announce(df_world *w, int message);
void df_message_arrive(df_world *w, int message);
/* Its receiver's thread looks at it. */
void df_message_look(df_world *w, df_message *m);

/* rank.c */
void df_rank_begin(df_world *w, int rank, df_phase phase, int slot, int segment, double seconds);
void df_rank_end_phase(df_world *w, int rank);
void df_rank_wake(df_world *w, int rank); /* something has come */
void df_rank_start_slot(df_world *w, int rank, int slot); /* its thread has the command */

/* rows.c: what rank 0 does between passes. */
void df_rows_enter(df_world *w);
bool df_rows_next(df_world *w); /* begins a phase of rank 0, if there is something to do */
void df_rows_prepared(df_world *w, int slot); /* the phase has ended */
void df_rows_finished(df_world *w, int slot);

/* spans.c */
void df_spans_add(df_world *w, int rank, df_span_kind kind, int slot, int segment, double from, double to);
void df_spans_add_message(df_world *w, int rank, const df_message *m);
df_code df_spans_to_timeline(df_world *w, df_timeline **out, df_err *err);

#endif
