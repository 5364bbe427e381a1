/* Transcripts: a script of commands with the exact words that each must bring forth (the files of
 * tests/script). A changed word is a changed behaviour: --rewrite takes it over, and the review reads the
 * difference.
 *
 *     # what this is about
 *     submit trip saga
 *       branch car
 *     ----
 *     +0.000 trip: submit | ...
 *
 * A block is one or more commands (indented lines belong to the command above), a line of four dashes, and
 * the expected lines up to the next empty line. */
#ifndef SIM_TRANSCRIPT_H
#define SIM_TRANSCRIPT_H

#include <stdbool.h>

/* Run each file on a fresh stage. Prints one line a file and every difference; returns the number of files
 * that differ, or with rewrite that could not be written. */
int transcript_run(char **paths, int count, bool rewrite);

#endif
