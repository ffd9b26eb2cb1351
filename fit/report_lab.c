/* report_lab.c - reads the files of a lab folder for the report. */
#include "fit/csv.h"
#include "fit/lab.h"
#include "fit/report.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FILE_LIMIT ((size_t)1 << 30) /* bytes; far more than any of these files should have */
#define CURVE_BUDGET 60000.0         /* points of all learning curves together, so that the page stays quick */
#define CURVE_MOST 240               /* points of one curve: more than a screen can tell apart */
#define CURVE_LEAST 16

/* ------------------------------------------------------------------------------------------------- points.csv --- */

struct column {
	const char *name;
	size_t offset;
	bool required;
};

static const struct column columns[] = {
    {"width", offsetof(struct point, width), true},
    {"depth", offsetof(struct point, depth), true},
    {"context", offsetof(struct point, context), false},
    {"vocab", offsetof(struct point, vocab), false},
    {"batch_tokens", offsetof(struct point, batch_tokens), false},
    {"seed", offsetof(struct point, seed), false},
    {"N", offsetof(struct point, N), true},
    {"N_matmul", offsetof(struct point, N_matmul), false},
    {"N_all", offsetof(struct point, N_all), false},
    {"D", offsetof(struct point, D), true},
    {"steps", offsetof(struct point, steps), false},
    {"C", offsetof(struct point, C), true},
    {"C_6ND", offsetof(struct point, C_6ND), false},
    {"loss", offsetof(struct point, loss), true},
    {"loss_error", offsetof(struct point, loss_error), false},
    {"bits_per_byte", offsetof(struct point, bits_per_byte), false},
};

/* What a column of the file means: an index into `columns` or one of these. */
enum { MEANS_ID = 1000, MEANS_FIT, MEANS_REASON, MEANS_NOTHING };

static void point_clear(struct point *point) {
	memset(point, 0, sizeof *point);
	for (size_t i = 0; i < COUNT_OF(columns); i++) *(double *)((char *)point + columns[i].offset) = NAN;
	point->predicted = point->residual = NAN;
	point->seconds = point->tokens_per_second = point->peak_fraction = NAN;
}

static void copy_text(char *out, size_t size, const char *from) {
	size_t length = strnlen(from, size - 1);
	memcpy(out, from, length);
	out[length] = 0;
}

/* Gives every column of the header line its meaning. */
static struct error *read_header(const char *path, char **names, size_t count, int **meanings) {
	bool seen[COUNT_OF(columns)] = {false}, seen_id = false;
	*meanings = array_new(count + 1, sizeof **meanings);
	if (!*meanings) return error_memory(count * sizeof **meanings);
	for (size_t f = 0; f < count; f++) {
		int meaning = MEANS_NOTHING;
		for (size_t i = 0; i < COUNT_OF(columns); i++) {
			if (strcmp(columns[i].name, names[f]) != 0) continue;
			meaning = (int)i;
			seen[i] = true;
		}
		if (strcmp(names[f], "id") == 0) meaning = MEANS_ID, seen_id = true;
		if (strcmp(names[f], "fit") == 0) meaning = MEANS_FIT;
		if (strcmp(names[f], "reason") == 0) meaning = MEANS_REASON;
		(*meanings)[f] = meaning;
	}
	const char *missing = seen_id ? NULL : "id";
	for (size_t i = 0; i < COUNT_OF(columns) && !missing; i++)
		if (columns[i].required && !seen[i]) missing = columns[i].name;
	if (missing)
		return error_new(
		    ERROR_DATA, "%s: line 1: there is no column '%s'; 'rung sweep' writes this file from the runs of the lab",
		    path, missing);
	return NULL;
}

static struct error *read_row(
    const struct csv *csv, size_t line, const int *meanings, struct point *point, size_t count) {
	point_clear(point);
	point->finished = point->fit = true;
	for (size_t f = 0; f < count; f++) {
		const char *value = csv->fields[f];
		if (meanings[f] == MEANS_ID) {
			copy_text(point->id, sizeof point->id, value);
		} else if (meanings[f] == MEANS_REASON) {
			copy_text(point->reason, sizeof point->reason, value);
		} else if (meanings[f] == MEANS_FIT) {
			point->fit = strcmp(value, "0") != 0;
		} else if (meanings[f] != MEANS_NOTHING) {
			const struct column *column = &columns[meanings[f]];
			char *after;
			double parsed = strtod(value, &after);
			if (after == value || *after)
				return error_new(
				    ERROR_DATA, "%s: line %zu, column '%s': found '%s', expected a number", csv->name, line,
				    column->name, value);
			*(double *)((char *)point + column->offset) = parsed;
		}
	}
	if (!(point->N > 0) || !(point->D > 0))
		return error_new(ERROR_DATA, "%s: line %zu: N and D must be above 0", csv->name, line);
	return NULL;
}

