/* SQLite's memory, of which one allocation fails. Each test is a process of its own. */
#ifndef LEADX_SHORT_MEMORY_H
#define LEADX_SHORT_MEMORY_H

/* Puts it in place of the memory that SQLite has, which must not be in use. */
void short_memory_begin(void);
void short_memory_end(void);
/* The nth allocation from here on fails, once; 0: none. */
void short_memory_fail(long nth);
/* Did it come to that? None fails any more. */
int short_memory_failed(void);

#endif
