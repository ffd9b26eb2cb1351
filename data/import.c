/* import.c - text to a corpus file: gather, split, learn the tokenizer if there is something to learn, write. */
#include "data/import.h"

#include "data/bpe.h"
#include "data/corpus_file.h"
#include "data/corpus_write.h"
#include "data/paragraph.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SAMPLE_BYTES (16u << 20) /* of train, from which merges are learned */
#define ORIGINS_LISTED 4096      /* rows in the header; more files than that share rows */

#define FIELD(name) offsetof(struct import_options, name)
const struct option_row import_rows[] = {
    {"out", OPTION_TEXT, FIELD(out), NULL, 0, 0, "the corpus to write", "F.corpus"},
    {"tokenizer", OPTION_TEXT, FIELD(tokenizer), "char", 0, 0,
     "char: 96 characters, the text folded to ASCII; byte: 256, the text as it is; bpe:V: V tokens learned from the "
     "text",
     "char|byte|bpe:V"},
    {"held-out", OPTION_REAL, FIELD(held_out), "0.05", 0.0001, 0.5, "part of the text that is never trained on",
     "PART"},
    {"seed", OPTION_COUNT, FIELD(seed), "1", 0, 0x1p53, "of the choice of what is held out", "N"},
    {"jsonl", OPTION_FLAG, FIELD(jsonl), "no", 0, 0, "every input is JSON lines, whatever its name (for '-')", NULL},
    {"field", OPTION_TEXT, FIELD(field), "text", 0, 0, "the member of a JSON line that is the text", "NAME"},
    {"quiet", OPTION_FLAG, FIELD(quiet), "no", 0, 0, "no progress on stderr", NULL},
};
const size_t import_row_count = COUNT_OF(import_rows);

struct import {
	const struct import_options *options;
	const struct gather_progress *progress;
	struct import_report *report;
	struct gathered gathered;
	struct splitter splitter;
	struct tokenizer tokenizer;
	struct corpus_writer *writer;
	enum split split; /* being written */
	uint16_t tokens[PARAGRAPH_MOST + 2];
	struct bpe_trainer *trainer;
	uint64_t sample_threshold; /* units with a smaller second hash are sampled */
};

/* "char", "byte", "bpe:4096" */
static struct error *parse_tokenizer(const char *name, struct tokenizer *tokenizer) {
	char *end;
	if (name && strcmp(name, "char") == 0) {
		*tokenizer = (struct tokenizer){.kind = TOKENIZER_CHAR, .vocab = CHAR_VOCAB};
		return NULL;
	}
	if (name && strcmp(name, "byte") == 0) {
		*tokenizer = (struct tokenizer){.kind = TOKENIZER_BYTE, .vocab = BYTE_VOCAB};
		return NULL;
	}
	if (name && strncmp(name, "bpe:", 4) == 0 && isdigit((unsigned char)name[4])) {
		long vocab = strtol(name + 4, &end, 10);
		if (*end == '\0' && vocab > BPE_BASE && vocab <= VOCAB_MOST) {
			*tokenizer = (struct tokenizer){.kind = TOKENIZER_BPE, .vocab = (int)vocab};
			return NULL;
		}
		return error_new(
		    ERROR_USAGE, "--tokenizer %.100s: the vocabulary of bpe lies between %d and %d, for example bpe:1024", name,
		    BPE_BASE + 1, VOCAB_MOST);
	}
	return error_new(
	    ERROR_USAGE, "--tokenizer '%.100s' is unknown; choose char, byte, or bpe:V such as bpe:1024", name ? name : "");
}

/* -------------------------------------------------------------------------------------------------- byte pairs --- */

static struct error *ignore_text(void *context, const struct unit *unit, const char *bytes, size_t count) {
	(void)context, (void)unit, (void)bytes, (void)count;
	return NULL;
}

static struct error *sample_text(void *context, const struct unit *unit, const char *bytes, size_t count) {
	struct import *import = context;
	if (hash_bytes(&unit->hash, sizeof unit->hash, 1) > import->sample_threshold) return NULL;
	if (import->report->bpe_sample_bytes + count > SAMPLE_BYTES) return NULL;
	import->report->bpe_sample_bytes += count;
	return bpe_trainer_text(import->trainer, bytes, count);
}

static struct error *find_merges(struct import *import) {
	size_t wanted = (size_t)import->tokenizer.vocab - BPE_BASE, found;
	struct bpe_merge *merges = array_new(wanted, sizeof *merges);
	if (!merges) return error_memory(wanted * sizeof *merges);
	if (import->progress->show) import->progress->show(import->progress->context, "finding merges", 0, 0);
	struct error *error = bpe_trainer_merges(import->trainer, wanted, merges, &found);
	if (!error && found < wanted)
		error = error_new(
		    ERROR_DATA,
		    "the text is too small for --tokenizer bpe:%d: after %zu merges no pair of tokens stands twice; take "
		    "bpe:%zu or less, or more text",
		    import->tokenizer.vocab, found, BPE_BASE + found);
	if (!error) error = bpe_open(merges, found, import->options->out, &import->tokenizer.bpe);
	free(merges);
	return error;
}

