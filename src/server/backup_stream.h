/* Backups that a daemon streams: what a crash may have left of one. */
#ifndef SERVER_BACKUP_STREAM_H
#define SERVER_BACKUP_STREAM_H

/* Remove unfinished copies from a data directory. Only before the daemon serves. */
void backup_stream_sweep(const char *data);

#endif
