/* cmd.c - rung data: import, source, info, compress. */
#include "data/corpus_file.h"
#include "data/import.h"
#include "data/source.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *plural(uint64_t count) {
	return count == 1 ? "" : "s";
}

/* What import, source and info have in common. */
static void print_corpus(const char *path, const struct corpus_info *info) {
	char tokens[HUMAN_SIZE], bytes[HUMAN_SIZE];
	printf("%s: %s, V = %d\n", path, info->tokenizer, info->vocab);
	printf("  source    %s\n", info->description);
	for (int split = 0; split < SPLIT_COUNT; split++) {
		printf(
		    "  %-9s %s tokens", split == SPLIT_TRAIN ? "train" : "held out",
		    human_count((double)info->tokens[split], tokens));
		if (info->bytes[split])
			printf(
			    ", %s of text in %" PRIu64 " document%s", human_bytes((double)info->bytes[split], bytes),
			    info->documents[split], plural(info->documents[split]));
		printf("\n");
	}
	printf(
	    "  entropy   %.4f nats per token (single tokens), %.4f (given the one before)\n", info->unigram, info->bigram);
	if (!isnan(info->entropy_rate)) printf("  floor     %.6f nats per token, exact\n", info->entropy_rate);
}

/* -------------------------------------------------------------------------------------------------------- import --- */

struct watch {
	struct progress progress;
	double drawn; /* when */
	double began; /* this stage */
	const char *stage;
};

static void show_progress(void *context, const char *stage, double done, double total) {
	struct watch *watch = context;
	double now = clock_seconds();
	if (stage != watch->stage) {
		watch->stage = stage;
		watch->began = now;
	} else if (now - watch->drawn < 0.1)
		return;
	watch->drawn = now;
	char line[160], amount[2][HUMAN_SIZE], rate[HUMAN_SIZE];
	int used = snprintf(line, sizeof line, "%s", stage);
	if (done > 0) used += snprintf(line + used, sizeof line - (size_t)used, "  %s", human_bytes(done, amount[0]));
	if (done > 0 && total > 0)
		used += snprintf(
		    line + used, sizeof line - (size_t)used, " of %s, %.0f %%", human_bytes(total, amount[1]),
		    100 * done / total);
	if (done > 0 && now - watch->began > 0.5)
		snprintf(line + used, sizeof line - (size_t)used, "  %s/s", human_bytes(done / (now - watch->began), rate));
	progress_show(&watch->progress, line);
}

static void print_dropped(const struct import_report *report) {
	const struct split_counts *train = &report->counts[SPLIT_TRAIN], *held_out = &report->counts[SPLIT_HELD_OUT];
	char bytes[HUMAN_SIZE];
	printf(
	    "  dropped   documents that repeat another: %" PRIu64 ",\n"
	    "            and of paragraphs of %d bytes and more:\n"
	    "            %" PRIu64 " from train that stand in held out,\n"
	    "            %" PRIu64 " that repeat an earlier one; %s together\n",
	    train->repeated_units + held_out->repeated_units, 64, train->leaked_paragraphs,
	    train->repeated_paragraphs + held_out->repeated_paragraphs,
	    human_bytes((double)(train->dropped_bytes + held_out->dropped_bytes), bytes));
	if (train->set_full)
		printf("            (train has more paragraphs than are remembered: some repeats within train remain)\n");
}

static void print_report(const struct import_options *options, const struct import_report *report) {
	char bytes[HUMAN_SIZE];
	print_corpus(options->out, &report->info);
	printf(
	    "  split     by document, seed %" PRId64 ": %" PRIu64 " document%s in %" PRIu64 " file%s\n", options->seed,
	    report->documents, plural(report->documents), report->input.files, plural(report->input.files));
	if (report->cut_documents)
		printf(
		    "            %" PRIu64 " of them longer than %s, a quarter of the held-out split: cut\n"
		    "            at paragraph ends into pieces of at most about that, which were\n"
		    "            split like documents\n",
		    report->cut_documents, human_bytes((double)report->piece_bytes, bytes));
	print_dropped(report);
	const struct fold *fold = &report->fold;
	if (fold->approximate || fold->dropped || fold->not_utf8)
		printf(
		    "  folded    to ASCII: characters replaced %" PRIu64 ",\n"
		    "            dropped for want of a counterpart %" PRIu64 ",\n"
		    "            bytes that are not UTF-8, read as Windows-1252: %" PRIu64 "\n",
		    fold->approximate, fold->dropped, fold->not_utf8);
	if (report->bpe_sample_bytes)
		printf("  merges    learned from %s of train\n", human_bytes((double)report->bpe_sample_bytes, bytes));
	if (report->empty_documents)
		printf(
		    "  note      %" PRIu64 " document%s had no text\n", report->empty_documents,
		    plural(report->empty_documents));
	if (report->input.skipped)
		printf(
		    "  note      %" PRIu64 " file%s skipped that %s not text, the first %s\n", report->input.skipped,
		    report->input.skipped == 1 ? " was" : "s were", report->input.skipped == 1 ? "is" : "are",
		    report->input.first_skipped);
}

