/* fail.h - for a test program in which allocations and system calls fail on demand: the functions below stand before those of
 * the C library, for the program and for the libraries that it uses. To be included by one file of a program.
 *
 *     for (long at = 1;; at++) {
 *         fail_from(FAIL_MEMORY, ENOMEM, at, false);
 *         struct error *error = whatever();
 *         if (!fail_end()) break;                   none was left to fail, so it succeeded
 *         ... what `error` says, and what lies on the disk ...
 *     } */
#ifndef RUNG_TESTS_FAIL_H
#define RUNG_TESTS_FAIL_H

#include "base/base.h"
#include "tests/sanitized.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* What may fail. */
enum fail_what {
	FAIL_NOTHING = 0,
	FAIL_MEMORY = 1,  /* malloc, calloc, realloc, mmap of anonymous memory */
	FAIL_FILES = 2,   /* open, fstat, read, write, fsync, close, rename */
	FAIL_FOLDERS = 4, /* opendir, readdir, mkdir, stat, statvfs, realpath */
	FAIL_LOCKS = 8    /* flock, ftruncate, pread, pwrite, fopen, gethostname, kill */
};

static struct {
	unsigned what;
	const char *only; /* calls of this name alone; NULL: all */
	long at, count;   /* the one that fails, from 1; those so far */
	bool lasting;     /* and all after it */
	int number;       /* errno then; 0: nothing is written or read, without an error */
	const char *name; /* of the first call that failed; NULL: none did */
} failing;

static inline bool fails(enum fail_what what, const char *name) {
	if (!(failing.what & what) || (failing.only && strcmp(failing.only, name) != 0)) return false;
	const long number = ++failing.count;
	if (failing.lasting ? number < failing.at : number != failing.at) return false;
	if (!failing.name) failing.name = name;
	errno = failing.number;
	return true;
}

static inline void fail_from(unsigned what, int number, long at, bool lasting) {
	failing.at = at;
	failing.count = 0;
	failing.number = number;
	failing.lasting = lasting;
	failing.name = failing.only = NULL;
	failing.what = what;
}

/* Only calls of one function. */
static inline void fail_only(const char *name, int number, long at, bool lasting) {
	fail_from(FAIL_MEMORY | FAIL_FILES | FAIL_FOLDERS | FAIL_LOCKS, number, at, lasting);
	failing.only = name;
}

/* Whether something has failed since fail_from. */
static inline bool fail_end(void) {
	failing.what = FAIL_NOTHING;
	return failing.name != NULL;
}

/* ---------------------------------------------------------------------------------------------------------- memory --- */

#define FAIL_HAS_MEMORY (!SANITIZED)

#if FAIL_HAS_MEMORY
/* Of glibc, under the names that stay reachable. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *block, size_t size);

void *malloc(size_t size) {
	return fails(FAIL_MEMORY, "malloc") ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
	return fails(FAIL_MEMORY, "calloc") ? NULL : __libc_calloc(count, size);
}

void *realloc(void *block, size_t size) {
	return fails(FAIL_MEMORY, "realloc") ? NULL : __libc_realloc(block, size);
}
#endif

/* ----------------------------------------------------------------------------------------------------- system calls --- */

/* The function of the C library that would have been called. */
#define NEXT(result, name, ...)                                                                                        \
	static result (*next)(__VA_ARGS__);                                                                                \
	if (!next) *(void **)&next = dlsym(RTLD_NEXT, name)

int open(const char *path, int flags, ...) {
	NEXT(int, "open", const char *, int, ...);
	va_list arguments;
	va_start(arguments, flags);
	const unsigned mode = va_arg(arguments, unsigned); /* unused where no file is made */
	va_end(arguments);
	return fails(FAIL_FILES, "open") ? -1 : next(path, flags, mode);
}

