/* What stands on the screen: a pseudo-terminal as stderr, and a small terminal that obeys what is sent to it. */
#include "tests/support.h"

#include <fcntl.h>
#include <pty.h>
#include <sys/ioctl.h>

enum { ROWS = 10, COLUMNS = 20 };

/* Enough of a VT100 for what progress.c sends; anything else fails the test. One cell holds one character. */
struct screen {
	char cells[ROWS][COLUMNS][5]; /* UTF-8 */
	int row, column;
	int scrolled;
};

static void screen_clear(struct screen *screen, int row, int column) {
	for (int c = column; c < COLUMNS; c++) screen->cells[row][c][0] = '\0';
}

static void screen_put(struct screen *screen, const char *bytes, size_t count) {
	for (size_t i = 0; i < count; i++) {
		unsigned char c = (unsigned char)bytes[i];
		if (c == '\r')
			screen->column = 0;
		else if (c == '\n') {
			screen->column = 0; /* the terminal's driver sends \r\n for it, too */
			if (++screen->row == ROWS) {
				screen->row--;
				screen->scrolled++;
				memmove(screen->cells[0], screen->cells[1], sizeof screen->cells[0] * (ROWS - 1));
				screen_clear(screen, ROWS - 1, 0);
			}
		} else if (c == '\x1b') {
			int number = 0;
			assert_int_equal(bytes[++i], '[');
			while (bytes[++i] >= '0' && bytes[i] <= '9') number = number * 10 + bytes[i] - '0';
			if (bytes[i] == 'A') {
				assert_true(screen->row >= number); /* never above the top */
				screen->row -= number;
			} else if (bytes[i] == 'K')
				screen_clear(screen, screen->row, screen->column);
			else if (bytes[i] == 'J') {
				screen_clear(screen, screen->row, screen->column);
				for (int row = screen->row + 1; row < ROWS; row++) screen_clear(screen, row, 0);
			} else
				fail_msg("an escape sequence that ends in %c", bytes[i]);
		} else {
			assert_true(c >= ' ');
			size_t length = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
			assert_true(screen->column < COLUMNS - 1); /* the last column stays empty */
			assert_true(i + length <= count);
			for (size_t j = 1; j < length; j++) assert_int_equal((unsigned char)bytes[i + j] & 0xc0, 0x80);
			memcpy(screen->cells[screen->row][screen->column], bytes + i, length);
			screen->cells[screen->row][screen->column++][length] = '\0';
			i += length - 1;
		}
	}
}

static void expect_row(const struct screen *screen, int row, const char *expected) {
	char line[COLUMNS * 5 + 1] = "";
	for (int c = 0; c < COLUMNS; c++) strcat(line, screen->cells[row][c]);
	assert_string_equal(line, expected);
}

/* stderr goes to `file` until restore_stderr. */
static int redirect_stderr(int file) {
	fflush(stderr);
	int saved = dup(STDERR_FILENO);
	assert_true(saved >= 0 && dup2(file, STDERR_FILENO) >= 0);
	return saved;
}

static void restore_stderr(int saved) {
	fflush(stderr);
	dup2(saved, STDERR_FILENO);
	close(saved);
}

struct terminal {
	int ours, theirs, saved;
	struct screen screen;
};

static void terminal_open(struct terminal *terminal) {
	struct winsize size = {.ws_row = ROWS, .ws_col = COLUMNS};
	*terminal = (struct terminal){0};
	assert_int_equal(openpty(&terminal->ours, &terminal->theirs, NULL, NULL, &size), 0);
	fcntl(terminal->ours, F_SETFL, O_NONBLOCK);
	setenv("TERM", "xterm", 1);
	terminal->saved = redirect_stderr(terminal->theirs);
}

static void terminal_update(struct terminal *terminal) {
	char bytes[8192];
	for (;;) {
		ssize_t got = read(terminal->ours, bytes, sizeof bytes);
		if (got <= 0) break;
		screen_put(&terminal->screen, bytes, (size_t)got);
	}
}

static void terminal_close(struct terminal *terminal) {
	restore_stderr(terminal->saved);
	close(terminal->ours);
	close(terminal->theirs);
}

