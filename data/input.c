/* input.c - files as streams of bytes, decompressed on the way. Memory does not depend on what a file claims or holds. */
#include "data/input.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION /* its inputs are small, and are to cross the buffers' ends */
#define RAW_BYTES ((size_t)500)
#else
#define RAW_BYTES ((size_t)256 << 10)
#endif
#define PROBE_BYTES 8      /* the longest magic number that is looked for */
#define WINDOW_LOG_MOST 27 /* zstd files made with larger windows want more memory than we promise to use */

enum packing { PACKING_PLAIN, PACKING_ZSTD, PACKING_GZIP };
static const char *const packing_names[] = {"plain", "zstd", "gzip"};

struct input {
	int file;
	char *name;
	enum packing packing;
	const char *foreign;
	unsigned char *raw; /* RAW_BYTES read from the file; at..filled are still to be used */
	size_t at, filled;
	uint64_t raw_total;
	bool raw_end;
	bool inside; /* a compressed frame or member has begun and not ended */
	ZSTD_DCtx *zstd;
	z_stream gzip;
	bool gzip_ready;
};

static const struct {
	const char *magic;
	size_t length;
	const char *advice;
} foreign_formats[] = {
    {"\xfd"
     "7zXZ",
     5, "is an xz file: decompress it on the way in: xz -dc FILE | rung data import - ..."},
    {"BZh", 3, "is a bzip2 file: decompress it on the way in: bzip2 -dc FILE | rung data import - ..."},
    {"PK\3\4", 4, "is a zip archive: unpack it and name the folder"},
    {"%PDF-", 5, "is a PDF: extract its text first, for example with pdftotext"},
    {"PAR1", 4, "is a Parquet file: write its text column as JSON lines first"},
    {"RUNGCORP", 8, "is a corpus already: 'rung data info FILE' shows it"},
    {"\xff\xfe", 2, "is UTF-16 text: iconv -f UTF-16 -t UTF-8 FILE | rung data import - ..."},
    {"\xfe\xff", 2, "is UTF-16 text: iconv -f UTF-16 -t UTF-8 FILE | rung data import - ..."},
};

static struct error *fill(struct input *input) {
	memmove(input->raw, input->raw + input->at, input->filled - input->at);
	input->filled -= input->at;
	input->at = 0;
	for (int attempts = 0;;) {
		ssize_t got = read(input->file, input->raw + input->filled, RAW_BYTES - input->filled);
		if (got < 0 && !interrupt_pending() && call_again(&attempts)) continue;
		if (got < 0 && errno == EINTR && interrupt_pending())
			return error_new(ERROR_INTERRUPTED, "interrupted while reading %s", input->name);
		if (got < 0) return error_system("read", input->name);
		input->raw_end = got == 0;
		input->filled += (size_t)got;
		input->raw_total += (uint64_t)got;
		return NULL;
	}
}

static struct error *detect(struct input *input) {
	while (!input->raw_end && input->filled < PROBE_BYTES) TRY(fill(input));
	const unsigned char *raw = input->raw;
	size_t filled = input->filled;
	/* The second zstd magic is that of a skippable frame; its low four bits are free. */
	if (filled >= 4 && (memcmp(raw, "\x28\xb5\x2f\xfd", 4) == 0 ||
	                    ((raw[0] & 0xf0) == 0x50 && memcmp(raw + 1, "\x2a\x4d\x18", 3) == 0)))
		input->packing = PACKING_ZSTD;
	else if (filled >= 2 && raw[0] == 0x1f && raw[1] == 0x8b)
		input->packing = PACKING_GZIP;
	for (size_t i = 0; i < COUNT_OF(foreign_formats) && !input->foreign; i++)
		if (filled >= foreign_formats[i].length &&
		    memcmp(raw, foreign_formats[i].magic, foreign_formats[i].length) == 0)
			input->foreign = foreign_formats[i].advice;
	if (input->packing == PACKING_ZSTD) {
		input->zstd = ZSTD_createDCtx();
		if (!input->zstd) return error_memory(0);
		ZSTD_DCtx_setParameter(input->zstd, ZSTD_d_windowLogMax, WINDOW_LOG_MOST);
	} else if (input->packing == PACKING_GZIP) {
		if (inflateInit2(&input->gzip, 15 + 16) != Z_OK) return error_memory(0);
		input->gzip_ready = true;
	}
	return NULL;
}

struct error *input_open(const char *path, struct input **input) {
	bool standard = strcmp(path, "-") == 0;
	struct error *error = NULL;
	struct stat status;
	*input = NULL;
	struct input *made = array_new(1, sizeof *made);
	if (!made) return error_memory(sizeof *made);
	made->file = -1;
	made->name = strdup(standard ? "standard input" : path);
	made->raw = malloc(RAW_BYTES);
	if (!made->name || !made->raw) {
		error = error_memory(RAW_BYTES);
		goto failed;
	}
	made->file = standard ? dup(STDIN_FILENO) : file_open(path, O_RDONLY | O_CLOEXEC);
	if (made->file < 0) {
		error = error_system("open", made->name);
		goto failed;
	}
	if (fstat(made->file, &status) == 0 && S_ISDIR(status.st_mode)) {
		error = error_new(ERROR_DATA, "%s: is a folder, expected a file", made->name);
		goto failed;
	}
	error = detect(made);
	if (error) goto failed;
	*input = made;
	return NULL;
failed:
	input_close(made);
	return error;
}

