/* The settle command. */
#include <signal.h>

#include "cli/dispatch.h"
#include "cli/glyph.h"

int main(int argc, char **argv) {
    glyph_locale();
    signal(SIGPIPE, SIG_IGN); /* a reader that goes away ends the output, not the work */
    return dispatch(argc, argv);
}
