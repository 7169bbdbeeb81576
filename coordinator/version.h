/* What job.json and the handshake call this software. */
#ifndef DF_COORDINATOR_VERSION_H
#define DF_COORDINATOR_VERSION_H

#define DF_COORDINATOR_SOFTWARE "diffarm 0.1.0"

#endif
