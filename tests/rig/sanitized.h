/* Is this program watched by a sanitizer? Everything is slower then, and it has to see the code of
** every thread. */
#ifndef LEADX_SANITIZED_H
#define LEADX_SANITIZED_H

#if defined(__SANITIZE_THREAD__)
#define IS_THREAD_SANITIZED 1
#elif defined(__has_feature)
#define IS_THREAD_SANITIZED __has_feature(thread_sanitizer)
#else
#define IS_THREAD_SANITIZED 0
#endif

#if defined(__SANITIZE_ADDRESS__)
#define IS_SANITIZED 1
#elif defined(__has_feature)
#define IS_SANITIZED (__has_feature(address_sanitizer) || IS_THREAD_SANITIZED)
#else
#define IS_SANITIZED IS_THREAD_SANITIZED
#endif

#endif