ssize_t read(int file, void *bytes, size_t count) {
	NEXT(ssize_t, "read", int, void *, size_t);
	if (!fails(FAIL_FILES, "read")) return next(file, bytes, count);
	return failing.number ? -1 : 0;
}

ssize_t write(int file, const void *bytes, size_t count) {
	NEXT(ssize_t, "write", int, const void *, size_t);
	if (!fails(FAIL_FILES, "write")) return next(file, bytes, count);
	return failing.number ? -1 : 0;
}

int fsync(int file) {
	NEXT(int, "fsync", int);
	return fails(FAIL_FILES, "fsync") ? -1 : next(file);
}

/* As on Linux, it is closed in any case. */
int close(int file) {
	NEXT(int, "close", int);
	const bool bad = fails(FAIL_FILES, "close");
	const int number = errno, result = next(file);
	if (bad) errno = number;
	return bad ? -1 : result;
}

int rename(const char *from, const char *to) {
	NEXT(int, "rename", const char *, const char *);
	return fails(FAIL_FILES, "rename") ? -1 : next(from, to);
}

int fstat(int file, struct stat *status) {
	NEXT(int, "fstat", int, struct stat *);
	return fails(FAIL_FILES, "fstat") ? -1 : next(file, status);
}

int stat(const char *restrict path, struct stat *restrict status) {
	NEXT(int, "stat", const char *, struct stat *);
	return fails(FAIL_FOLDERS, "stat") ? -1 : next(path, status);
}

int statvfs(const char *restrict path, struct statvfs *restrict status) {
	NEXT(int, "statvfs", const char *, struct statvfs *);
	return fails(FAIL_FOLDERS, "statvfs") ? -1 : next(path, status);
}

char *realpath(const char *restrict path, char *restrict resolved) {
	NEXT(char *, "realpath", const char *, char *);
	return fails(FAIL_FOLDERS, "realpath") ? NULL : next(path, resolved);
}

int mkdir(const char *path, mode_t mode) {
	NEXT(int, "mkdir", const char *, mode_t);
	return fails(FAIL_FOLDERS, "mkdir") ? -1 : next(path, mode);
}

DIR *opendir(const char *path) {
	NEXT(DIR *, "opendir", const char *);
	return fails(FAIL_FOLDERS, "opendir") ? NULL : next(path);
}

int flock(int file, int operation) {
	NEXT(int, "flock", int, int);
	return fails(FAIL_LOCKS, "flock") ? -1 : next(file, operation);
}

int ftruncate(int file, off_t length) {
	NEXT(int, "ftruncate", int, off_t);
	return fails(FAIL_LOCKS, "ftruncate") ? -1 : next(file, length);
}

ssize_t pread(int file, void *bytes, size_t count, off_t offset) {
	NEXT(ssize_t, "pread", int, void *, size_t, off_t);
	return fails(FAIL_LOCKS, "pread") ? -1 : next(file, bytes, count, offset);
}

ssize_t pwrite(int file, const void *bytes, size_t count, off_t offset) {
	NEXT(ssize_t, "pwrite", int, const void *, size_t, off_t);
	return fails(FAIL_LOCKS, "pwrite") ? -1 : next(file, bytes, count, offset);
}

FILE *fopen(const char *restrict path, const char *restrict mode) {
	NEXT(FILE *, "fopen", const char *, const char *);
	return fails(FAIL_LOCKS, "fopen") ? NULL : next(path, mode);
}

int gethostname(char *name, size_t size) {
	NEXT(int, "gethostname", char *, size_t);
	return fails(FAIL_LOCKS, "gethostname") ? -1 : next(name, size);
}

int kill(pid_t process, int number) {
	NEXT(int, "kill", pid_t, int);
	return fails(FAIL_LOCKS, "kill") ? -1 : next(process, number);
}

struct dirent *readdir(DIR *folder) {
	NEXT(struct dirent *, "readdir", DIR *);
	return fails(FAIL_FOLDERS, "readdir") ? NULL : next(folder);
}

#endif
