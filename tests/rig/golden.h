/* Texts that are kept word for word in tests/golden/. */
#ifndef LEADX_GOLDEN_H
#define LEADX_GOLDEN_H

/* Is the text exactly the file's (a path from the repository's root, where `make test` runs)?
** LEADX_GOLDEN=write in the environment makes the file anew. */
void golden_expect(const char *path, const char *text);

#endif
