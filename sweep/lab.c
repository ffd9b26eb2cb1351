/* The lab: one folder, one frozen plan, one corpus, one sweep at a time. */
#include "sweep/lock.h"
#include "sweep/sweep.h"

#include <dirent.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---------------------------------------------------------------------------------------------------------- the corpus --- */

/* An absolute path, so that the lab can be gone on with from anywhere; as it is when there is no such file. */
static void make_absolute(char **path) {
	char *absolute = realpath(*path, NULL);
	if (!absolute) return;
	free(*path);
	*path = absolute;
}

static struct error *build_source(const struct plan *plan, const char *name, const char *path) {
	struct text place = {0};
	text_add(&place, "%s: corpus", name);
	struct error *error = text_error(&place);
	if (!error) error = source_build(plan->source, place.data, path);
	text_free(&place);
	return error;
}

static void recall_split(const cJSON *root, const char *key, enum split split, struct corpus_info *info) {
	const cJSON *object = cJSON_GetObjectItemCaseSensitive(root, key);
	static const char *const names[] = {"tokens", "bytes", "documents"};
	uint64_t *const counts[] = {&info->tokens[split], &info->bytes[split], &info->documents[split]};
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		const cJSON *count = cJSON_GetObjectItemCaseSensitive(object, names[i]);
		*counts[i] = cJSON_IsNumber(count) && count->valuedouble >= 0 ? (uint64_t)count->valuedouble : 0;
	}
}

/* What corpus.json remembers of a corpus that is gone: enough to tell which runs there are, and whether all are done. False
 * when it does not, or not of the plan's corpus. */
static bool recall_corpus(struct lab *lab) {
	struct corpus_info *info = &lab->info;
	char *path = path_join(lab->folder, "corpus.json");
	cJSON *root = NULL;
	if (path && file_exists(path)) error_free(json_read(path, &root));
	const char *hash = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(root, "hash"));
	const cJSON *vocab = cJSON_GetObjectItemCaseSensitive(root, "vocab");
	const cJSON *entropy = cJSON_GetObjectItemCaseSensitive(root, "entropy");
	struct error *error = NULL;
	*info = (struct corpus_info){.vocab = cJSON_IsNumber(vocab) ? vocab->valueint : 0};
	const bool known = hash && hash_from_hex(hash, &info->hash) && strcmp(hash, lab->plan.corpus_hash) == 0;
	if (known) error = json_get_number(entropy, "bigram", path, &info->bigram);
	recall_split(root, "train", SPLIT_TRAIN, info);
	recall_split(root, "held_out", SPLIT_HELD_OUT, info);
	const bool recalled = known && !error && info->vocab > 0;
	error_free(error);
	cJSON_Delete(root);
	free(path);
	return recalled;
}

/* `frozen`: the lab has a plan already, and what lies there as source.corpus was made for it. */
static struct error *open_corpus(struct lab *lab, const char *plan_name, bool frozen) {
	struct plan *plan = &lab->plan;
	if (plan->source) {
		lab->corpus_path = path_join(lab->folder, "source.corpus");
		if (!lab->corpus_path) return error_memory(256);
		if (!frozen || !file_exists(lab->corpus_path)) TRY(build_source(plan, plan_name, lab->corpus_path));
	} else if (plan->corpus) {
		lab->corpus_path = strdup(plan->corpus);
		if (!lab->corpus_path) return error_memory(256);
	} else
		return error_new(
		    ERROR_USAGE,
		    "%s names no corpus; name one: --corpus F.corpus (`rung data import TEXT --out F.corpus` makes one)",
		    plan_name);
	make_absolute(&lab->corpus_path);
	struct error *error =
	    plan->corpus ? plan_open_corpus(plan, plan_name, &lab->corpus) : corpus_open(lab->corpus_path, &lab->corpus);
	if (error && frozen && !file_exists(lab->corpus_path) && recall_corpus(lab)) {
		lab->lost = error;
		return NULL;
	}
	if (error && error->kind == ERROR_DATA && plan->source)
		return error_within(error, "remove %s to have it made again", lab->corpus_path);
	if (error) return error;
	lab->info = *corpus_info(lab->corpus);
	struct error *another = plan_check_hash(plan, plan_name, lab->corpus_path, &lab->info);
	if (another)
		return plan->source ? error_within(another, "remove %s to have it made again", lab->corpus_path) : another;
	hash_hex(lab->info.hash, plan->corpus_hash);
	if (plan->corpus) TRY(plan_set_corpus(plan, lab->corpus_path));
	return NULL;
}