/* Learns from train text without repeats and without what is held out, evenly sampled by unit. */
static struct error *learn_bpe(struct import *import) {
	struct split_counts ignored;
	double part = SAMPLE_BYTES / fmax(1, (double)import->gathered.bytes * (1 - import->options->held_out));
	import->sample_threshold = part < 1 ? (uint64_t)(part * 0x1p64) : UINT64_MAX;
	TRY(bpe_trainer_open(&import->trainer));
	struct error *error = split_pass(
	    &import->splitter, SPLIT_HELD_OUT, ignore_text, NULL, import->progress, "sorting out repeats", &ignored);
	if (!error)
		error = split_pass(
		    &import->splitter, SPLIT_TRAIN, sample_text, import, import->progress, "counting pieces", &ignored);
	if (!error) error = find_merges(import);
	bpe_trainer_close(import->trainer);
	import->trainer = NULL;
	return error;
}

/* ----------------------------------------------------------------------------------------------------- writing --- */

static struct error *write_text(void *context, const struct unit *unit, const char *bytes, size_t count) {
	struct import *import = context;
	size_t tokens = tokenizer_encode(&import->tokenizer, bytes, count, import->tokens);
	import->gathered.origins[unit->origin].tokens[import->split] += tokens;
	return corpus_writer_add(import->writer, import->split, import->tokens, tokens);
}

static struct error *write_splits(struct import *import) {
	static const enum split order[] = {SPLIT_HELD_OUT, SPLIT_TRAIN};
	static const char *const stages[] = {"writing held-out", "writing train"};
	TRY(corpus_writer_open(import->options->out, &import->tokenizer, &import->writer));
	for (size_t i = 0; i < COUNT_OF(order); i++) {
		import->split = order[i];
		TRY(split_pass(
		    &import->splitter, order[i], write_text, import, import->progress, stages[i],
		    &import->report->counts[order[i]]));
	}
	if (corpus_writer_tokens(import->writer, SPLIT_TRAIN) == 0 ||
	    corpus_writer_tokens(import->writer, SPLIT_HELD_OUT) == 0)
		return error_new(
		    ERROR_DATA,
		    "nothing is left for %s once repeats are dropped; the text consists of repeats: import other text",
		    corpus_writer_tokens(import->writer, SPLIT_TRAIN) == 0 ? "train" : "held-out");
	return NULL;
}

/* Rows of files in the order of their text in both splits, so that sums of tokens lead from a position to its file. */
static struct error *add_origins(const struct gathered *gathered, cJSON *header) {
	cJSON *list = cJSON_AddArrayToObject(header, "origins");
	if (!list) return error_memory(0);
	size_t each = (gathered->origin_count + ORIGINS_LISTED - 1) / ORIGINS_LISTED;
	for (size_t i = 0; i < gathered->origin_count; i += each) {
		size_t end = i + each < gathered->origin_count ? i + each : gathered->origin_count;
		double documents = 0, tokens[SPLIT_COUNT] = {0};
		for (size_t j = i; j < end; j++) {
			documents += (double)gathered->origins[j].documents;
			for (int split = 0; split < SPLIT_COUNT; split++)
				tokens[split] += (double)gathered->origins[j].tokens[split];
		}
		cJSON *row = cJSON_CreateObject();
		if (!row || !cJSON_AddItemToArray(list, row) ||
		    !cJSON_AddStringToObject(row, "path", gathered->origins[i].path) ||
		    (each > 1 && (!cJSON_AddStringToObject(row, "through", gathered->origins[end - 1].path) ||
		                  !json_add_number(row, "files", (double)(end - i)))) ||
		    !cJSON_AddStringToObject(row, "format", gathered->origins[i].format) ||
		    !json_add_number(row, "documents", documents) ||
		    !json_add_number(row, "train_tokens", tokens[SPLIT_TRAIN]) ||
		    !json_add_number(row, "held_out_tokens", tokens[SPLIT_HELD_OUT]))
			return error_memory(0);
	}
	return NULL;
}