static struct error *read_points(const char *path, struct report_lab *lab) {
	struct text content = {0};
	struct csv csv = {0};
	int *meanings = NULL;
	size_t capacity = 0, named = 0, count, line;
	struct error *error = file_read(path, FILE_LIMIT, &content);
	/* Runs that the table lacks are taken from their records. */
	struct text missing = {0};
	if (!error) error = lab_points_check(lab->path, path, &content, &missing);
	text_free(&missing);
	if (!error && content.length) error = csv_begin(&csv, path, content.data, content.length);
	if (!error) error = csv_next(&csv, &named, &line);
	if (!error && !named)
		error = error_new(ERROR_DATA, "%s: the file is empty; 'rung sweep' writes it from the runs of the lab", path);
	if (!error) error = read_header(path, csv.fields, named, &meanings);
	while (!error && !(error = csv_next(&csv, &count, &line)) && count) {
		if (count != named) {
			error = error_new(
			    ERROR_DATA,
			    "%s: line %zu: found %zu fields, expected the %zu that the header names; is the file cut off?", path,
			    line, count, named);
			break;
		}
		error = array_reserve((void **)&lab->points, &capacity, (size_t)lab->point_count + 1, sizeof *lab->points);
		if (!error) error = read_row(&csv, line, meanings, &lab->points[lab->point_count], count);
		if (!error) lab->point_count++;
	}
	free(meanings);
	csv_end(&csv);
	text_free(&content);
	return error;
}

/* ------------------------------------------------------------------------------------------------------- runs/ --- */

/* A number, or one of the strings that stand for numbers JSON does not have; anything else is NaN. */
static double number_of(const cJSON *item) {
	if (cJSON_IsNumber(item)) return item->valuedouble;
	if (!cJSON_IsString(item)) return NAN;
	if (strcmp(item->valuestring, "inf") == 0) return INFINITY;
	if (strcmp(item->valuestring, "-inf") == 0) return -INFINITY;
	return NAN;
}

static double member(const cJSON *object, const char *key) {
	return number_of(cJSON_GetObjectItemCaseSensitive(object, key));
}

static const char *member_text(const cJSON *object, const char *key) {
	const char *value = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));
	return value ? value : "";
}

const cJSON *report_item(const cJSON *root, const char *keys) {
	char key[64];
	while (root && *keys) {
		size_t length = strcspn(keys, ".");
		snprintf(key, sizeof key, "%.*s", (int)length, keys);
		root = cJSON_IsArray(root) ? cJSON_GetArrayItem(root, atoi(key)) : cJSON_GetObjectItemCaseSensitive(root, key);
		keys += length + (keys[length] == '.');
	}
	return root;
}

double report_number(const cJSON *root, const char *keys) {
	return number_of(report_item(root, keys));
}

static struct error *add_machine(struct report_lab *lab, const cJSON *machine) {
	if (!cJSON_IsObject(machine)) return NULL;
	cJSON *known;
	cJSON_ArrayForEach(known, lab->machines) {
		if (cJSON_Compare(cJSON_GetObjectItemCaseSensitive(known, "machine"), machine, true)) {
			cJSON *runs = cJSON_GetObjectItemCaseSensitive(known, "runs");
			cJSON_SetNumberValue(runs, runs->valuedouble + 1);
			return NULL;
		}
	}
	cJSON *row = cJSON_CreateObject(), *copy = cJSON_Duplicate(machine, true);
	if (!row || !copy || !cJSON_AddNumberToObject(row, "runs", 1) || !cJSON_AddItemToObject(row, "machine", copy)) {
		cJSON_Delete(copy);
		cJSON_Delete(row);
		return error_memory(4096);
	}
	cJSON_AddItemToArray(lab->machines, row);
	return NULL;
}

static int compare_ids(const void *a, const void *b) {
	return strcmp(((const struct point *)a)->id, ((const struct point *)b)->id);
}

