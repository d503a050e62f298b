/* A user: the sub of an access token, as text, whole. "" is nobody. Users are compared whole, so a
** longer name is refused where it is read, never cut. */
#ifndef LEADX_USER_H
#define LEADX_USER_H

#define LEADX_USER_BYTES 256

#endif