static void lines_are_redrawn_in_place(void **state) {
	(void)state;
	struct terminal terminal;
	struct progress progress;
	terminal_open(&terminal);
	progress_open(&progress, false);
	progress_show(&progress, "one\ntwo\nthree");
	terminal_update(&terminal);
	expect_row(&terminal.screen, 0, "one");
	expect_row(&terminal.screen, 2, "three");
	progress_show(&progress, "1\n2");
	terminal_update(&terminal);
	expect_row(&terminal.screen, 0, "1");
	expect_row(&terminal.screen, 1, "2");
	expect_row(&terminal.screen, 2, ""); /* what was below is gone */
	progress_say(&progress, "stays %d", 5);
	progress_show(&progress, "a\nb\nc\n");
	terminal_update(&terminal);
	expect_row(&terminal.screen, 0, "stays 5");
	expect_row(&terminal.screen, 1, "a");
	expect_row(&terminal.screen, 3, "c");
	for (int i = 0; i < 50; i++) progress_show(&progress, i % 2 ? "x\ny\nz\nw" : "p");
	terminal_update(&terminal);
	expect_row(&terminal.screen, 0, "stays 5");
	expect_row(&terminal.screen, 1, "x");
	expect_row(&terminal.screen, 4, "w");
	expect_row(&terminal.screen, 5, "");
	progress_close(&progress);
	fputs("next", stderr);
	terminal_update(&terminal);
	expect_row(&terminal.screen, 0, "stays 5");
	expect_row(&terminal.screen, 1, "next");
	expect_row(&terminal.screen, 2, "");
	assert_int_equal(terminal.screen.scrolled, 0);
	terminal_close(&terminal);
}

static void long_lines_are_cut(void **state) {
	(void)state;
	struct terminal terminal;
	struct progress progress;
	terminal_open(&terminal);
	progress_open(&progress, false);
	/* 19 characters fit; the second line is of two bytes each, the third of three, the fourth has a tab and an escape */
	progress_show(
	    &progress, "abcdefghijklmnopqrstuvwxyz\n"
	               "\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9"
	               "\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\n"
	               "\u2588\u2588\u2588\u2588\u2588\u2588\u2588\u2588\u2588\u2588\u2588\u2588\u2588\u2588\u2588\u2588"
	               "\u2588\u2588\u2588\u2588\n"
	               "a\tb\x1b[7mc");
	terminal_update(&terminal);
	expect_row(&terminal.screen, 0, "abcdefghijklmnopqrs");
	expect_row(
	    &terminal.screen, 1,
	    "\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9"
	    "\u00e9");
	expect_row(
	    &terminal.screen, 2,
	    "\u2588\u2588\u2588\u2588\u2588\u2588\u2588\u2588\u2588\u2588\u2588\u2588\u2588\u2588\u2588\u2588\u2588\u2588"
	    "\u2588");
	expect_row(&terminal.screen, 3, "a b [7mc");
	/* A window that was made narrower counts from the next drawing on. */
	struct winsize size = {.ws_row = ROWS, .ws_col = 6};
	ioctl(terminal.theirs, TIOCSWINSZ, &size);
	progress_show(&progress, "abcdefghijkl");
	terminal_update(&terminal);
	expect_row(&terminal.screen, 0, "abcde");
	terminal_close(&terminal);
}

/* More lines than the window has could not be reached again by moving up. */
static void tall_texts_are_cut(void **state) {
	(void)state;
	struct terminal terminal;
	struct progress progress;
	terminal_open(&terminal);
	progress_open(&progress, false);
	for (int i = 0; i < 3; i++) progress_show(&progress, "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n13");
	terminal_update(&terminal);
	assert_int_equal(terminal.screen.scrolled, 0);
	expect_row(&terminal.screen, 0, "1");
	expect_row(&terminal.screen, 9, "10");
	progress_close(&progress);
	terminal_update(&terminal);
	for (int row = 0; row < ROWS; row++) expect_row(&terminal.screen, row, "");
	terminal_close(&terminal);
}

/* What arrives in a file that stands in for stderr. */
static void expect_plain(bool quiet, bool dumb_terminal, const char *expected) {
	struct progress progress;
	FILE *file = tmpfile();
	struct terminal terminal;
	if (dumb_terminal) {
		terminal_open(&terminal);
		setenv("TERM", "dumb", 1);
	} else
		terminal.saved = redirect_stderr(fileno(file));
	progress_open(&progress, quiet);
	progress_show(&progress, "first\nsecond");
	progress_show(&progress, "too soon");
	progress_say(&progress, "said %s", "this");
	progress.printed -= 9;
	progress_show(&progress, "still too soon");
	progress.printed -= 2;
	progress_show(&progress, "later");
	progress_close(&progress);
	if (dumb_terminal) {
		terminal_update(&terminal);
		expect_row(&terminal.screen, 0, "first");
		expect_row(&terminal.screen, 1, "said this");
		expect_row(&terminal.screen, 2, "later");
		terminal_close(&terminal);
	} else {
		char content[200] = "";
		restore_stderr(terminal.saved);
		rewind(file);
		content[fread(content, 1, sizeof content - 1, file)] = '\0';
		assert_string_equal(content, expected);
	}
	fclose(file);
}

static void plain_lines_elsewhere(void **state) {
	(void)state;
	expect_plain(false, false, "first\nsaid this\nlater\n");
	expect_plain(true, false, "");
	expect_plain(false, true, NULL);
}

int main(void) {
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(lines_are_redrawn_in_place),
	    cmocka_unit_test(long_lines_are_cut),
	    cmocka_unit_test(tall_texts_are_cut),
	    cmocka_unit_test(plain_lines_elsewhere),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
