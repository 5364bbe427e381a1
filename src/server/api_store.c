#include "server/api.h"
void api_backup(struct visit *v) {
    struct problem p;
    problem_init(&p, PROBLEM_NOT_AVAILABLE);
    visit_refuse(v, &p);
}
void api_backup_gone(struct visit *v) {
    (void)v;
}
void api_backup_drained(struct visit *v) {
    (void)v;
}
