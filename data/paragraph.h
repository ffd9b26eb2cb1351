/* paragraph.h - a document's text in paragraphs: the unit in which repeats are found. */
#ifndef RUNG_DATA_PARAGRAPH_H
#define RUNG_DATA_PARAGRAPH_H

#include "base/base.h"

/* A paragraph is a run of lines up to and including the blank lines after it; a line of PARAGRAPH_LINE bytes or more is
 * a paragraph by itself, for then lines are not wrapped. None is longer than PARAGRAPH_MOST: longer ones are cut at a
 * line end, or else before a space. Blank lines at the start of a document are left out. The paragraphs of a document
 * put together are its text. */
#define PARAGRAPH_LINE 120
#define PARAGRAPH_MOST 8192

/* Repeats are looked for among paragraphs with this many bytes or more, white space at both ends not counted and runs of
 * it counted as one. */
#define PARAGRAPH_LEAST 64

struct paragraph_cutter {
	char buffer[PARAGRAPH_MOST];
	size_t length;
	size_t line;    /* where the last line begins */
	bool begun;     /* the document has had a line that is not blank */
	bool content;   /* so has this paragraph */
	bool closed;    /* the next line that is not blank begins a new paragraph */
	bool long_line; /* the last line goes on from a paragraph that was cut inside it */
	void *context;
	/* Takes in one whole paragraph. */
	struct error *(*take)(void *context, const char *bytes, size_t count);
};

MUST_CHECK struct error *paragraph_text(struct paragraph_cutter *cutter, const char *bytes, size_t count);
/* The end of the document: the last paragraph. The cutter is ready for the next document. */
MUST_CHECK struct error *paragraph_end(struct paragraph_cutter *cutter);

/* The hash by which repeats are found, of the text with runs of white space as one space. False when the paragraph is
 * too short to be looked for. At most PARAGRAPH_MOST bytes. */
bool paragraph_key(const char *bytes, size_t count, uint64_t *key);

#endif