/* ------------------------------------------------------------------------------------------------------ the frozen plan --- */

/* What decides about the runs: where the corpus lies does not, what is in it does. */
static cJSON *comparable(const struct plan *plan) {
	cJSON *root = plan_to_json(plan);
	if (root && plan->corpus) cJSON_DeleteItemFromObjectCaseSensitive(root, "corpus");
	return root;
}

static struct error *check_same(const struct lab *lab, const struct plan *frozen, const char *path, const char *name) {
	struct text differences = {0};
	cJSON *one = comparable(frozen), *other = comparable(&lab->plan);
	struct error *error = one && other ? NULL : error_memory(4096);
	if (!error) plan_differences(one, path, other, name, &differences);
	if (!error) error = text_error(&differences);
	if (!error && differences.length)
		error = error_new(
		    ERROR_USAGE,
		    "%s holds another plan than %s:\n%.*sgo on with the lab's own plan (rung sweep --lab %s), or take another "
		    "lab",
		    lab->folder, name, (int)(differences.length < 600 ? differences.length : 600), differences.data,
		    lab->folder);
	text_free(&differences);
	cJSON_Delete(one);
	cJSON_Delete(other);
	return error;
}

static struct error *freeze(const struct lab *lab, const char *path) {
	cJSON *root = plan_to_json(&lab->plan);
	if (!root) return error_memory(4096);
	struct error *error = json_write_sealed(path, root);
	cJSON_Delete(root);
	return error;
}

static struct error *no_plan(const char *folder) {
	return error_new(ERROR_USAGE, "%s holds no plan yet; say what to run: --preset demo, or --plan PLAN.json", folder);
}

/* What killed processes had begun to write, here and in the folders of runs. The lock is held, so nobody else is at it. */
static struct error *remove_temporary(const char *folder) {
	struct text path = {0};
	text_add(&path, "%s/runs", folder);
	TRY(text_error(&path));
	file_clean_folder(folder);
	DIR *runs = opendir(path.data);
	for (struct dirent *entry; runs && (entry = readdir(runs));) {
		if (entry->d_name[0] == '.') continue;
		text_clear(&path);
		text_add(&path, "%s/runs/%s", folder, entry->d_name);
		if (!path.failed) file_clean_folder(path.data);
	}
	if (runs) closedir(runs);
	text_free(&path);
	return NULL;
}

/* Everything after the lock. `path`: of the frozen plan. */
static struct error *open_locked(
    struct lab *lab, struct plan *asked, const char *asked_path, const char *corpus, const char *path) {
	struct plan frozen = {0};
	const bool there = file_exists(path);
	struct error *error = there ? plan_read_frozen(path, &frozen) : NULL;
	const char *name = asked ? asked_path : path;
	if (!error && !there && !asked) error = no_plan(lab->folder);
	if (error) goto done;

	if (asked) {
		lab->plan = *asked;
		*asked = (struct plan){0};
	} else {
		lab->plan = frozen;
		frozen = (struct plan){0};
	}
	if (!corpus && !lab->plan.corpus && !lab->plan.source && frozen.corpus) corpus = frozen.corpus;
	if (corpus) error = plan_set_corpus(&lab->plan, corpus);
	/* The plan that is asked for seldom knows the hash of a source; what lies there must be the lab's in any case. */
	const bool recalled = there && asked && lab->plan.source && !lab->plan.corpus_hash[0];
	if (recalled) memcpy(lab->plan.corpus_hash, frozen.corpus_hash, sizeof frozen.corpus_hash);
	if (!error) error = open_corpus(lab, recalled ? path : name, there);
	if (!error && there && asked) error = check_same(lab, &frozen, path, name);
	if (!error) error = plan_check(&lab->plan, name, &lab->info);
	if (!error && !lab->lost && (!there || corpus)) error = freeze(lab, path);
done:
	plan_free(&frozen);
	return error;
}

