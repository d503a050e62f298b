/* Is this program watched by a sanitizer? Everything is slower then, and it has to see the code of every thread. */
#ifndef LEADX_SANITIZED_H
#define LEADX_SANITIZED_H

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED 1
#elif defined(__has_feature)
#define IS_SANITIZED (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#else
#define IS_SANITIZED 0
#endif

#endif
