/* sanitized.h - who watches over this build.
 *
 * SANITIZED: AddressSanitizer or ThreadSanitizer. They want to be the only ones who replace malloc, and their own memory fits
 * under no limit.
 * MEMCHECK: valgrind, which is some fifty times slower. Every line should be reached; the same line a thousand times need not. */
#ifndef RUNG_TESTS_SANITIZED_H
#define RUNG_TESTS_SANITIZED_H

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__ /* gcc */
#define SANITIZED 1
#elif defined __has_feature /* clang */
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

#ifndef MEMCHECK
#define MEMCHECK 0
#endif

#endif
