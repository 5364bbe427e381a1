/* The API: a request that arrived is matched with its route, its sender with the route's role, and both with
 * the function that serves the route. What is common to all routes is here; the routes themselves are in
 * api_transactions.c, api_messages.c, api_notices.c (all three by way of api_things.c), api_deliveries.c,
 * api_definitions.c, api_lists.c, api_streams.c, api_admin.c, api_surface.c and api_store.c. */
#ifndef SERVER_API_H
#define SERVER_API_H

#include "server/daemon.h"
#include "server/visit.h"

/* Options of the HTTP server whose visits are served here; host, port, tls and limits are the caller's. */
struct http_server_options api_server_options(struct daemon *d);
/* Once a second: heartbeats, and answers to those who wait for a disk that is full. */
void api_second(struct daemon *d);
/* The daemon stops: streams end. */
void api_drain(struct daemon *d);

/* One function a group; each serves the routes of its group and answers the visit, now or later. */
void api_submit(struct visit *v);
void api_show(struct visit *v);
void api_command(struct visit *v);
void api_register(struct visit *v);
void api_publish(struct visit *v);
void api_message_show(struct visit *v);
void api_message_command(struct visit *v);
void api_pull(struct visit *v);
void api_delivery_show(struct visit *v);
void api_delivery_act(struct visit *v);
void api_definition_list(struct visit *v);
void api_definition_show(struct visit *v);
void api_definition_put(struct visit *v);
void api_definition_delete(struct visit *v);
void api_definition_pause(struct visit *v);
void api_lanes(struct visit *v);
void api_datasource_check(struct visit *v);
void api_list(struct visit *v);
void api_audit(struct visit *v);
void api_timeline(struct visit *v);
void api_notify(struct visit *v);
void api_notice_show(struct visit *v);
void api_notice_act(struct visit *v);
void api_missed(struct visit *v);
void api_endpoint_rotate(struct visit *v);
void api_events(struct visit *v);
void api_stats(struct visit *v);
void api_info(struct visit *v);
void api_config(struct visit *v);
void api_reload(struct visit *v);
void api_token_list(struct visit *v);
void api_token_create(struct visit *v);
void api_token_revoke(struct visit *v);
void api_secret_rotate(struct visit *v);
void api_backup(struct visit *v);
void api_openapi(struct visit *v);
void api_metrics(struct visit *v);
void api_problem_page(struct visit *v);
void api_alive(struct visit *v);
void api_ready(struct visit *v);

/* What the engine's queues know of a delivery; self: the daemon. */
struct delivery_stand api_delivery_stand(void *self, const struct transaction *t, uint16_t branch);
/* A reader of a stream or a backup has room again. */
void api_stream_drained(struct visit *v);
void api_backup_drained(struct visit *v);

#endif