void input_close(struct input *input) {
	if (!input) return;
	if (input->file >= 0) close(input->file);
	ZSTD_freeDCtx(input->zstd);
	if (input->gzip_ready) inflateEnd(&input->gzip);
	free(input->name);
	free(input->raw);
	free(input);
}

static struct error *damaged(const struct input *input, const char *what) {
	return error_new(
	    ERROR_DATA,
	    "%s: damaged %s data at or before byte %llu of the file: %s; fetch or make the file again, or test it "
	    "with '%s -t'",
	    input->name, packing_names[input->packing],
	    (unsigned long long)(input->raw_total - (input->filled - input->at)), what, packing_names[input->packing]);
}

static struct error *truncated(const struct input *input) {
	return error_new(
	    ERROR_DATA,
	    "%s: the %s data end too soon, after %llu bytes of the file: it is truncated; fetch or make it again",
	    input->name, packing_names[input->packing], (unsigned long long)input->raw_total);
}

static struct error *read_zstd(struct input *input, void *bytes, size_t room, size_t *count) {
	ZSTD_outBuffer out = {bytes, room, 0};
	while (out.pos == 0) {
		if (input->at == input->filled && !input->raw_end) TRY(fill(input));
		bool starved = input->at == input->filled;
		if (starved && !input->inside) break;
		ZSTD_inBuffer in = {input->raw, input->filled, input->at};
		size_t left = ZSTD_decompressStream(input->zstd, &out, &in);
		input->at = in.pos;
		if (ZSTD_isError(left)) {
			if (ZSTD_getErrorCode(left) == ZSTD_error_frameParameter_windowTooLarge)
				return error_new(
				    ERROR_DATA,
				    "%s: was compressed with a window beyond 128 MiB; decompress it on the way in: "
				    "zstd -dc --long=31 FILE | rung data import - ...",
				    input->name);
			return damaged(input, ZSTD_getErrorName(left));
		}
		input->inside = left != 0;
		if (starved && input->inside && out.pos == 0) return truncated(input);
	}
	*count = out.pos;
	return NULL;
}

/* A gzip file is a row of members; zeros may stand after one (tape blocks). */
static struct error *read_gzip(struct input *input, void *bytes, size_t room, size_t *count) {
	z_stream *stream = &input->gzip;
	size_t most = room < (1u << 30) ? room : (1u << 30);
	stream->next_out = bytes;
	stream->avail_out = (uInt)most;
	while (stream->avail_out == most) {
		if (input->at == input->filled && !input->raw_end) TRY(fill(input));
		bool starved = input->at == input->filled;
		if (starved && !input->inside) break;
		if (!input->inside && input->raw[input->at] == 0) { /* never in the first member: its magic number was seen */
			input->at++;
			continue;
		}
		stream->next_in = input->raw + input->at;
		stream->avail_in = (uInt)(input->filled - input->at);
		input->inside = true;
		int state = inflate(stream, Z_NO_FLUSH); /* without input it may still have output to give */
		input->at = input->filled - stream->avail_in;
		if (state == Z_STREAM_END) {
			input->inside = false;
			inflateReset(stream);
		} else if (state != Z_OK && state != Z_BUF_ERROR)
			return damaged(input, stream->msg ? stream->msg : "not a gzip member");
		if (starved && input->inside && stream->avail_out == most) return truncated(input);
	}
	*count = most - stream->avail_out;
	return NULL;
}

struct error *input_read(struct input *input, void *bytes, size_t room, size_t *count) {
	*count = 0;
	if (input->packing == PACKING_ZSTD) return read_zstd(input, bytes, room, count);
	if (input->packing == PACKING_GZIP) return read_gzip(input, bytes, room, count);
	if (input->at == input->filled && !input->raw_end) TRY(fill(input));
	size_t left = input->filled - input->at;
	*count = left < room ? left : room;
	memcpy(bytes, input->raw + input->at, *count);
	input->at += *count;
	return NULL;
}

bool input_is(const struct input *input, const char *path) {
	struct stat here, there;
	return fstat(input->file, &here) == 0 && stat(path, &there) == 0 && S_ISREG(here.st_mode) &&
	       here.st_dev == there.st_dev && here.st_ino == there.st_ino;
}

const char *input_name(const struct input *input) {
	return input->name;
}

const char *input_packing(const struct input *input) {
	return packing_names[input->packing];
}

uint64_t input_raw_bytes(const struct input *input) {
	return input->raw_total;
}

const char *input_foreign(const struct input *input) {
	return input->foreign;
}
