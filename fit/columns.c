/* columns.c - which column of a table holds what. */
#include "fit/input.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* What a column is called that needs no option, and what else, in small letters and digits alone, can only mean it.
 * Names that say what is counted (non-embedding, active) or in which unit (billions) are left to the user. */
static const struct {
	const char *option, *standard, *meaning;
	const char *also[32];
} kinds[COLUMN_KINDS] = {
    [COLUMN_N] =
        {"N",
         "N",
         "the parameter count",
         {"n", "param", "params", "parameter", "parameters", "nparam", "nparams", "nparameters", "numparam",
          "numparams", "numparameters", "numberofparameters", "paramcount", "parametercount", "modelsize",
          "modelparams", "modelparameters", "totalparams", "totalparameters"}},
    [COLUMN_D] =
        {"D",
         "D",
         "the token count",
         {"d", "token", "tokens", "ntoken", "ntokens", "numtoken", "numtokens", "numberoftokens", "tokencount",
          "totaltokens", "trainingtokens", "traintokens", "trainedtokens", "tokenstrained", "tokensseen", "seentokens",
          "datasetsizetokens"}},
    [COLUMN_C] =
        {"C",
         "C",
         "the compute",
         {"c", "flop", "flops", "nflops", "numflops", "totalflop", "totalflops", "trainingflop", "trainingflops",
          "trainflop", "trainflops", "compute", "trainingcompute", "traincompute", "totalcompute"}},
    [COLUMN_LOSS] =
        {"loss",
         "loss",
         "the loss",
         {"loss", "finalloss", "valloss", "validationloss", "evalloss", "evaluationloss", "testloss", "heldoutloss",
          "trainloss", "trainingloss", "lmloss", "nll", "crossentropy", "crossentropyloss", "celoss"}},
    [COLUMN_LOSS_ERROR] = {"loss-error", "loss_error", "the loss's standard error", {NULL}},
    [COLUMN_GROUP] = {"group", NULL, "the group", {NULL}},
    [COLUMN_WEIGHT] = {"weight", NULL, "the weight", {NULL}},
    [COLUMN_SEED] = {"seed", "seed", "the seed", {NULL}},
    [COLUMN_FIT] = {NULL, "fit", NULL, {NULL}},
    [COLUMN_REASON] = {NULL, "reason", NULL, {NULL}},
    [COLUMN_ID] = {NULL, "id", NULL, {NULL}},
};

/* Small letters and digits of a name: "Training FLOP" is "trainingflop". */
#define PLAIN_SIZE 64
static char *plain(const char *name, char out[PLAIN_SIZE]) {
	size_t length = 0;
	for (; *name && length + 1 < PLAIN_SIZE; name++)
		if (isalnum((unsigned char)*name) || (unsigned char)*name >= 0x80)
			out[length++] = (char)tolower((unsigned char)*name);
	out[length] = 0;
	return out;
}

/* The column that was probably meant: the same letters, else a few edits away, else one that contains the word. */
static const char *nearest_column(const struct rows *rows, const char *name) {
	char wanted[PLAIN_SIZE], found[PLAIN_SIZE];
	plain(name, wanted);
	for (size_t i = 0; i < rows->count; i++)
		if (strcmp(plain(rows->names[i], found), wanted) == 0) return rows->names[i];
	const char *nearest = nearest_name(name, rows->names, rows->count, sizeof *rows->names);
	if (nearest || strlen(wanted) < 3) return nearest;
	for (size_t i = 0; i < rows->count; i++)
		if (strstr(plain(rows->names[i], found), wanted)) return rows->names[i];
	return NULL;
}

/* "FILE: line 1: " of a table, "FILE: " of JSON lines, whose names may stand in any line. */
static void begin_message(const struct rows *rows, struct text *out) {
	text_add(out, "%s: ", rows->name);
	if (!rows->json) text_add(out, "line %zu: ", rows->header_line);
}

struct error *no_column(const struct rows *rows, const char *name, const char *option, const char *remark) {
	struct text message = {0};
	char word[SHOWN_SIZE];
	begin_message(rows, &message);
	text_add(&message, "there is no column '%s'; found: ", shown(name, word));
	size_t begin = message.length;
	for (size_t i = 0; i < rows->count && message.length < begin + 400; i++)
		text_add(&message, "%s%s", i ? ", " : "", shown(rows->names[i], word));
	if (message.length >= begin + 400) text_add_string(&message, ", ...");
	const char *nearest = nearest_column(rows, name);
	const char *quote = nearest && strpbrk(nearest, " ()'\"<>&;|*?$`") ? "'" : "";
	text_add(
	    &message, ". Name yours with --%s %s%s%s%s", option, quote, nearest ? shown(nearest, word) : "COLUMN", quote,
	    remark);
	struct error *error = error_new(ERROR_DATA, "%s", message.data ? message.data : rows->name);
	text_free(&message);
	return error;
}

struct error *column_named(const struct rows *rows, const char *name, int *at) {
	*at = -1;
	for (size_t i = 0; i < rows->count; i++) {
		if (strcmp(rows->names[i], name) != 0) continue;
		if (*at >= 0)
			return error_new(
			    ERROR_DATA, "%s: line %zu: fields %d and %zu are both called '%.60s'; which one is meant? Rename one",
			    rows->name, rows->header_line, *at + 1, i + 1, name);
		*at = (int)i;
	}
	return NULL;
}