static struct error *import_command(int argc, char **argv) {
	struct import_options options;
	struct operands operands;
	bool help;
	TRY(options_parse(import_rows, import_row_count, &options, argc, argv, &operands, &help));
	struct error *error = NULL;
	if (help) {
		error = print_help(
		    "rung data import PATH... --out F.corpus [OPTIONS]\n\n"
		    "Makes a corpus from text: files, folders, .jsonl, each also as .zst or .gz;\n'-' is standard input.\n",
		    import_rows, import_row_count);
		goto done;
	}
	if (operands.count == 0) {
		error = error_new(
		    ERROR_USAGE, "no text is named: rung data import PATH... --out %s; '-' is standard input", options.out);
		goto done;
	}
	interrupt_watch();
	struct watch watch = {0};
	struct import_report report;
	progress_open(&watch.progress, options.quiet);
	struct gather_progress progress = {&watch, show_progress};
	error = import_text(&options, operands.items, operands.count, &progress, &report);
	progress_close(&watch.progress);
	if (!error) print_report(&options, &report);
done:
	free(operands.items);
	return error;
}

/* -------------------------------------------------------------------------------------------------------- source --- */

/* The rows of the source and where to write. */
struct source_command {
	struct source_options source;
	const char *out;
};

static struct error *source_command(int argc, char **argv) {
	struct source_command command;
	struct operands operands;
	bool help;
	struct option_row *rows = array_new(source_row_count + 1, sizeof *rows);
	if (!rows) return error_memory(source_row_count * sizeof *rows);
	rows[0] = (struct option_row){
	    "out", OPTION_TEXT, offsetof(struct source_command, out), NULL, 0, 0, "the corpus to write", "F.corpus"};
	for (size_t i = 0; i < source_row_count; i++) {
		rows[i + 1] = source_rows[i];
		rows[i + 1].offset += offsetof(struct source_command, source);
	}
	struct error *error = options_parse(rows, source_row_count + 1, &command, argc, argv, &operands, &help);
	if (error) goto done;
	if (help) {
		error = print_help(
		    "rung data source markov --out F.corpus [OPTIONS]\n\n"
		    "A Markov chain of order K over V symbols. Its entropy rate, which no\n"
		    "model can pass, is exact and stands in the corpus.\n",
		    rows, source_row_count + 1);
		goto done;
	}
	if (operands.count != 1 || strcmp(operands.items[0], "markov") != 0) {
		error = error_new(
		    ERROR_USAGE, "%s%s%s: rung data source markov --out %s; markov is the only source",
		    operands.count ? "unknown source '" : "no source is named", operands.count ? operands.items[0] : "",
		    operands.count ? "'" : "", command.out);
		goto done;
	}
	interrupt_watch();
	error = source_write(&command.source, command.out);
	struct corpus *corpus = NULL;
	if (!error) error = corpus_open(command.out, &corpus);
	if (!error) print_corpus(command.out, corpus_info(corpus));
	corpus_close(corpus);
done:
	free(operands.items);
	free(rows);
	return error;
}

/* ---------------------------------------------------------------------------------------------- info and compress --- */

struct show_options {
	bool json;
};

static const struct option_row show_rows[] = {
    {"json", OPTION_FLAG, offsetof(struct show_options, json), "no", 0, 0, "print one JSON object", NULL},
};

static struct error *print_info_json(const struct corpus *corpus, const char *path) {
	cJSON *object = cJSON_CreateObject();
	bool added = object && cJSON_AddStringToObject(object, "path", path);
	for (cJSON *item = corpus_header(corpus)->child; item && added; item = item->next)
		added = cJSON_AddItemReferenceToObject(object, item->string, item);
	cJSON *frames = added ? cJSON_AddObjectToObject(object, "frames") : NULL;
	for (int split = 0; split < SPLIT_COUNT && frames && added; split++)
		added = json_add_number(frames, split_names[split], (double)corpus_frames(corpus, (enum split)split));
	added = added && frames && cJSON_AddBoolToObject(object, "checked", true);
	struct error *error = added ? print_json(object) : error_memory(0);
	cJSON_Delete(object);
	return error;
}

