/* Messages and deliveries in the words of a screen; what view.h is for transactions. Pure readers over the
 * API's answers. */
#ifndef CLI_LETTER_H
#define CLI_LETTER_H

#include <stdbool.h>

#include "cli/errand.h"
#include "cli/listing.h"

/* Whether nothing is owed any more: rolled back, or every delivery is over. */
bool letter_final(struct json_value message);
/* Whether waiting helps: false when it is final, and when what is left waits for somebody (dead, parked). */
bool letter_moves(struct json_value message);
/* 0 delivered, 7 still half or on its way, 10 rolled back, 11 needs attention (a dead delivery, a check-back
 * that does not decide). */
int letter_exit(struct json_value message);

/* "HTTP 503 later": what a delivery's last attempt brought. */
void letter_add_last(struct buffer *to, struct json_value delivery, struct arena *arena, int64_t now_ms);
/* "in 38s", "now", "held 12s", "": when a message is checked, or a delivery tried, next. */
void letter_add_next(struct buffer *to, struct json_value thing, struct arena *arena, int64_t now_ms);
/* The body in one line: JSON as it is, other bytes as "3 bytes of text/plain". */
void letter_add_body(struct buffer *to, struct json_value thing, struct arena *arena, int64_t now_ms);

/* Read the body that a command line names, the nth word (a file, or - for stdin) or --body TEXT, into the
 * errand as "body", or with another --content-type than JSON as "body_base64". Neither given: nothing is put.
 * An exit code. */
int letter_put_body(struct errand *e, size_t word);
/* The flags NAME=VALUE of this name as an object member; nothing when none was given. An exit code. */
int letter_put_pairs(struct errand *e, const char *flag, const char *member);

/* Ask GET path?wait= in steps of a second, until the message moves no more or the time is over, with a
 * progress line. The answer is the last one. An exit code. */
int letter_wait(struct cli *cli, const char *collection, const char *id, int wait_ms,
                struct cli_answer *answer);
/* POST the errand, and with a wait follow what it made until that moves no more. Prints the last answer. An
 * exit code; with a wait, letter_exit of that answer. */
int letter_send(struct errand *e, const char *collection, int wait_ms);

#endif