static struct error *add_record(const struct import *import, cJSON *header) {
	const struct import_report *report = import->report;
	const struct split_counts *train = &report->counts[SPLIT_TRAIN], *held_out = &report->counts[SPLIT_HELD_OUT];
	const struct {
		const char *key;
		double value;
	} rows[] = {
	    {"held_out", import->options->held_out},
	    {"seed", (double)import->options->seed},
	    {"files", (double)report->input.files},
	    {"skipped_files", (double)report->input.skipped},
	    {"source_bytes", (double)report->input.bytes},
	    {"text_bytes", (double)report->text_bytes},
	    {"documents", (double)report->documents},
	    {"cut_documents", (double)report->cut_documents},
	    {"piece_bytes", (double)report->piece_bytes},
	    {"least_paragraph_bytes", PARAGRAPH_LEAST},
	    {"dropped_leaked_paragraphs", (double)train->leaked_paragraphs},
	    {"dropped_repeated_paragraphs", (double)(train->repeated_paragraphs + held_out->repeated_paragraphs)},
	    {"dropped_repeated_documents", (double)(train->repeated_units + held_out->repeated_units)},
	    {"dropped_bytes", (double)(train->dropped_bytes + held_out->dropped_bytes)},
	    {"folded_characters", (double)report->fold.approximate},
	    {"dropped_characters", (double)report->fold.dropped},
	    {"bytes_not_utf8", (double)report->fold.not_utf8},
	    {"bpe_sample_bytes", (double)report->bpe_sample_bytes},
	};
	cJSON *record = cJSON_AddObjectToObject(header, "import");
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (!record || !json_add_number(record, rows[i].key, rows[i].value)) return error_memory(0);
	if (!cJSON_AddBoolToObject(record, "all_repeats_found", !train->set_full)) return error_memory(0);
	return NULL;
}

/* "3 files: a.txt, b.txt, ...", cut between characters. */
static void describe(const struct gathered *gathered, char *out, size_t size) {
	size_t used =
	    (size_t)snprintf(out, size, "%zu file%s: ", gathered->origin_count, gathered->origin_count == 1 ? "" : "s");
	for (size_t i = 0; i < gathered->origin_count; i++) {
		const char *path = gathered->origins[i].path, *comma = i ? ", " : "";
		if (used + strlen(path) + 8 >= size) {
			snprintf(out + used, size - used, "%s...", comma);
			return;
		}
		used += (size_t)snprintf(out + used, size - used, "%s%s", comma, path);
	}
}

static struct error *write_corpus(struct import *import) {
	struct import_report *report = import->report;
	TRY(write_splits(import));
	report->info = (struct corpus_info){
	    .bytes = {report->counts[0].bytes, report->counts[1].bytes},
	    .documents = {report->counts[0].documents, report->counts[1].documents},
	    .source_hash = report->input.source_hash,
	    .entropy_rate = (double)NAN,
	};
	describe(&import->gathered, report->info.description, sizeof report->info.description);
	hash_set_free(&import->splitter.held_out); /* the entropies need room */
	hash_set_free(&import->splitter.train);
	cJSON *more = cJSON_CreateObject();
	struct error *error = more ? add_record(import, more) : error_memory(0);
	if (!error) error = add_origins(&import->gathered, more);
	if (!error) error = corpus_writer_finish(import->writer, &report->info, more);
	cJSON_Delete(more);
	return error;
}

struct error *import_text(
    const struct import_options *options, const char *const *paths, int count, const struct gather_progress *progress,
    struct import_report *report) {
	*report = (struct import_report){0};
	struct import *import = array_new(1, sizeof *import);
	if (!import) return error_memory(sizeof *import);
	import->options = options;
	import->progress = progress;
	import->report = report;
	struct error *error = parse_tokenizer(options->tokenizer, &import->tokenizer);
	if (!error && !options->field)
		error = error_new(ERROR_USAGE, "--field is empty; name the member of a JSON line that is the text");
	if (error) goto done;
	bool fold = import->tokenizer.kind == TOKENIZER_CHAR;
	struct documents_options documents = {options->jsonl, !fold, options->field, options->out};
	error = gather(paths, count, &documents, fold, options->out, progress, &import->gathered);
	if (error) goto done;
	error =
	    splitter_open(&import->gathered, options->held_out, (uint64_t)options->seed, options->out, &import->splitter);
	if (error) goto done;
	report->input = import->gathered.report;
	report->text_bytes = import->gathered.bytes;
	report->documents = import->gathered.documents;
	report->empty_documents = import->gathered.empty_documents;
	report->fold = import->gathered.fold;
	report->cut_documents = import->splitter.cut_documents;
	report->piece_bytes = import->splitter.piece_bytes;
	if (import->tokenizer.kind == TOKENIZER_BPE) error = learn_bpe(import);
	if (!error) error = write_corpus(import);
done:
	corpus_writer_close(import->writer);
	splitter_close(&import->splitter);
	gathered_free(&import->gathered);
	tokenizer_close(&import->tokenizer);
	free(import);
	return error;
}
