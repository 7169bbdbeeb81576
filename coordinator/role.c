#include "coordinator/role.h"

#include <string.h>

#include "proto/keys.h"

static bool is_look(const Diffarm__Message *msg) {
    switch (msg->body_case) {
    case DIFFARM__MESSAGE__BODY_HELLO: return msg->hello->role != DIFFARM__HELLO__ROLE__WORKER;
    case DIFFARM__MESSAGE__BODY_JOB_QUERY:
    case DIFFARM__MESSAGE__BODY_FAILURES_QUERY:
    case DIFFARM__MESSAGE__BODY_EXPLAIN_QUERY:
    case DIFFARM__MESSAGE__BODY_WORKERS_QUERY: return true;
    default: return false;
    }
}

static bool is_work(const Diffarm__Message *msg) {
    switch (msg->body_case) {
    case DIFFARM__MESSAGE__BODY_HELLO: return msg->hello->role == DIFFARM__HELLO__ROLE__WORKER;
    case DIFFARM__MESSAGE__BODY_LEASE_REQUEST:
    case DIFFARM__MESSAGE__BODY_HEARTBEAT:
    case DIFFARM__MESSAGE__BODY_RESULT:
    case DIFFARM__MESSAGE__BODY_ROW_FAILED:
    case DIFFARM__MESSAGE__BODY_LEASE_RETURNED:
    case DIFFARM__MESSAGE__BODY_FILE_GET:
    case DIFFARM__MESSAGE__BODY_GOODBYE: return true;
    default: return false;
    }
}

bool df_role_may(const char *role, const Diffarm__Message *msg) {
    if (!*role) return true;
    if (!strcmp(role, DF_ROLE_WORK)) return is_work(msg);
    if (!strcmp(role, DF_ROLE_WATCH)) return is_look(msg);
    return !strcmp(role, DF_ROLE_SUBMIT) && !is_work(msg);
}
