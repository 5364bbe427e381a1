/* From a command line to an exit code: reads the flags, finds the command in the table, runs it. All of the
 * settle program but its main, so that tests can call it as often as they like. */
#ifndef CLI_DISPATCH_H
#define CLI_DISPATCH_H

/* argv as main gets it, ending with NULL. Writes to stdout and stderr. Returns an enum cli_exit. */
int dispatch(int argc, char **argv);

#endif
