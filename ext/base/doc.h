/* Small JSON documents through cJSON: options, error bodies, results, tokens' claims.
** The only user of cJSON. Row values never come here (see json.h). */
#ifndef LEADX_DOC_H
#define LEADX_DOC_H

#include "base/err.h"

typedef struct leadx_doc leadx_doc; /* a JSON value; the root is owned by who made it */

/* Reads exactly one JSON value, at most 64 deep, nothing behind it.
** NULL and an error "who: not JSON at byte N" on failure. The caller frees the root. */
leadx_doc *leadx_doc_parse(const char *who, const char *z, size_t n, leadx_err *err);
leadx_doc *leadx_doc_new_object(void); /* NULL when out of memory */
leadx_doc *leadx_doc_new_array(void);
void leadx_doc_free(leadx_doc *root); /* accepts NULL */

int leadx_doc_is_object(const leadx_doc *doc);
int leadx_doc_is_array(const leadx_doc *doc);
int leadx_doc_is_string(const leadx_doc *doc);
int leadx_doc_is_number(const leadx_doc *doc);
int leadx_doc_is_bool(const leadx_doc *doc);
int leadx_doc_is_null(const leadx_doc *doc);

/* Borrowed from the document; NULL when absent (names are case-sensitive). */
const leadx_doc *leadx_doc_get(const leadx_doc *object, const char *name);
const char *leadx_doc_text(const leadx_doc *object, const char *name); /* NULL unless a string */
const char *leadx_doc_string(const leadx_doc *value); /* NULL unless a string */
double leadx_doc_number(const leadx_doc *value); /* 0 unless a number */
int leadx_doc_true(const leadx_doc *value); /* 1 only for true */
/* Walking members or elements in their order: first(NULL-safe), next, and the member's name. */
const leadx_doc *leadx_doc_first(const leadx_doc *container);
const leadx_doc *leadx_doc_next(const leadx_doc *value);
const char *leadx_doc_name(const leadx_doc *member);

/* Adds to an object; a failure (memory) is sticky and shows when the text is asked for: a container
** that lost a member prints nothing, and is no object or array any more. */
void leadx_doc_add_text(leadx_doc *object, const char *name,
                        const char *text); /* NULL text adds null */
void leadx_doc_add_int(leadx_doc *object, const char *name, int64_t n); /* |n| < 2^53 */
void leadx_doc_add_bool(leadx_doc *object, const char *name, int truth);
void leadx_doc_add_null(leadx_doc *object, const char *name);
void leadx_doc_add(leadx_doc *object, const char *name, leadx_doc *child); /* takes child over */
void leadx_doc_push(leadx_doc *array, leadx_doc *child); /* takes child over */
void leadx_doc_push_text(leadx_doc *array, const char *text);

/* Takes a member away; one that is not there is no matter. */
void leadx_doc_remove(leadx_doc *object, const char *name);
/* A copy of a value with all that is in it; the caller frees. NULL when out of memory, or of NULL. */
leadx_doc *leadx_doc_copy(const leadx_doc *value);

/* The compact text in sqlite3_malloc memory, or NULL when out of memory. The caller frees. */
char *leadx_doc_print(const leadx_doc *doc);

#endif