struct error *lab_open(
    const char *folder, struct plan *asked, const char *asked_path, const char *corpus, struct lab *lab) {
	*lab = (struct lab){.lock = -1};
	lab->folder = strdup(folder);
	char *path = path_join(folder, "plan.json");
	struct error *error = lab->folder && path ? NULL : error_memory(256);
	/* Before anything is made: the name may be mistyped. */
	if (!error && !asked && !file_exists(path)) error = no_plan(folder);
	if (!error) error = folder_make(folder);
	if (!error) error = lock_take(folder, LOCK_PATIENCE, &lab->lock);
	if (!error) error = remove_temporary(folder);
	if (!error) error = open_locked(lab, asked, asked_path, corpus, path);
	free(path);
	return error;
}

void lab_close(struct lab *lab) {
	corpus_close(lab->corpus);
	error_free(lab->lost);
	plan_free(&lab->plan);
	free(lab->corpus_path);
	free(lab->kernels);
	free(lab->folder);
	if (lab->lock >= 0) close(lab->lock);
	*lab = (struct lab){.lock = -1};
}

/* --------------------------------------------------------------------------------------------------------- corpus.json --- */

static bool add_split(cJSON *root, const char *key, const struct corpus_info *info, enum split split) {
	cJSON *object = cJSON_AddObjectToObject(root, key);
	return object && cJSON_AddNumberToObject(object, "tokens", (double)info->tokens[split]) &&
	       cJSON_AddNumberToObject(object, "bytes", (double)info->bytes[split]) &&
	       cJSON_AddNumberToObject(object, "documents", (double)info->documents[split]);
}

static bool add_corpus(cJSON *root, const struct lab *lab, const cJSON *compressors) {
	const struct corpus_info *info = &lab->info;
	char hash[HASH_HEX_SIZE], source_hash[HASH_HEX_SIZE];
	if (!cJSON_AddStringToObject(root, "path", lab->corpus_path) ||
	    !cJSON_AddStringToObject(root, "tokenizer", info->tokenizer) ||
	    !cJSON_AddNumberToObject(root, "vocab", info->vocab) ||
	    !cJSON_AddStringToObject(root, "hash", hash_hex(info->hash, hash)) ||
	    !cJSON_AddStringToObject(root, "source_hash", hash_hex(info->source_hash, source_hash)) ||
	    !cJSON_AddStringToObject(root, "description", info->description) ||
	    !add_split(root, "train", info, SPLIT_TRAIN) || !add_split(root, "held_out", info, SPLIT_HELD_OUT))
		return false;
	cJSON *entropy = cJSON_AddObjectToObject(root, "entropy");
	if (!entropy || !json_add_number(entropy, "unigram", info->unigram) ||
	    !json_add_number(entropy, "bigram", info->bigram) || !json_add_number(entropy, "rate", info->entropy_rate))
		return false;
	cJSON *copy = compressors ? cJSON_Duplicate(compressors, true) : cJSON_CreateArray();
	return copy && cJSON_AddItemToObject(root, "compressors", copy);
}

static bool can_be_read(const char *path) {
	cJSON *root = NULL;
	if (file_exists(path)) error_free(json_read(path, &root));
	cJSON_Delete(root);
	return root != NULL;
}

struct error *lab_write_corpus(const struct lab *lab, const cJSON *compressors) {
	char *path = path_join(lab->folder, "corpus.json");
	cJSON *root = cJSON_CreateObject();
	struct error *error = NULL;
	if (!path || !root)
		error = error_memory(4096);
	else if (!lab->lost && (compressors || !can_be_read(path))) /* what is there may hold the compressors' answer */
		error = add_corpus(root, lab, compressors) ? json_write_sealed(path, root) : error_memory(4096);
	cJSON_Delete(root);
	free(path);
	return error;
}
