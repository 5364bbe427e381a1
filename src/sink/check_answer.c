#include "sink/check_answer.h"

#include "base/json.h"
#include "sink/http/http_answer.h"

bool check_answer_is_for(const struct call *call) {
    return call->message == NULL && call->role == ROLE_FORWARD && slice_is(call->operation, "check");
}

enum verdict check_answer_verdict(unsigned http, struct slice body, const char **say) {
    struct json_value root, status;
    enum verdict verdict = http_answer_verdict(http);
    if (verdict == VERDICT_WORKING || verdict == VERDICT_SLOW_DOWN)
        return verdict;
    if (http != 200)
        return VERDICT_UNKNOWN;
    *say = "a check-back is answered with {\"status\": \"committed\"}, \"rolled_back\" or \"unknown\"";
    if (json_check(body, &root, NULL) != 0 || !json_member(root, "status", &status))
        return VERDICT_UNKNOWN;
    if (slice_is(status.raw, "\"committed\""))
        return VERDICT_DONE;
    if (slice_is(status.raw, "\"rolled_back\""))
        return VERDICT_REFUSED;
    if (slice_is(status.raw, "\"unknown\""))
        *say = "the producer does not know yet";
    return VERDICT_UNKNOWN;
}
