#include "server/api.h"
void api_list(struct visit *v) {
    struct problem p;
    problem_init(&p, PROBLEM_NOT_AVAILABLE);
    visit_refuse(v, &p);
}
void api_audit(struct visit *v) {
    api_list(v);
}
void api_list_gone(struct visit *v) {
    (void)v;
}
