/* Secrets: keys, tokens, passwords. How they are copied, shown, wiped, and kept out of every text
** that comes from outside.
**
** What a process holds as a secret is made known here; the text itself is not kept, only keyed
** hashes of its pieces. A text of a server, of libcurl or of a file passes leadx_secret_scrub() on
** its way into a message, a row, the log or a result. Any run of LEADX_SECRET_RUN or more characters
** of a secret is overwritten then, also where it is split by blanks, line ends and punctuation, has
** other capitals, overlaps itself, or is written in escapes (of JSON, URLs, HTML, mails), in base64
** or in hexadecimal, or in two of these one inside the other. A server that sets out to hide a
** secret in a text can do so; it knows the secret already.
*/
#ifndef LEADX_SECRET_H
#define LEADX_SECRET_H

#include "base/sqlite.h"

/* Characters of a secret in a row that are too many to be shown. */
#define LEADX_SECRET_RUN 12

/* Makes a text known (NULL: nothing) for as long as the holder, any address, does not forget. The
** last LEADX_SECRETS_HELD of a holder count, so that a token is known for a while after it was
** replaced. Texts of fewer than six characters are in every sentence, and no secrets. SQLITE_OK, or
** SQLITE_NOMEM: then the text must not be sent. */
#define LEADX_SECRETS_HELD 16
int leadx_secret_know(const void *holder, const char *text);
void leadx_secret_forget(const void *holder);

/* Overwrites what is known in text[0..n) with stars, byte by byte: the length stays, and valid UTF-8
** stays valid. Nothing is allocated. Returns 1 when something was overwritten. */
int leadx_secret_scrub(char *text, size_t n);

/* Would anything be overwritten? */
int leadx_secret_is_in(const char *text, size_t n);

/* A copy in one block of its size: a printing function would leave pieces of a secret behind. NULL
** for NULL, and when out of memory. */
char *leadx_secret_copy(const char *text);
/* Wipes and frees; accepts NULL. */
void leadx_secret_free(char *text);

/* The first characters of a secret, six at most and never more than half of it, and an ellipsis; for
** people to tell one from another. NULL for NULL, and when out of memory; the caller frees. */
char *leadx_secret_shorten(const char *text);

#endif
