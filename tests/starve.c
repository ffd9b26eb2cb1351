/* starve.c - a library to be loaded before others (LD_PRELOAD), under which one allocation fails, or all from one on.
 *
 *     STARVE_AT=n      the allocation that fails, from 1; 0: none
 *     STARVE_LASTING=1 all from there on
 *     STARVE_COUNT=F   a file to which the number of allocations is written in the end
 *
 * Allocations of rung and of the libraries that work for it count; those of OpenBLAS, OpenMP and the loader, which end the
 * program or take no notice, do not. */
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>

/* Of glibc, under the names that stay reachable when the usual ones are replaced. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *block, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

enum { RANGES = 16 };
static struct range { uintptr_t begin, end; } passed_over[RANGES];
static int range_count;
static bool ready, lasting;
static long fails_at;
static atomic_long count;

static int note_object(struct dl_phdr_info *object, size_t size, void *context) {
	static const char *const names[] = {"libopenblas", "libblas",  "libgomp", "libomp",
	                                    "libgfortran", "ld-linux", "libdl"};
	(void)size, (void)context;
	bool named = false;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) named |= strstr(object->dlpi_name, names[i]) != NULL;
	for (int i = 0; named && i < object->dlpi_phnum && range_count < RANGES; i++) {
		const ElfW(Phdr) *part = &object->dlpi_phdr[i];
		if (part->p_type != PT_LOAD || !(part->p_flags & PF_X)) continue;
		const uintptr_t begin = object->dlpi_addr + part->p_vaddr;
		passed_over[range_count++] = (struct range){begin, begin + part->p_memsz};
	}
	return 0;
}

__attribute__((constructor)) static void begin(void) {
	const char *at = getenv("STARVE_AT"), *more = getenv("STARVE_LASTING");
	fails_at = at ? atol(at) : 0;
	lasting = more && *more == '1';
	dl_iterate_phdr(note_object, NULL);
	ready = true;
}

__attribute__((destructor)) static void end(void) {
	const char *path = getenv("STARVE_COUNT");
	ready = false;
	FILE *file = path ? fopen(path, "w") : NULL;
	if (!file) return;
	fprintf(file, "%ld\n", atomic_load(&count));
	fclose(file);
}

static bool starves(const void *caller) {
	if (!ready) return false;
	for (int i = 0; i < range_count; i++)
		if ((uintptr_t)caller >= passed_over[i].begin && (uintptr_t)caller < passed_over[i].end) return false;
	const long number = atomic_fetch_add(&count, 1) + 1;
	if (fails_at == 0 || (lasting ? number < fails_at : number != fails_at)) return false;
	errno = ENOMEM;
	return true;
}

#define STARVES starves(__builtin_return_address(0))

void *malloc(size_t size) {
	return STARVES ? NULL : __libc_malloc(size);
}

void *calloc(size_t number, size_t size) {
	return STARVES ? NULL : __libc_calloc(number, size);
}

void *realloc(void *block, size_t size) {
	return STARVES ? NULL : __libc_realloc(block, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
	return STARVES ? NULL : __libc_memalign(alignment, size);
}

int posix_memalign(void **block, size_t alignment, size_t size) {
	if (STARVES) return ENOMEM;
	*block = __libc_memalign(alignment, size);
	return *block ? 0 : ENOMEM;
}

void *mmap(void *address, size_t length, int protection, int flags, int file, off_t offset) {
	static void *(*next)(void *, size_t, int, int, int, off_t);
	if (!next) *(void **)&next = dlsym(RTLD_NEXT, "mmap");
	return STARVES ? MAP_FAILED : next(address, length, protection, flags, file, offset);
}
