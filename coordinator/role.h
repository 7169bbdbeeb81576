/* What a peer may ask for, by the role of its key: watch looks, submit looks and commands jobs, work renders. */
#ifndef DF_COORDINATOR_ROLE_H
#define DF_COORDINATOR_ROLE_H

#include <stdbool.h>

#include "farm.pb-c.h"

#define DF_ROLE_ONE_TOO_MANY "full" /* of a connection for which there is no room (door.h): nothing is allowed */

/* role "": the socket asks for no keys, everything is allowed. */
bool df_role_may(const char *role, const Diffarm__Message *msg);

#endif