/* The point of a run's record; a run that points.csv does not hold yet is added behind `sorted_count` sorted ones. */
static struct error *point_of_run(
    struct report_lab *lab, size_t *capacity, int sorted_count, const struct curve *curve, const cJSON *record) {
	struct point wanted;
	copy_text(wanted.id, sizeof wanted.id, curve->id);
	struct point *point =
	    sorted_count ? bsearch(&wanted, lab->points, (size_t)sorted_count, sizeof wanted, compare_ids) : NULL;
	if (!point) {
		TRY(array_reserve((void **)&lab->points, capacity, (size_t)lab->point_count + 1, sizeof *lab->points));
		point = &lab->points[lab->point_count++];
		point_clear(point);
		copy_text(point->id, sizeof point->id, curve->id);
		point->width = curve->width;
		point->depth = curve->depth;
		point->context = curve->context;
		point->vocab = curve->vocab;
		point->seed = curve->seed;
		point->batch_tokens = curve->batch_tokens;
		point->N = curve->N;
		point->N_matmul = curve->N_matmul;
		point->N_all = curve->N_all;
		point->D = curve->tokens;
		point->C = curve->flops_per_token * point->D;
		point->C_6ND = 6 * point->N * point->D;
	}
	const cJSON *result = cJSON_GetObjectItemCaseSensitive(record, "result");
	point->seconds = member(result, "seconds");
	point->tokens_per_second = member(result, "tokens_per_second");
	point->peak_fraction = member(result, "peak_fraction");
	copy_text(point->status, sizeof point->status, curve->status);
	return NULL;
}

/* ------------------------------------------------------------------------------------------------ learning curves --- */

/* Gathers rows into bins of equal width in ln(tokens): the train loss as the mean over the tokens of the bin, the
 * held-out loss as the bin's last evaluation. */
struct thinner {
	double first, bins_per_log; /* bin = floor(ln(tokens / first) * bins_per_log) */
	long bin;
	double sum, weight, last_tokens; /* of the open bin */
	double held_out, held_out_tokens;
};

static void close_bin(struct thinner *thinner, struct curve *curve) {
	if (thinner->weight > 0) {
		curve->train_x[curve->train_count] = thinner->last_tokens;
		curve->train_y[curve->train_count++] = thinner->sum / thinner->weight;
	}
	if (!isnan(thinner->held_out)) {
		curve->held_out_x[curve->held_out_count] = thinner->held_out_tokens;
		curve->held_out_y[curve->held_out_count++] = thinner->held_out;
	}
	thinner->sum = thinner->weight = 0;
	thinner->held_out = NAN;
}

/* Reads the curve of `folder`, from `from` tokens on, into at most `most` points. A last line without its newline is a
 * row that was being written when the run was stopped, and is passed over. */
static struct error *read_log(const char *path, double from, int most, struct curve *curve) {
	struct text content = {0};
	struct error *error = file_read(path, FILE_LIMIT, &content);
	if (!error) error = lab_log_check(path, &content, curve->log_hash);
	cJSON *row = NULL;
	if (error) goto done;
	size_t room = (size_t)most + 2;
	curve->train_x = array_new(room, sizeof(double));
	curve->train_y = array_new(room, sizeof(double));
	curve->held_out_x = array_new(room, sizeof(double));
	curve->held_out_y = array_new(room, sizeof(double));
	if (!curve->train_x || !curve->train_y || !curve->held_out_x || !curve->held_out_y) {
		error = error_memory(room * sizeof(double));
		goto done;
	}
	struct thinner thinner = {.bin = -1, .held_out = NAN};
	double before = 0;
	int line_number = 0;
	char *line = content.data, *end = line ? line + content.length : line, *newline;
	for (; line < end && (newline = memchr(line, '\n', (size_t)(end - line))); line = newline + 1) {
		line_number++;
		if (newline == line) continue;
		cJSON_Delete(row);
		error = json_parse_row(path, (size_t)line_number, line, (size_t)(newline - line), &row);
		double tokens = member(row, "tokens");
		if (!error && !(tokens > before))
			error = error_new(ERROR_DATA, "%s: line %d: 'tokens' is missing or does not ascend", path, line_number);
		if (error) goto done;
		/* What the first row's mean covers is not known: a branch's log begins where it left its trunk. Say one step. */
		double gap = before > 0 || !(curve->batch_tokens > 0) ? tokens - before : curve->batch_tokens;
		double loss = member(row, "loss"), held_out = member(row, "held_out");
		before = tokens;
		if (tokens < from) continue;
		if (thinner.bin < 0) {
			thinner.first = tokens;
			thinner.bins_per_log = curve->tokens > tokens ? most / log(curve->tokens / tokens * 1.0001) : 1;
			thinner.bin = 0;
		}
		long bin = (long)(log(tokens / thinner.first) * thinner.bins_per_log);
		if (bin > most) bin = most; /* a log that runs past its horizon */
		if (bin != thinner.bin) close_bin(&thinner, curve);
		thinner.bin = bin;
		if (isfinite(loss)) {
			thinner.sum += loss * gap;
			thinner.weight += gap;
			thinner.last_tokens = tokens;
		}
		if (isfinite(held_out)) {
			thinner.held_out = held_out;
			thinner.held_out_tokens = tokens;
		}
	}
	if (thinner.bin >= 0) close_bin(&thinner, curve);
done:
	cJSON_Delete(row);
	text_free(&content);
	return error;
}

