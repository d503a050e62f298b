/* The network coming up. See network.h. */
#define _DEFAULT_SOURCE /* the groups of linux/rtnetlink.h */

#include "sync/network.h"

#ifdef __linux__

#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/netlink.h>
#include <linux/rtnetlink.h>

int leadx_network_open(void) {
  struct sockaddr_nl address;
  int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
  if (fd < 0) return -1;
  memset(&address, 0, sizeof address);
  address.nl_family = AF_NETLINK;
  address.nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR;
  if (bind(fd, (struct sockaddr *)&address, sizeof address) == 0) return fd;
  close(fd);
  return -1;
}

/* A new address, or an interface that runs. */
static int is_good_news(const struct nlmsghdr *message) {
  if (message->nlmsg_type == RTM_NEWADDR) return 1;
  if (message->nlmsg_type != RTM_NEWLINK ||
      message->nlmsg_len < NLMSG_LENGTH(sizeof(struct ifinfomsg)))
    return 0;
  const struct ifinfomsg *link = NLMSG_DATA(message);
  return (link->ifi_flags & IFF_RUNNING) != 0;
}

static int read_messages(const char *buffer, size_t n) {
  size_t at = 0;
  while (n - at >= sizeof(struct nlmsghdr)) {
    const struct nlmsghdr *message = (const struct nlmsghdr *)(const void *)(buffer + at);
    if (message->nlmsg_len < sizeof *message || message->nlmsg_len > n - at) return 0;
    if (is_good_news(message)) return 1;
    at += NLMSG_ALIGN(message->nlmsg_len);
    if (at > n) return 0;
  }
  return 0;
}

int leadx_network_came_up(int fd) {
  union {
    struct nlmsghdr alignment;
    char bytes[8192];
  } buffer;
  int came_up = 0;
  ssize_t n = 0;
  while (fd >= 0 && ((n = recv(fd, buffer.bytes, sizeof buffer.bytes, MSG_DONTWAIT)) > 0 ||
                     (n < 0 && errno == ENOBUFS))) {
    /* The kernel had more to say than the socket holds: something has changed. */
    came_up |= n < 0 || read_messages(buffer.bytes, (size_t)n);
  }
  return came_up;
}

void leadx_network_close(int fd) {
  if (fd >= 0) close(fd);
}

#else

int leadx_network_open(void) { return -1; }

int leadx_network_came_up(int fd) {
  (void)fd;
  return 0;
}

void leadx_network_close(int fd) { (void)fd; }

#endif