static bool means(const char *name, enum column_kind kind) {
	char letters[PLAIN_SIZE];
	plain(name, letters);
	for (size_t i = 0; i < COUNT_OF(kinds[kind].also) && kinds[kind].also[i]; i++)
		if (strcmp(letters, kinds[kind].also[i]) == 0) return true;
	return false;
}

/* The one column whose name can only mean this; -1 when there is none, or when there are more, which is then said. */
static int guess(const struct rows *rows, enum column_kind kind, struct text *others) {
	int found = -1, count = 0;
	char word[SHOWN_SIZE];
	for (size_t i = 0; i < rows->count; i++) {
		if (!means(rows->names[i], kind)) continue;
		if (count++ == 0) found = (int)i;
		if (count <= 6) text_add(others, "%s'%s'", count > 1 ? ", " : "", shown(rows->names[i], word));
	}
	return count == 1 ? found : -1;
}

static struct error *require(const struct rows *rows, const struct columns *columns, enum column_kind kind) {
	if (columns->at[kind] >= 0) return NULL;
	struct text others = {0};
	guess(rows, kind, &others);
	struct error *error = text_error(&others);
	if (!error && others.length) {
		struct text message = {0};
		begin_message(rows, &message);
		text_add(
		    &message, "each of the columns %s could be %s; choose with --%s COLUMN", others.data, kinds[kind].meaning,
		    kinds[kind].option);
		error = error_new(ERROR_DATA, "%s", message.data ? message.data : rows->name);
		text_free(&message);
	} else if (!error) {
		const char *remark = kind == COLUMN_LOSS ? "" : "; of N, D and C two are needed";
		error = no_column(rows, kinds[kind].standard, kinds[kind].option, remark);
	}
	text_free(&others);
	return error;
}

/* What was guessed, and what was not, in a line or two for the user. */
static void note(const struct columns *columns, const struct text unclear[COLUMN_KINDS], struct text *notes) {
	bool first = true;
	char word[SHOWN_SIZE];
	for (enum column_kind kind = COLUMN_N; kind <= COLUMN_LOSS; kind++) {
		if (!columns->guessed[kind]) continue;
		text_add(
		    notes, "%s'%s' as %s", first ? "reading column " : ", ", shown(columns->names[kind], word),
		    kinds[kind].standard);
		first = false;
	}
	if (!first) text_add_string(notes, "; --N, --D, --C and --loss name others\n");
	for (enum column_kind kind = COLUMN_N; kind <= COLUMN_C; kind++)
		if (unclear[kind].length && columns->at[kind] < 0)
			text_add(
			    notes, "each of the columns %s could be %s, so none is used; --%s chooses one\n", unclear[kind].data,
			    kinds[kind].standard, kinds[kind].option);
}

struct error *columns_find(
    const struct rows *rows, const struct fit_input *input, struct columns *columns, struct text *notes) {
	const char *given[COLUMN_KINDS] = {input->N,          input->D,     input->C,      input->loss,
	                                   input->loss_error, input->group, input->weight, input->seed};
	struct text unclear[COLUMN_KINDS] = {{0}};
	struct error *error = NULL;
	*columns = (struct columns){0};
	for (enum column_kind kind = 0; kind < COLUMN_KINDS && !error; kind++) {
		const char *name = given[kind] ? given[kind] : kinds[kind].standard;
		bool unwanted = kind == COLUMN_LOSS && input->without_loss && !given[kind];
		columns->at[kind] = -1;
		if (name && !unwanted) error = column_named(rows, name, &columns->at[kind]);
		if (!error && given[kind] && columns->at[kind] < 0) {
			bool number = kind == COLUMN_SEED && given[kind][strspn(given[kind], "0123456789")] == 0;
			const char *remark = number ? "; the bootstrap's own seed is --random-seed" : "";
			error = no_column(rows, given[kind], kinds[kind].option, remark);
		}
		if (!error && columns->at[kind] < 0 && kind <= COLUMN_LOSS && !unwanted) {
			columns->at[kind] = guess(rows, kind, &unclear[kind]);
			columns->guessed[kind] = columns->at[kind] >= 0;
		}
		columns->names[kind] = columns->at[kind] < 0 ? NULL : rows->names[columns->at[kind]];
	}
	if (!error && !input->without_loss) error = require(rows, columns, COLUMN_LOSS);
	if (!error && columns->at[COLUMN_N] < 0 && (columns->at[COLUMN_D] < 0 || columns->at[COLUMN_C] < 0))
		error = require(rows, columns, COLUMN_N);
	if (!error && columns->at[COLUMN_D] < 0 && columns->at[COLUMN_C] < 0) error = require(rows, columns, COLUMN_D);
	if (!error) note(columns, unclear, notes);
	for (enum column_kind kind = 0; kind < COLUMN_KINDS; kind++) {
		notes->failed |= unclear[kind].failed;
		text_free(&unclear[kind]);
	}
	return error;
}