static struct error *print_info(const struct corpus *corpus, const char *path) {
	const struct corpus_info *info = corpus_info(corpus);
	char hex[HASH_HEX_SIZE];
	print_corpus(path, info);
	printf("  hash      %s\n", hash_hex(info->hash, hex));
	if (info->source_hash) printf("  input     XXH64 %s\n", hash_hex(info->source_hash, hex));
	printf(
	    "  frames    %" PRIu64 " of train, %" PRIu64 " held out: all checked\n", corpus_frames(corpus, SPLIT_TRAIN),
	    corpus_frames(corpus, SPLIT_HELD_OUT));
	const cJSON *record = cJSON_GetObjectItemCaseSensitive(corpus_header(corpus), "import");
	if (!record) record = cJSON_GetObjectItemCaseSensitive(corpus_header(corpus), "source");
	for (const cJSON *item = record ? record->child : NULL; item; item = item->next) {
		struct text value = {0};
		json_print(item, false, &value);
		struct error *error = text_error(&value);
		if (!error) printf("  %-30s %s\n", item->string, value.data);
		text_free(&value);
		if (error) return error;
	}
	const cJSON *origins = cJSON_GetObjectItemCaseSensitive(corpus_header(corpus), "origins");
	int count = cJSON_GetArraySize(origins);
	if (count) printf("  origins   %d row%s; --json lists them\n", count, count == 1 ? "" : "s");
	return NULL;
}

static struct error *show_info(struct corpus *corpus, const char *path, bool json) {
	TRY(corpus_check(corpus));
	return json ? print_info_json(corpus, path) : print_info(corpus, path);
}

static struct error *compressors_json(const struct compressor_bits *bits, int count) {
	cJSON *object = cJSON_CreateObject(), *list = object ? cJSON_AddArrayToObject(object, "compressors") : NULL;
	struct error *error = list ? NULL : error_memory(0);
	for (int i = 0; i < count && !error; i++) {
		cJSON *row = cJSON_CreateObject();
		if (!row || !cJSON_AddItemToArray(list, row) || !cJSON_AddStringToObject(row, "name", bits[i].name) ||
		    !json_add_number(row, "alone", bits[i].alone) || !json_add_number(row, "after_train", bits[i].after_train))
			error = error_memory(0);
	}
	if (!error) error = print_json(object);
	cJSON_Delete(object);
	return error;
}

static struct error *show_compressors(struct corpus *corpus, const char *path, bool json) {
	struct compressor_bits bits[COMPRESSOR_COUNT];
	bool text = strcmp(corpus_info(corpus)->tokenizer, "symbols") != 0;
	TRY(corpus_compressors(corpus, bits));
	if (json) return compressors_json(bits, text ? COMPRESSOR_COUNT : 0);
	if (!text) {
		printf("%s: tokens are symbols, not text: there is nothing to compare with\n", path);
		return NULL;
	}
	printf("%s: bits per held-out byte\n  %-10s %8s %18s\n", path, "", "alone", "after the train text");
	for (int i = 0; i < COMPRESSOR_COUNT; i++)
		printf("  %-10s %8.4f %18.4f\n", bits[i].name, bits[i].alone, bits[i].after_train);
	printf("(the last 32 MiB of the train text and the first 8 MiB held out, when there is more)\n");
	return NULL;
}

static struct error *show_command(
    int argc, char **argv, const char *usage, struct error *(*show)(struct corpus *, const char *, bool)) {
	struct show_options options;
	struct operands operands;
	bool help;
	TRY(options_parse(show_rows, COUNT_OF(show_rows), &options, argc, argv, &operands, &help));
	struct corpus *corpus = NULL;
	struct error *error = NULL;
	if (help) {
		error = print_help(usage, show_rows, COUNT_OF(show_rows));
		goto done;
	}
	if (operands.count != 1) {
		error = error_new(
		    ERROR_USAGE, "rung data %s takes one corpus, found %d arguments: rung data %s F.corpus", argv[0],
		    operands.count, argv[0]);
		goto done;
	}
	interrupt_watch();
	error = corpus_open(operands.items[0], &corpus);
	if (!error) error = show(corpus, operands.items[0], options.json);
done:
	corpus_close(corpus);
	free(operands.items);
	return error;
}

static struct error *info_command(int argc, char **argv) {
	return show_command(
	    argc, argv, "rung data info F.corpus [--json]\n\nWhat a corpus is, with every byte of it checked.\n",
	    show_info);
}

static struct error *compress_command(int argc, char **argv) {
	return show_command(
	    argc, argv,
	    "rung data compress F.corpus [--json]\n\n"
	    "What zstd -19 and xz -9e make of the held-out text, alone and after the\ntraining text.\n",
	    show_compressors);
}

/* ------------------------------------------------------------------------------------------------------ rung data --- */

static const struct command {
	struct command_name name;
	struct error *(*run)(int argc, char **argv);
} commands[] = {
    {{"import", "PATH... --out F.corpus: text to a corpus"}, import_command},
    {{"source", "markov --out F.corpus: a synthetic corpus whose entropy is known"}, source_command},
    {{"info", "F.corpus: what it is; checks every byte"}, info_command},
    {{"compress", "F.corpus: what zstd and xz make of its held-out text"}, compress_command},
};

int data_command(int argc, char **argv) {
	int found;
	const int code = command_find(
	    "rung data", "Text or a synthetic source to a corpus file, and what is in one.", commands, COUNT_OF(commands),
	    sizeof *commands, argc, argv, &found);
	return found < 0 ? code : error_report(commands[found].run(argc - 1, argv + 1));
}
