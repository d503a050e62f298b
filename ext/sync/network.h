/* The network coming up, as the operating system tells it: rtnetlink on Linux. Elsewhere, and where
** a sandbox forbids it, nothing is told, and whoever waits for the network has to look for it. */
#ifndef LEADX_NETWORK_H
#define LEADX_NETWORK_H

/* Begins to listen; a file descriptor, or -1 where there is nothing to listen to. */
int leadx_network_open(void);
/* Has an interface or an address come up since the last call? Does not wait. Accepts -1. */
int leadx_network_came_up(int fd);
void leadx_network_close(int fd); /* accepts -1 */

#endif
