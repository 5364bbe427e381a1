/* Confinement: what this process can no longer ask of the kernel once it runs (reliability.md H13).
 *
 * Two halves, because the kernel binds them differently.
 * Files (Landlock) hold for the calling thread and for threads it starts later, so this half comes before the
 * first thread: the data directory and the folders of datasource.directories may be read and written, and
 * read may be what reloads and name look-ups open again: the folders of the settings file, of certificates,
 * keys, CAs and secret files, the system's libraries and CA certificates, the resolver's files. Files that
 * are open already stay usable. Calls (seccomp) hold for all threads at once, so this half comes when
 * everything is open: a list of the calls that settled and its libraries make is allowed. What only an
 * intruder would ask for (to start programs, trace, mount, load modules) kills the process; any other call is
 * answered "no such call" (ENOSYS), because a newer C library tries new calls and falls back on old ones.
 *
 * Both can be lifted by nothing but a restart. A kernel may know neither: that is said and is no fault, since
 * confinement is the second wall and not the first. Builds with a sanitizer are not confined: the leak
 * checker traces its own process.
 *
 * Errors: ERR_UNSUPPORTED this kernel or build cannot · ERR_IO the kernel refused; why tells. Neither leaves
 * anything half done. */
#ifndef SERVER_CONFINEMENT_H
#define SERVER_CONFINEMENT_H

#include <stddef.h>

#include "base/err.h"
#include "server/settings.h"

/* Folders or files to open to reading. Texts belong to the caller; "" and what does not exist are left out.
 * A file stands for itself only: who replaces it by a rename makes another one, so name its folder. */
struct confinement_paths {
    const char *data; /* read and write */
    const char *const *readable;
    size_t count;
    const char *const *writable; /* read and write too */
    size_t writable_count;
};

/* Half one, for this thread and those it starts from now on. */
int confinement_files(const struct confinement_paths *paths, struct why *why);
/* Half two, for every thread of the process. */
int confinement_calls(struct why *why);

/* Half one as settled needs it, by these settings and this settings file ("" for none): collects the paths
 * and logs how it went. Nothing is done when `confinement` is off. */
void confinement_begin(const struct settings *s, const char *data, const char *config);
/* Half two, logged too. */
void confinement_seal(const struct settings *s);

#endif
