/* Every tests/test_<module>.c defines one suite:
**
**   Suite *test_<module>_suite(void);
**
** build/gen/suites.def has a line LEADX_SUITE(<module>) for each such file, so that
** adding a file is all it takes. */
#ifndef LEADX_SUITES_H
#define LEADX_SUITES_H

#include <check.h>

#define LEADX_SUITE(module) Suite *test_##module##_suite(void);
#include "suites.def"
#undef LEADX_SUITE

#endif
