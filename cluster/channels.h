/* What a message between ranks is: the channels of a communicator (comm.h), all of them. MPI has them as tags, in one
 * duplicated communicator for each kind of traffic, so that what steers a pipeline never queues behind activations. */
#ifndef DF_CLUSTER_CHANNELS_H
#define DF_CLUSTER_CHANNELS_H

typedef enum df_channel {
    DF_CHANNEL_COMMAND, /* pipeline: rank 0 to each other rank */
    DF_CHANNEL_STATUS, /* pipeline: back */
    DF_CHANNEL_SESSION, /* worker: which model is open; both ways, while no pipeline uses the communicator */
    DF_CHANNEL_CLOCK, /* clock offsets: both ways */
    DF_CHANNEL_TRACE, /* traces: to rank 0 */
    DF_CHANNEL_PROBE, /* links being measured: between any two */
    DF_CHANNEL_COSTS, /* pipeline: costs of nodes, from rank 0, behind the command to load */
    DF_CHANNEL_OFFER, /* transport of devices: what comes next on a link */
    DF_CHANNEL_DEVICE, /* which GPUs the ranks have */
    DF_CHANNEL_DATA = 16 /* and all above: one for each edge of each program */
} df_channel;

typedef enum df_traffic { DF_TRAFFIC_CONTROL, DF_TRAFFIC_DATA, DF_TRAFFIC_KINDS } df_traffic;

static inline df_traffic df_channel_traffic(int channel) {
    return channel < DF_CHANNEL_DATA ? DF_TRAFFIC_CONTROL : DF_TRAFFIC_DATA;
}

#endif
