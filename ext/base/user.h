/* A user: the sub of an access token, as text. "" is nobody. */
#ifndef LEADX_USER_H
#define LEADX_USER_H

#define LEADX_USER_BYTES 64

#endif
