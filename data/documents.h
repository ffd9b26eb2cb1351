/* documents.h - files, folders and standard input as a row of documents. */
#ifndef RUNG_DATA_DOCUMENTS_H
#define RUNG_DATA_DOCUMENTS_H

#include "base/base.h"

struct documents_options {
	bool jsonl;        /* every file is JSON lines, whatever its name */
	bool binary;       /* files that are named one by one may hold any bytes, zeros too */
	const char *field; /* the member of a JSON line that is the text */
	const char *out;   /* the file that all this is for, which would take the place of a text that it is; NULL: none */
};

/* Who takes the documents in, in order. The first three return errors to stop. */
struct documents_sink {
	void *context;
	struct error *(*file)(void *context, const char *name, const char *format); /* "text", "jsonl+zstd", ... */
	struct error *(*text)(void *context, const char *bytes, size_t count);      /* the next piece of the document */
	struct error *(*end)(void *context);                                        /* of the document */
	void (*progress)(void *context, double done, double total); /* bytes of the files; total 0: not known */
};

struct documents_report {
	uint64_t files;
	uint64_t bytes;       /* after decompression */
	uint64_t source_hash; /* XXH64 of those, one file after the other */
	uint64_t skipped;     /* files in folders that are not text */
	char first_skipped[256];
};

/* Reads `paths`: files, "-" for standard input, folders with everything below them in the order of the bytes of their
 * names (not those that begin with a dot, and no links to folders). A text file is one document, a line of a .jsonl or
 * .ndjson file is one; .zst, .zstd and .gz may follow the name, compression is told from the bytes. */
MUST_CHECK struct error *documents_read(
    const char *const *paths, int count, const struct documents_options *options, const struct documents_sink *sink,
    struct documents_report *report);

#endif