static void read_record(const char *id, const cJSON *record, struct curve *curve) {
	const cJSON *config = cJSON_GetObjectItemCaseSensitive(record, "config");
	copy_text(curve->id, sizeof curve->id, id);
	const char *status = member_text(record, "status");
	copy_text(curve->status, sizeof curve->status, status);
	const char *log_hash = lab_log_hash(record);
	copy_text(curve->log_hash, sizeof curve->log_hash, log_hash ? log_hash : "");
	curve->trunk = strcmp(member_text(record, "kind"), "trunk") == 0;
	curve->width = member(config, "width");
	curve->depth = member(config, "depth");
	curve->context = member(config, "context");
	curve->seed = member(config, "seed");
	curve->batch_tokens = member(config, "batch") * curve->context;
	curve->vocab = report_number(record, "shape.vocab");
	curve->N = report_number(record, "shape.N");
	curve->N_matmul = report_number(record, "shape.N_matmul");
	curve->N_all = report_number(record, "shape.N_all");
	curve->flops_per_token = report_number(record, "shape.train_flops");
	curve->tokens = member(config, "tokens");
	curve->cooldown = member(config, "cooldown");
}

/* The tokens from which a curve is worth drawing: a branch repeats its trunk up to where its cooldown starts. */
static double curve_start(const struct report_lab *lab, const struct curve *curve) {
	if (curve->trunk || !(curve->cooldown > 0 && curve->cooldown < 1)) return 0;
	for (int i = 0; i < lab->curve_count; i++) {
		const struct curve *other = &lab->curves[i];
		if (other->trunk && other->width == curve->width && other->depth == curve->depth && other->seed == curve->seed)
			return (1 - curve->cooldown) * curve->tokens * 0.999;
	}
	return 0;
}

static void note(struct report_lab *lab, struct error *error) {
	text_add(&lab->trouble, "%s\n", error->message);
	error_free(error);
}

static struct error *read_runs(const char *folder, struct report_lab *lab) {
	struct dirent **names = NULL;
	int count = scandir(folder, &names, lab_is_run, alphasort);
	if (count < 0) return errno == ENOENT ? NULL : error_system("read", folder);
	struct error *error = NULL;
	struct text path = {0};
	size_t capacity = (size_t)lab->point_count;
	int sorted = lab->point_count;
	if (sorted) qsort(lab->points, (size_t)sorted, sizeof *lab->points, compare_ids);
	lab->curves = array_new((size_t)count + 1, sizeof *lab->curves);
	lab->machines = cJSON_CreateArray();
	if (!lab->curves || !lab->machines) {
		error = error_memory((size_t)count * sizeof *lab->curves);
		goto done;
	}
	for (int i = 0; i < count; i++) {
		text_clear(&path);
		text_add(&path, "%s/%s/run.json", folder, names[i]->d_name);
		if ((error = text_error(&path))) goto done;
		if (!file_exists(path.data)) continue;
		cJSON *record = NULL;
		error = lab_record_read(path.data, names[i]->d_name, &record);
		if (error && error->kind != ERROR_DATA) goto done;
		if (error) {
			note(lab, error);
			error = NULL;
			continue;
		}
		struct curve *curve = &lab->curves[lab->curve_count++];
		read_record(names[i]->d_name, record, curve);
		error = add_machine(lab, cJSON_GetObjectItemCaseSensitive(record, "machine"));
		lab->runs_read++;
		if (!error && !curve->trunk) error = point_of_run(lab, &capacity, sorted, curve, record);
		cJSON_Delete(record);
		if (error) goto done;
	}
	double share = CURVE_BUDGET / (lab->curve_count + 1);
	int most = share > CURVE_MOST ? CURVE_MOST : share < CURVE_LEAST ? CURVE_LEAST : (int)share;
	for (int i = 0; i < lab->curve_count; i++) {
		struct curve *curve = &lab->curves[i];
		text_clear(&path);
		text_add(&path, "%s/%s/log.jsonl", folder, curve->id);
		if ((error = text_error(&path))) goto done;
		error = file_exists(path.data) ? read_log(path.data, curve_start(lab, curve), most, curve)
		                               : lab_log_check(path.data, NULL, curve->log_hash);
		if (error && error->kind == ERROR_DATA) {
			note(lab, error);
			error = NULL;
		}
		if (error) goto done;
	}
done:
	for (int i = 0; i < count; i++) free(names[i]);
	free(names);
	text_free(&path);
	return error;
}

