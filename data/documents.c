/* documents.c - files, folders and standard input as a row of documents. */
#include "data/documents.h"

#include "data/input.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <xxhash.h>

#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
#define PIECE_BYTES ((size_t)1000)
#define PROBE_BYTES ((size_t)600)
#else
#define PIECE_BYTES ((size_t)256 << 10)
#define PROBE_BYTES ((size_t)8192) /* text has no zero byte among its first ones */
#endif
_Static_assert(PROBE_BYTES < PIECE_BYTES, "the first piece must hold what is judged by");
#define LINE_MOST ((size_t)64 << 20) /* of a JSON line */
#define VALUES_MOST 1000000          /* in it: each takes 64 bytes when it is parsed */
#define FOLDERS_DEEP 100

/* ------------------------------------------------------------------------------------------------ the list of files */

struct source_file {
	char *path;
	bool named; /* by the user, not found in a folder: then not being text is an error */
};

struct file_list {
	struct source_file *items;
	size_t count, capacity;
	double bytes; /* sum of the sizes; 0 when one has none */
	bool unsized;
};

static void list_free(struct file_list *list) {
	for (size_t i = 0; i < list->count; i++) free(list->items[i].path);
	free(list->items);
}

static struct error *list_add(struct file_list *list, const char *path, bool named, const struct stat *status) {
	TRY(array_reserve((void **)&list->items, &list->capacity, list->count + 1, sizeof *list->items));
	char *copy = strdup(path);
	if (!copy) return error_memory(strlen(path));
	list->items[list->count++] = (struct source_file){copy, named};
	if (status && S_ISREG(status->st_mode))
		list->bytes += (double)status->st_size;
	else
		list->unsized = true;
	return NULL;
}

