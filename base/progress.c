/* progress.c - what a person sees while waiting. The one library file that may write to stderr. */
#include "base/base.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define PLAIN_SECONDS 10 /* between lines when stderr is a file */

void progress_open(struct progress *progress, bool quiet) {
	const char *kind = getenv("TERM");
	*progress = (struct progress){
	    .terminal = isatty(STDERR_FILENO) && kind && strcmp(kind, "dumb") != 0,
	    .quiet = quiet,
	    .columns = 80,
	    .printed = -INFINITY,
	};
}

/* Asked anew at every drawing, for windows are resized. Returns how many lines can be redrawn. */
static int measure_terminal(struct progress *progress) {
	struct winsize size;
	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) || size.ws_col == 0) return 24;
	progress->columns = size.ws_col;
	return size.ws_row > 1 ? size.ws_row : 24;
}

/* The first line of `text`, at most `columns` characters of it, never half of one. Returns the length of the whole
 * line in bytes. A character is taken to be one column wide. */
static size_t add_line(struct text *out, const char *text, int columns) {
	size_t length = strcspn(text, "\n"), start = out->length;
	int column = 0;
	size_t end = 0;
	for (; end < length; end++) {
		bool begins = ((unsigned char)text[end] & 0xc0) != 0x80;
		if (begins && column == columns) break;
		column += begins;
	}
	text_add_bytes(out, text, end);
	/* Tabs and escapes would move the cursor to where we do not know it. */
	for (size_t i = start; i < out->length; i++)
		if ((unsigned char)out->data[i] < ' ') out->data[i] = ' ';
	return length;
}

/* To the first of the moving lines, at its first column. */
static void add_rewind(struct text *out, int drawn) {
	if (drawn > 1)
		text_add(out, "\r\x1b[%dA", drawn - 1);
	else
		text_add_string(out, "\r");
}

/* In one piece, so that nothing flickers. Progress that cannot be shown is no reason to stop. */
static void show(struct text *out) {
	if (!out->failed && out->length) fwrite(out->data, 1, out->length, stderr);
	text_free(out);
}

void progress_show(struct progress *progress, const char *text) {
	if (progress->quiet) return;
	struct text out = {0};
	if (!progress->terminal) {
		double now = clock_seconds();
		if (now - progress->printed < PLAIN_SECONDS) return;
		progress->printed = now;
		add_line(&out, text, 1000);
		text_add_string(&out, "\n");
		show(&out);
		return;
	}
	int most = measure_terminal(progress);
	add_rewind(&out, progress->drawn);
	progress->drawn = 0;
	while (*text && progress->drawn < most) {
		if (progress->drawn) text_add_string(&out, "\n");
		/* The last column stays empty: a terminal that has filled it may already stand on the next line. */
		text += add_line(&out, text, progress->columns - 1);
		text_add_string(&out, "\x1b[K");
		progress->drawn++;
		if (*text == '\n') text++;
	}
	text_add_string(&out, "\x1b[J"); /* what an earlier, longer text left below */
	show(&out);
}

void progress_say(struct progress *progress, const char *format, ...) {
	if (progress->quiet) return;
	struct text out = {0};
	if (progress->drawn) {
		add_rewind(&out, progress->drawn);
		text_add_string(&out, "\x1b[J");
		progress->drawn = 0;
	}
	va_list arguments;
	va_start(arguments, format);
	char *message = NULL;
	if (vasprintf(&message, format, arguments) >= 0) {
		text_add(&out, "%s\n", message);
		free(message);
	}
	va_end(arguments);
	show(&out);
}

void progress_close(struct progress *progress) {
	if (progress->drawn) {
		struct text out = {0};
		add_rewind(&out, progress->drawn);
		text_add_string(&out, "\x1b[J");
		progress->drawn = 0;
		show(&out);
	}
}