/* ---------------------------------------------------------------------------------------------------- the folder --- */

/* ERROR_DATA when the file is there and is not what it should be; *root stays NULL then, as when it is not there. */
static struct error *read_if_there(const char *folder, const char *name, cJSON **root) {
	char *path = path_join(folder, name);
	if (!path) return error_memory(strlen(folder) + strlen(name));
	struct error *error = NULL;
	if (file_exists(path)) {
		error = json_read(path, root);
		if (!error) error = report_check_members(path, name, *root);
	}
	if (error) {
		cJSON_Delete(*root);
		*root = NULL;
	}
	free(path);
	return error;
}

/* A file that the page can do without: a damaged one is told, and so is that there is none, in the words `absent`. */
static struct error *read_or_note(struct report_lab *lab, const char *name, const char *absent, cJSON **root) {
	struct error *error = read_if_there(lab->path, name, root);
	if (error && error->kind != ERROR_DATA) return error;
	if (error) {
		text_add(&lab->trouble, "%s. The page goes on without it.\n", error->message);
		error_free(error);
	} else if (!*root) {
		text_add_string(&lab->trouble, absent);
	}
	return text_error(&lab->trouble);
}

/* A fit.json that cannot be used leaves its reason in lab->no_fit. */
static struct error *read_fit(struct report_lab *lab) {
	struct error *error = read_if_there(lab->path, "fit.json", &lab->fit);
	if (error && error->kind != ERROR_DATA) return error;
	if (error) {
		text_add_string(&lab->no_fit, error->message);
		error_free(error);
		return text_error(&lab->no_fit);
	}
	if (lab->fit) return report_check_fit(lab);
	text_add_string(&lab->no_fit, "There is no fit.json");
	return text_error(&lab->no_fit);
}

/* The last part of the path, for the page's title: "labs/demo/" is "demo". */
static char *folder_name(const char *path) {
	char *whole = realpath(path, NULL);
	if (!whole) return NULL;
	const char *slash = strrchr(whole, '/');
	char *name = strdup(slash && slash[1] ? slash + 1 : whole);
	free(whole);
	return name;
}

struct error *report_lab_read(const char *path, struct report_lab *lab) {
	*lab = (struct report_lab){0};
	if (!file_exists(path))
		return error_new(ERROR_DATA, "%s: there is no such lab folder; 'rung sweep' makes one", path);
	struct stat status;
	if (stat(path, &status) == 0 && !S_ISDIR(status.st_mode))
		return error_new(
		    ERROR_DATA, "%s is not a folder; 'rung report' takes the lab folder, in which points.csv and runs/ stand",
		    path);
	char *points = path_join(path, "points.csv"), *runs = path_join(path, "runs");
	lab->path = strdup(path);
	lab->name = folder_name(path);
	struct error *error = points && runs && lab->path && lab->name ? NULL : error_memory(strlen(path));
	if (!error && !file_exists(points))
		error = error_new(
		    ERROR_DATA, "%s: there is no points.csv in this folder; is it a lab? 'rung sweep --lab %s' writes it", path,
		    path);
	if (!error) error = read_points(points, lab);
	if (!error) error = read_or_note(lab, "plan.json", "", &lab->plan);
	if (!error)
		error = read_or_note(
		    lab, "corpus.json",
		    "There is no corpus.json: entropies and compressors are not shown; 'rung sweep' writes it.\n",
		    &lab->corpus);
	if (!error)
		error = read_or_note(
		    lab, "samples.json", "There is no samples.json: 'rung sweep' writes it when the largest rung is done.\n",
		    &lab->samples);
	if (!error) error = read_fit(lab);
	if (!error) error = read_runs(runs, lab);
	free(points);
	free(runs);
	if (error) report_lab_free(lab);
	return error;
}

void report_lab_free(struct report_lab *lab) {
	for (int i = 0; i < lab->curve_count; i++) {
		free(lab->curves[i].train_x);
		free(lab->curves[i].train_y);
		free(lab->curves[i].held_out_x);
		free(lab->curves[i].held_out_y);
	}
	free(lab->curves);
	free(lab->points);
	free(lab->path);
	free(lab->name);
	cJSON_Delete(lab->plan);
	cJSON_Delete(lab->corpus);
	cJSON_Delete(lab->samples);
	cJSON_Delete(lab->fit);
	cJSON_Delete(lab->machines);
	text_free(&lab->trouble);
	text_free(&lab->no_fit);
	*lab = (struct report_lab){0};
}