static int compare_names(const void *a, const void *b) {
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The names in a folder, in the order of their bytes, whatever the locale. */
static struct error *read_names(const char *path, char ***names, size_t *count) {
	struct error *error = NULL;
	size_t capacity = 0;
	*names = NULL;
	*count = 0;
	DIR *folder = opendir(path);
	if (!folder) return error_system("list the folder", path);
	for (;;) {
		errno = 0;
		const struct dirent *entry = readdir(folder);
		if (!entry) {
			if (errno) error = error_system("list the folder", path);
			break;
		}
		if (entry->d_name[0] == '.') continue;
		error = array_reserve((void **)names, &capacity, *count + 1, sizeof **names);
		if (error) break;
		(*names)[*count] = strdup(entry->d_name);
		if (!(*names)[*count]) {
			error = error_memory(strlen(entry->d_name));
			break;
		}
		(*count)++;
	}
	closedir(folder);
	if (*count > 0) qsort(*names, *count, sizeof **names, compare_names);
	return error;
}

static struct error *list_folder(struct file_list *list, const char *path, int depth) {
	char **names;
	size_t count;
	if (depth == FOLDERS_DEEP)
		return error_new(
		    ERROR_DATA, "%s: more than %d folders deep; name the folder that is meant", path, FOLDERS_DEEP);
	struct error *error = read_names(path, &names, &count);
	for (size_t i = 0; i < count && !error; i++) {
		struct stat status, link;
		char *below = path_join(path, names[i]);
		if (!below)
			error = error_memory(strlen(path));
		else if (lstat(below, &link) || stat(below, &status))
			error = error_system("look at", below);
		else if (S_ISDIR(status.st_mode) && !S_ISLNK(link.st_mode)) /* a link could lead back up */
			error = list_folder(list, below, depth + 1);
		else if (S_ISREG(status.st_mode))
			error = list_add(list, below, false, &status);
		free(below);
	}
	for (size_t i = 0; i < count; i++) free(names[i]);
	free(names);
	return error;
}

static struct error *list_path(struct file_list *list, const char *path) {
	struct stat status;
	if (strcmp(path, "-") == 0) return list_add(list, path, true, NULL);
	if (stat(path, &status)) return error_system("open", path);
	if (!S_ISDIR(status.st_mode)) return list_add(list, path, true, &status);
	size_t before = list->count;
	TRY(list_folder(list, path, 0));
	if (list->count == before)
		return error_new(
		    ERROR_DATA, "%s: no file in this folder; hidden files and links to folders do not count", path);
	return NULL;
}

/* ----------------------------------------------------------------------------------------------------- reading one */

struct reader {
	const struct documents_options *options;
	const struct documents_sink *sink;
	struct documents_report *report;
	XXH64_state_t *hash;
	char *piece;      /* PIECE_BYTES */
	struct text line; /* a JSON line so far */
	double done, total;
};

static struct error *next_piece(struct reader *reader, struct input *input, size_t *count) {
	if (interrupt_pending()) return error_new(ERROR_INTERRUPTED, "interrupted; nothing has been written");
	TRY(input_read(input, reader->piece, PIECE_BYTES, count));
	reader->report->bytes += *count;
	XXH64_update(reader->hash, reader->piece, *count);
	if (reader->sink->progress)
		reader->sink->progress(reader->sink->context, reader->done + (double)input_raw_bytes(input), reader->total);
	return NULL;
}

static struct error *read_text(struct reader *reader, struct input *input, size_t first) {
	for (size_t count = first; count > 0;) {
		TRY(reader->sink->text(reader->sink->context, reader->piece, count));
		TRY(next_piece(reader, input, &count));
	}
	return reader->sink->end(reader->sink->context);
}

/* C strings end at a zero, so the escape for U+0000 becomes one for a space. */
static void replace_zeros(char *line, size_t length) {
	for (size_t i = 0; i + 6 <= length; i++) {
		if (line[i] != '\\') continue;
		if (memcmp(line + i, "\\u0000", 6) == 0) line[i + 4] = '2';
		i++; /* the character after a backslash begins no escape */
	}
}

/* Values in a line, more or less: brackets and commas outside of strings. */
static size_t count_values(const char *line, size_t length) {
	size_t count = 0;
	bool inside = false;
	for (size_t i = 0; i < length; i++) {
		if (line[i] == '\\' && inside)
			i++;
		else if (line[i] == '"')
			inside = !inside;
		else if (!inside)
			count += line[i] == ',' || line[i] == '[' || line[i] == '{';
	}
	return count;
}

static struct error *syntax_error(const char *place, const struct text *line, const char *at) {
	size_t column = at ? (size_t)(at - line->data) : 0, end = column;
	while (end < line->length && end - column < 24 && (unsigned char)line->data[end] >= ' ') end++;
	if (column + 1 >= line->length) /* where the parser stops when the text does */
		return error_new(ERROR_DATA, "%s: not valid JSON: the line ends too soon", place);
	return error_new(
	    ERROR_DATA, "%s, column %zu: not valid JSON at '%.*s'; every line must be one JSON object", place, column + 1,
	    (int)(end - column), line->data + column);
}

static struct error *json_document(struct reader *reader, const char *name, uint64_t number) {
	struct text *line = &reader->line;
	const char *field = reader->options->field, *end = NULL;
	char place[300];
	size_t blank = 0;
	while (blank < line->length && (unsigned char)line->data[blank] <= ' ') blank++;
	if (blank == line->length) return NULL;
	snprintf(place, sizeof place, "%s, line %llu", name, (unsigned long long)number);
	if (line->length > VALUES_MOST && count_values(line->data, line->length) > VALUES_MOST)
		return error_new(
		    ERROR_DATA, "%s: more than a million values, which would take too much memory; take them out of the line",
		    place);
	replace_zeros(line->data, line->length);
	cJSON *root = cJSON_ParseWithLengthOpts(line->data, line->length, &end, false);
	if (!root) return syntax_error(place, line, end);
	const cJSON *text = cJSON_IsObject(root) ? cJSON_GetObjectItemCaseSensitive(root, field) : NULL;
	struct error *error = NULL;
	while (end < line->data + line->length && (unsigned char)*end <= ' ') end++;
	if (end < line->data + line->length)
		error = error_new(
		    ERROR_DATA, "%s, column %zu: more follows after the JSON value; every line must be one JSON object", place,
		    (size_t)(end - line->data) + 1);
	else if (cJSON_IsString(text)) {
		error = reader->sink->text(reader->sink->context, text->valuestring, strlen(text->valuestring));
		if (!error) error = reader->sink->end(reader->sink->context);
	} else if (!cJSON_IsObject(root))
		error =
		    error_new(ERROR_DATA, "%s: expected a JSON object with a string \"%s\", found another value", place, field);
	else
		error = error_new(
		    ERROR_DATA, "%s: %s \"%s\" in this object; if the text is in another member, name it with --field", place,
		    text ? "there is no string at" : "there is no member", field);
	cJSON_Delete(root);
	return error;
}

static struct error *read_json_lines(struct reader *reader, struct input *input, size_t first) {
	struct text *line = &reader->line;
	uint64_t number = 1;
	text_clear(line);
	for (size_t count = first; count > 0;) {
		for (size_t at = 0; at < count;) {
			const char *newline = memchr(reader->piece + at, '\n', count - at);
			size_t part = newline ? (size_t)(newline - reader->piece) - at : count - at;
			if (line->length + part > LINE_MOST)
				return error_new(
				    ERROR_DATA,
				    "%s, line %llu: longer than 64 MiB, the most that a JSON line may have; are the line ends "
				    "missing?",
				    input_name(input), (unsigned long long)number);
			text_add_bytes(line, reader->piece + at, part);
			TRY(text_error(line));
			at += part;
			if (!newline) break;
			at++;
			TRY(json_document(reader, input_name(input), number));
			text_clear(line);
			number++;
		}
		TRY(next_piece(reader, input, &count));
	}
	return json_document(reader, input_name(input), number);
}

static bool ends_with(const char *name, size_t length, const char *ending) {
	size_t most = strlen(ending);
	return length > most && strncasecmp(name + length - most, ending, most) == 0;
}

/* F.jsonl, F.ndjson, and those with .zst, .zstd or .gz after them. */
static bool named_json_lines(const char *path) {
	size_t length = strlen(path);
	if (ends_with(path, length, ".zst") || ends_with(path, length, ".zstd") || ends_with(path, length, ".gz"))
		while (path[--length] != '.') continue;
	return ends_with(path, length, ".jsonl") || ends_with(path, length, ".ndjson");
}

static void skip(struct documents_report *report, const char *path) {
	if (report->skipped++ == 0) snprintf(report->first_skipped, sizeof report->first_skipped, "%s", path);
}

static struct error *read_file(struct reader *reader, const struct source_file *file) {
	struct input *input;
	TRY(input_open(file->path, &input));
	struct error *error = NULL;
	if (input_foreign(input)) {
		if (file->named)
			error = error_new(ERROR_DATA, "%s: %s", input_name(input), input_foreign(input));
		else
			skip(reader->report, file->path);
		goto done;
	}
	/* A first piece long enough to judge by, which from a pipe may take several reads. */
	size_t first = 0, got;
	do {
		error = input_read(input, reader->piece + first, PIECE_BYTES - first, &got);
		if (error) goto done;
		first += got;
	} while (got > 0 && first < PROBE_BYTES);
	bool text = !memchr(reader->piece, '\0', first < PROBE_BYTES ? first : PROBE_BYTES);
	if (!text && !file->named) {
		skip(reader->report, file->path);
		goto done;
	}
	if (reader->options->out && input_is(input, reader->options->out)) {
		error = error_new(
		    ERROR_USAGE, "--out %s: is the text %s itself, whose place the corpus would take; name another file",
		    reader->options->out, input_name(input));
		goto done;
	}
	if (!text && !reader->options->binary) {
		error = error_new(
		    ERROR_DATA, "%s: has zero bytes, so it is not text; with --tokenizer byte any bytes are fine",
		    input_name(input));
		goto done;
	}
	bool lines = reader->options->jsonl || named_json_lines(file->path);
	char format[32];
	snprintf(
	    format, sizeof format, "%s%s%s", lines ? "jsonl" : "text", strcmp(input_packing(input), "plain") ? "+" : "",
	    strcmp(input_packing(input), "plain") ? input_packing(input) : "");
	reader->report->files++;
	reader->report->bytes += first;
	XXH64_update(reader->hash, reader->piece, first);
	error = reader->sink->file(reader->sink->context, input_name(input), format);
	if (!error) error = lines ? read_json_lines(reader, input, first) : read_text(reader, input, first);
done:
	reader->done += (double)input_raw_bytes(input);
	input_close(input);
	return error;
}

struct error *documents_read(
    const char *const *paths, int count, const struct documents_options *options, const struct documents_sink *sink,
    struct documents_report *report) {
	struct file_list list = {0};
	struct error *error = NULL;
	*report = (struct documents_report){0};
	struct reader reader = {.options = options, .sink = sink, .report = report};
	reader.hash = XXH64_createState();
	reader.piece = malloc(PIECE_BYTES);
	if (!reader.hash || !reader.piece) {
		error = error_memory(PIECE_BYTES);
		goto done;
	}
	XXH64_reset(reader.hash, 0);
	for (int i = 0; i < count && !error; i++) error = list_path(&list, paths[i]);
	reader.total = list.unsized ? 0 : list.bytes;
	for (size_t i = 0; i < list.count && !error; i++) error = read_file(&reader, &list.items[i]);
	report->source_hash = XXH64_digest(reader.hash);
done:
	list_free(&list);
	XXH64_freeState(reader.hash);
	free(reader.piece);
	text_free(&reader.line);
	return error;
}
