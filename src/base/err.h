/* Every way in which a settle function can fail, and the sentence that goes with it.
 *
 * A function that can fail returns 0 or one negative enum err, leaves its outputs untouched on failure, and
 * may explain itself in a caller's struct why. Library and room code never logs an error: it returns it; only
 * the main program speaks. */
#ifndef BASE_ERR_H
#define BASE_ERR_H

/* name, value, sentence */
#define ERR_LIST(X)                                            \
    X(ERR_MEMORY, -1, "out of memory")                         \
    X(ERR_LIMIT, -2, "over a limit")                           \
    X(ERR_SYNTAX, -3, "malformed input")                       \
    X(ERR_INVALID, -4, "invalid value")                        \
    X(ERR_NOT_FOUND, -5, "not found")                          \
    X(ERR_CONFLICT, -6, "conflicts with what is there")        \
    X(ERR_NO_RULE, -7, "no rule for this event in this state") \
    X(ERR_IO, -8, "input or output failed")                    \
    X(ERR_SPACE, -9, "no space left")                          \
    X(ERR_CORRUPT, -10, "stored data is damaged")              \
    X(ERR_LOCKED, -11, "held by another owner")                \
    X(ERR_FENCED, -12, "a newer owner has taken over")         \
    X(ERR_UNKNOWN, -13, "outcome unknown")                     \
    X(ERR_AGAIN, -14, "not now, try again")                    \
    X(ERR_CLOSED, -15, "closed by the other side")             \
    X(ERR_TIMEOUT, -16, "timed out")                           \
    X(ERR_DENIED, -17, "not allowed")                          \
    X(ERR_UNSUPPORTED, -18, "not supported by this build")     \
    X(ERR_MORE, -19, "more input needed")

enum err {
#define X(name, value, text) name = value,
    ERR_LIST(X)
#undef X
};

/* The sentence for a code; "success" for 0, "unknown error" for anything else. Never NULL; static storage. */
const char *err_text(int code);

/* The story of a failure, innermost first. Owned by the caller, who may pass NULL everywhere a why is taken.
 */
struct why {
    char text[512];
};

/* Set the story (printf-style, cut at the buffer's size). Returns code, so that "return why_set(why, ERR_X,
 * ...)" reads well. */
int why_set(struct why *why, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Put a layer's own words in front of the story: "layer: story". Returns code. */
int why_prefix(struct why *why, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
