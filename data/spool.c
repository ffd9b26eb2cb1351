/* spool.c - temporary files beside the output. */
#include "data/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#define BLOCK_BYTES ((size_t)256 << 10)
/* Negative levels of zstd trade size for speed: text shrinks to about a half at several times the speed of level 1. */
#define SPOOL_LEVEL (-3)

/* -------------------------------------------------------------------------------------------------- plain files --- */

/* A file without a name, so that nothing of it can stay behind; -1 and errno when it cannot be had. */
static int open_nameless(const char *beside) {
	const char *slash = strrchr(beside, '/');
	char *folder = slash ? strndup(beside, slash == beside ? 1 : (size_t)(slash - beside)) : strdup("."), *path = NULL;
	int file = -1;
	if (!folder) return -1;
	file = file_open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC);
	/* Some file systems cannot: there the file has a name for a moment. */
	if (file < 0 && (errno == EOPNOTSUPP || errno == EISDIR)) {
		if (asprintf(&path, "%s.tmp-XXXXXX", beside) < 0) path = NULL;
		file = path ? mkostemp(path, O_CLOEXEC) : -1;
		if (file >= 0 && unlink(path)) {
			close(file);
			file = -1;
		}
	}
	const int reason = errno;
	free(folder);
	free(path);
	errno = reason;
	return file;
}

struct error *temporary_open(const char *beside, FILE **file) {
	*file = NULL;
	const int number = open_nameless(beside);
	if (number < 0) return error_system("create a temporary file beside", beside);
	*file = fdopen(number, "w+");
	if (*file) return NULL;
	struct error *error = error_system("open a temporary file beside", beside);
	close(number);
	return error;
}

struct error *temporary_write(FILE *file, const char *beside, const void *bytes, size_t count) {
	if (count == 0 || fwrite(bytes, 1, count, file) == count) return NULL;
	return error_system("write to a temporary file beside", beside);
}

struct error *temporary_read(FILE *file, const char *beside, void *bytes, size_t count) {
	errno = 0;
	if (count == 0 || fread(bytes, 1, count, file) == count) return NULL;
	if (errno == 0) errno = EIO; /* it ended before what we wrote to it */
	return error_system("read from a temporary file beside", beside);
}

/* --------------------------------------------------------------------------------------------- compressed spools --- */

struct spool {
	FILE *file;
	char *beside;
	ZSTD_CCtx *packer;
	ZSTD_DCtx *unpacker;
	char *block; /* BLOCK_BYTES: what is being filled, or read from */
	size_t filled, at;
	char *packed; /* room for a compressed block */
	size_t packed_room;
	bool reading;
};

/* A block on the disk: two sizes, then the compressed bytes. */
struct block_sizes {
	uint32_t plain, packed;
};

struct error *spool_open(const char *beside, struct spool **spool) {
	struct spool *made = array_new(1, sizeof *made);
	*spool = NULL;
	if (!made) return error_memory(sizeof *made);
	struct error *error = NULL;
	made->packed_room = ZSTD_compressBound(BLOCK_BYTES);
	made->beside = strdup(beside);
	made->packer = ZSTD_createCCtx();
	made->unpacker = ZSTD_createDCtx();
	made->block = malloc(BLOCK_BYTES);
	made->packed = malloc(made->packed_room);
	if (!made->beside || !made->packer || !made->unpacker || !made->block || !made->packed) {
		error = error_memory(BLOCK_BYTES + made->packed_room);
		goto failed;
	}
	ZSTD_CCtx_setParameter(made->packer, ZSTD_c_compressionLevel, SPOOL_LEVEL);
	ZSTD_CCtx_setParameter(made->packer, ZSTD_c_checksumFlag, 1);
	error = temporary_open(beside, &made->file);
	if (error) goto failed;
	*spool = made;
	return NULL;
failed:
	spool_close(made);
	return error;
}

void spool_close(struct spool *spool) {
	if (!spool) return;
	if (spool->file) fclose(spool->file);
	ZSTD_freeCCtx(spool->packer);
	ZSTD_freeDCtx(spool->unpacker);
	free(spool->beside);
	free(spool->block);
	free(spool->packed);
	free(spool);
}

static struct error *write_block(struct spool *spool) {
	if (spool->filled == 0) return NULL;
	size_t packed = ZSTD_compress2(spool->packer, spool->packed, spool->packed_room, spool->block, spool->filled);
	if (ZSTD_isError(packed))
		return error_new(ERROR_FAILED, "cannot compress a temporary file: %s", ZSTD_getErrorName(packed));
	struct block_sizes sizes = {(uint32_t)spool->filled, (uint32_t)packed};
	spool->filled = 0;
	TRY(temporary_write(spool->file, spool->beside, &sizes, sizeof sizes));
	return temporary_write(spool->file, spool->beside, spool->packed, packed);
}

struct error *spool_put(struct spool *spool, const void *bytes, size_t count) {
	const char *from = bytes;
	while (count > 0) {
		size_t room = BLOCK_BYTES - spool->filled, part = count < room ? count : room;
		memcpy(spool->block + spool->filled, from, part);
		spool->filled += part;
		from += part;
		count -= part;
		if (spool->filled == BLOCK_BYTES) TRY(write_block(spool));
	}
	return NULL;
}

struct error *spool_rewind(struct spool *spool) {
	if (!spool->reading) TRY(write_block(spool));
	spool->reading = true;
	spool->filled = spool->at = 0;
	if (fseeko(spool->file, 0, SEEK_SET)) return error_system("rewind a temporary file beside", spool->beside);
	return NULL;
}

static struct error *read_block(struct spool *spool) {
	struct block_sizes sizes;
	TRY(temporary_read(spool->file, spool->beside, &sizes, sizeof sizes));
	if (sizes.plain == 0 || sizes.plain > BLOCK_BYTES || sizes.packed > spool->packed_room) goto damaged;
	TRY(temporary_read(spool->file, spool->beside, spool->packed, sizes.packed));
	if (ZSTD_decompressDCtx(spool->unpacker, spool->block, BLOCK_BYTES, spool->packed, sizes.packed) != sizes.plain)
		goto damaged;
	spool->filled = sizes.plain;
	spool->at = 0;
	return NULL;
damaged:
	return error_new(
	    ERROR_FAILED,
	    "a temporary file beside %s came back from the disk with other bytes than were written to it; "
	    "check the disk and the memory of this machine",
	    spool->beside);
}

struct error *spool_get(struct spool *spool, void *bytes, size_t count) {
	char *to = bytes;
	while (count > 0) {
		if (spool->at == spool->filled) TRY(read_block(spool));
		size_t left = spool->filled - spool->at, part = count < left ? count : left;
		memcpy(to, spool->block + spool->at, part);
		spool->at += part;
		to += part;
		count -= part;
	}
	return NULL;
}
