/* libFuzzer's side: FUZZ_TARGET is the function of fuzz.h that this program is for. */
#include <stdint.h>

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
  FUZZ_TARGET((const char *)data, n);
  return 0;
}
