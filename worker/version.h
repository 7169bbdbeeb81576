/* What we call ourselves: to people, on the wire, and in pictures. */
#ifndef DF_WORKER_VERSION_H
#define DF_WORKER_VERSION_H

#define DF_SOFTWARE "diffarm 0.1.0"

#endif
