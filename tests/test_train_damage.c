/* Checkpoints and records that are damaged, cut, mixed up, or of others; and which checkpoints are kept. */
#include "tests/checkpoint_fixture.h"

#include <fcntl.h>

static bool has_step(const struct kept *kept, int64_t step) {
	char *state = file_of(kept, step, STATE_SUFFIX), *weights = file_of(kept, step, ".safetensors");
	const bool both = file_exists(state) && file_exists(weights);
	free(state);
	free(weights);
	return both;
}

static void the_two_latest_are_kept_and_what_is_good_for_sure(void **state) {
	const struct fixture *f = *state;
	struct kept kept = keep_in(f, "two");
	own(f, &kept);
	for (int64_t step = 1; step <= 20; step++) {
		if (step == 6) kept.state.settled = 5;
		must(save_at(&kept, step));
		assert_true(has_step(&kept, step));
		assert_true(step < 2 || has_step(&kept, step - 1));
		assert_true(step < 8 || (has_step(&kept, 5) && !has_step(&kept, step - 2)));
	}
	/* More of them than one looks at, and strangers among them: the newest is found. */
	kept.state.settled = 0;
	for (int64_t step = 30; step < 60; step++) {
		char *stem = file_of(&kept, step * 37 % 100 + 100, "");
		kept.state.step = step * 37 % 100 + 100;
		parameters(&kept.state)[0] = (float)kept.state.step;
		must(checkpoint_write(stem, &kept.state, &kept.owner));
		free(stem);
	}
	static const char *const strangers[] = {
	    "step-x.state.safetensors", "step-999.state", "notes", "step-000000000999.tmp"};
	for (size_t i = 0; i < COUNT_OF(strangers); i++) {
		char *path = path_join(kept.folder, strangers[i]);
		must(file_write(path, "?", 1));
		free(path);
	}
	int64_t newest = 0;
	for (int64_t step = 30; step < 60; step++)
		if (step * 37 % 100 + 100 > newest) newest = step * 37 % 100 + 100;
	assert_int_equal(latest(f, &kept), newest);
	checkpoint_keep(kept.folder, newest);
	assert_true(has_step(&kept, newest));
	assert_false(has_step(&kept, 20));
	char *note = path_join(kept.folder, "notes");
	assert_true(file_exists(note));
	free(note);
	release(&kept);
}

/* Every way in which the newest pair is not what it was: the older one is used, and the place is named. */
static void the_older_one_is_used(void **state) {
	const struct fixture *f = *state;
	struct kept kept = keep_in(f, "older");
	own(f, &kept);
	static const char *const suffixes[] = {STATE_SUFFIX, ".safetensors"};
	struct rng rng = rng_make(1, "damage");
	for (int i = 0; i < 400; i++) {
		checkpoint_remove_all(kept.folder);
		must(save_at(&kept, 1));
		must(save_at(&kept, 2));
		char *path = file_of(&kept, 2, suffixes[i % 2]), *before = file_of(&kept, 1, suffixes[i % 2]);
		struct text bytes = {0}, older = {0};
		must(file_read(path, 1 << 24, &bytes));
		must(file_read(before, 1 << 24, &older));
		const size_t at = (size_t)rng_below(&rng, bytes.length);
		if (i % 8 < 4) /* a bit */
			bytes.data[at] ^= (char)(1 << rng_below(&rng, 8));
		else if (i % 8 < 6) /* cut short */
			bytes.length = at;
		else /* the other one's beginning, which differs in a number at least */
			memcpy(bytes.data, older.data, bytes.length < older.length ? bytes.length : older.length);
		must(file_write(path, bytes.data, bytes.length));
		text_free(&bytes);
		text_free(&older);

		struct train_state other;
		struct error *damage = NULL;
		bool found;
		open_state(f, &other);
		must(checkpoint_latest(kept.folder, &other, &kept.owner, &found, &damage));
		assert_non_null(damage);
		assert_non_null(strstr(damage->message, "/step-000000000002"));
		assert_true(found && other.step == 1 && parameters(&other)[0] == 1);
		error_free(damage);
		close_state(&other);
		free(path);
		free(before);
	}
	release(&kept);
}

/* A pair that has lost its weights is damaged, too. What cannot be looked at is not: that may pass. */
static void half_a_checkpoint_is_none(void **state) {
	const struct fixture *f = *state;
	struct kept kept = keep_in(f, "half");
	own(f, &kept);
	must(save_at(&kept, 1));
	must(save_at(&kept, 2));
	char *weights = file_of(&kept, 2, ".safetensors");
	assert_int_equal(unlink(weights), 0);
	struct train_state other;
	struct error *damage = NULL;
	bool found;
	open_state(f, &other);
	must(checkpoint_latest(kept.folder, &other, &kept.owner, &found, &damage));
	assert_true(found && other.step == 1 && parameters(&other)[0] == 1);
	assert_non_null(damage);
	assert_non_null(strstr(damage->message, weights));
	error_free(damage);
	assert_int_equal(symlink(weights, weights), 0); /* leads to itself */
	struct error *error = checkpoint_latest(kept.folder, &other, &kept.owner, &found, &damage);
	assert_true(error && error->kind == ERROR_FAILED && strstr(error->message, weights));
	error_free(error);
	assert_false(found);
	close_state(&other);
	free(weights);
	release(&kept);
}

/* Reads the pair `stem`, whose file `path` has been changed: it must be refused, by its name and the place. */
static void expect_refused(
    const struct kept *kept, struct train_state *into, const char *stem, const char *path, const char *what) {
	struct error *error = checkpoint_read(stem, into, &kept->owner, false);
	if (!error) fail_msg("%s: %s went unseen", path, what);
	if (error->kind != ERROR_DATA || !strstr(error->message, path) ||
	    !(strstr(error->message, "header") || strstr(error->message, "numbers") || strstr(error->message, "cut short")))
		fail_msg("%s: %s", what, error->message);
	error_free(error);
}

static void every_damage_to_a_checkpoint_is_found(void **state) {
	const struct fixture *f = *state;
	struct kept kept = keep_in(f, "damage");
	own(f, &kept);
	must(save_at(&kept, 2));
	struct train_state into;
	open_state(f, &into);
	struct rng rng = rng_make(2, "flips");
	char *stem = file_of(&kept, 2, "");
	static const char *const suffixes[] = {STATE_SUFFIX, ".safetensors"};
	for (size_t s = 0; s < COUNT_OF(suffixes); s++) {
		char *path = file_of(&kept, 2, suffixes[s]), what[80];
		struct text good = {0};
		must(file_read(path, 1 << 24, &good));
		const int file = open(path, O_RDWR);
		const size_t header = 8 + (size_t)(unsigned char)good.data[0] + 256 * (size_t)(unsigned char)good.data[1];
		assert_in_range(header, 500, 20000);
		for (size_t bit = 0; bit < 8 * header; bit++) { /* every one of the header and its length */
			put_byte(file, bit / 8, good.data[bit / 8] ^ (char)(1 << bit % 8));
			snprintf(what, sizeof what, "bit %zu, flipped,", bit);
			expect_refused(&kept, &into, stem, path, what);
			put_byte(file, bit / 8, good.data[bit / 8]);
		}
		for (int i = 0; i < 5000; i++) { /* of the numbers */
			const size_t at = header + (size_t)rng_below(&rng, good.length - header);
			put_byte(file, at, good.data[at] ^ (char)(1 << rng_below(&rng, 8)));
			snprintf(what, sizeof what, "byte %zu, changed,", at);
			expect_refused(&kept, &into, stem, path, what);
			put_byte(file, at, good.data[at]);
		}
		for (int i = 0; i < 1000; i++) { /* cut, and grown */
			const size_t length = (size_t)rng_below(&rng, good.length);
			assert_int_equal(ftruncate(file, (off_t)length), 0);
			snprintf(what, sizeof what, "cut to %zu", length);
			expect_refused(&kept, &into, stem, path, what);
			assert_int_equal(
			    pwrite(file, good.data + length, good.length - length, (off_t)length), (ssize_t)(good.length - length));
		}
		assert_int_equal(pwrite(file, "", 1, (off_t)good.length), 1);
		expect_refused(&kept, &into, stem, path, "a byte more");
		assert_int_equal(ftruncate(file, (off_t)good.length), 0);
		for (int i = 0; i < 1000; i++) { /* a piece from elsewhere in it */
			const size_t count = 1 + (size_t)rng_below(&rng, good.length / 2);
			const size_t from = (size_t)rng_below(&rng, good.length - count),
			             to = (size_t)rng_below(&rng, good.length - count);
			if (memcmp(good.data + from, good.data + to, count) == 0) continue;
			assert_int_equal(pwrite(file, good.data + from, count, (off_t)to), (ssize_t)count);
			snprintf(what, sizeof what, "%zu bytes from %zu at %zu", count, from, to);
			expect_refused(&kept, &into, stem, path, what);
			assert_int_equal(pwrite(file, good.data + to, count, (off_t)to), (ssize_t)count);
		}
		must(checkpoint_read(stem, &into, &kept.owner, false)); /* all of it was undone */
		close(file);
		text_free(&good);
		free(path);
	}
	close_state(&into);
	free(stem);
	release(&kept);
}

/* Pairs that are whole, and not what is asked for. */
static void checkpoints_of_others_are_refused(void **state) {
	const struct fixture *f = *state;
	struct kept kept = keep_in(f, "others");
	own(f, &kept);
	must(save_at(&kept, 2));
	char *stem = file_of(&kept, 2, "");
	struct train_state into;
	open_state(f, &into);
	struct checkpoint_owner other = kept.owner;
	other.id = "another";
	struct error *error = checkpoint_read(stem, &into, &other, false);
	assert_non_null(error);
	assert_non_null(strstr(error->message, "belongs to run 0123456789abcdef, expected another"));
	error_free(error);
	bool found;
	struct error *damage;
	must(checkpoint_latest(kept.folder, &into, &other, &found, &damage));
	assert_false(found);
	assert_int_equal(damage->kind, ERROR_DATA);
	assert_non_null(strstr(damage->message, "belongs to run 0123456789abcdef, expected another"));
	error_free(damage);
	must(checkpoint_read(stem, &into, &other, true)); /* a branch is for every run of the recipe */
	other.recipe = "another";
	error = checkpoint_read(stem, &into, &other, true);
	assert_non_null(strstr(error->message, "belongs to recipe"));
	error_free(error);
	/* The weights of another step. */
	char *weights = file_of(&kept, 2, ".safetensors");
	uint64_t hash, file_hash;
	must(weights_write(weights, kept.state.model, &kept.owner, 3, &hash, &file_hash));
	error = checkpoint_read(stem, &into, &kept.owner, false);
	assert_non_null(strstr(error->message, "belongs to the weights file"));
	error_free(error);
	free(weights);
	free(stem);
	close_state(&into);
	release(&kept);
}

/* A state file whose hashes are right and that lacks a member of its metadata, or says something else (`value`), or lacks the
 * tensors of one kind. */
static void write_incomplete(
    const struct kept *kept, const char *path, const struct safetensors *good, const char *key, const char *value,
    int kinds) {
	const struct tensor_table *table = model_tensors(kept->state.model);
	struct tensor_view *views = array_new(2 * (size_t)table->count, sizeof *views);
	size_t count = 0;
	for (int kind = 0; kind < 2; kind++)
		for (int i = 0; i < table->count && kinds >> kind & 1; i++) {
			const struct tensor *tensor = &table->rows[i];
			views[count] = (struct tensor_view){
			    .rows = tensor->rows, .cols = tensor->cols, .data = parameters(&kept->state) + tensor->offset};
			snprintf(views[count++].name, sizeof views->name, "%s.%s", kind ? "second" : "first", tensor->name);
		}
	cJSON *meta = cJSON_Duplicate(good->metadata, true);
	uint64_t hash;
	cJSON_DeleteItemFromObjectCaseSensitive(meta, "xxh64");
	cJSON_DeleteItemFromObjectCaseSensitive(meta, "header_xxh64");
	cJSON_DeleteItemFromObjectCaseSensitive(meta, key);
	if (value) cJSON_AddStringToObject(meta, key, value);
	must(safetensors_write(path, views, count, meta, &hash));
	cJSON_Delete(meta);
	free(views);
}

static void incomplete_checkpoints_are_refused(void **state) {
	const struct fixture *f = *state;
	struct kept kept = keep_in(f, "incomplete");
	own(f, &kept);
	must(save_at(&kept, 2));
	char *stem = file_of(&kept, 2, ""), *path = file_of(&kept, 2, STATE_SUFFIX);
	struct safetensors good;
	struct train_state into;
	open_state(f, &into);
	must(safetensors_read(path, &good));
	static const char *const keys[] = {"weights_xxh64", "recipe", "id", "step", "loss_sum", "proven", "lowest", "log"};
	for (size_t i = 0; i < COUNT_OF(keys); i++) {
		write_incomplete(&kept, path, &good, keys[i], NULL, 3);
		expect_error(checkpoint_read(stem, &into, &kept.owner, false), keys[i]);
	}
	write_incomplete(&kept, path, &good, "step", "many", 3);
	expect_error(checkpoint_check(stem, kept.owner.recipe, 2), "'step' is 'many', expected a number");
	expect_error(checkpoint_read(stem, &into, &kept.owner, false), "'step' is 'many', expected a number");
	write_incomplete(&kept, path, &good, "step", "nan", 3);
	expect_error(checkpoint_read(stem, &into, &kept.owner, false), "\"step\": expected a whole number, found nan");
	write_incomplete(&kept, path, &good, "proven", "1e300", 3);
	expect_error(checkpoint_read(stem, &into, &kept.owner, false), "\"proven\": expected a whole number");
	write_incomplete(&kept, path, &good, "kernels", "abacus", 3);
	expect_error(checkpoint_read(stem, &into, &kept.owner, false), "there are no kernels 'abacus'");
	write_incomplete(&kept, path, &good, "", NULL, 2);
	expect_error(checkpoint_read(stem, &into, &kept.owner, false), "has no tensor 'first.");
	write_incomplete(&kept, path, &good, "", NULL, 1);
	expect_error(checkpoint_read(stem, &into, &kept.owner, false), "has no tensor 'second.");
	write_incomplete(&kept, path, &good, "", NULL, 3);
	must(checkpoint_read(stem, &into, &kept.owner, false));
	must(checkpoint_check(stem, kept.owner.recipe, 2));
	expect_error(checkpoint_check(stem, kept.owner.recipe, 3), "is at step 2, expected 3");
	expect_error(checkpoint_check(stem, "another", 2), "belongs to recipe");
	close_state(&into);
	/* A model of another shape. */
	struct fixture wider = {.corpus = f->corpus, .config = f->config};
	wider.config.width = 32;
	open_state(&wider, &into);
	expect_error(checkpoint_read(stem, &into, &kept.owner, false), "expected ");
	close_state(&into);
	safetensors_free(&good);
	free(path);
	free(stem);
	release(&kept);
}

/* A file with the hashes right and something else wrong: `from` becomes `to` in its header, of the same length. */
static struct error *read_changed(const char *path, const char *from, const char *to, struct safetensors *out) {
	struct text bytes = {0};
	must(file_read(path, 1 << 20, &bytes));
	char *place = memmem(bytes.data, bytes.length, from, strlen(from));
	assert_non_null(place);
	assert_int_equal(strlen(from), strlen(to));
	memcpy(place, to, strlen(to));
	const size_t header = 8 + (size_t)(unsigned char)bytes.data[0] + 256 * (size_t)(unsigned char)bytes.data[1];
	char hex[HASH_HEX_SIZE];
	char *whole = memmem(bytes.data, header, "\"xxh64\":\"", 9),
	     *own_hash = memmem(bytes.data, header, "\"header_xxh64\":\"", 16);
	if (whole && own_hash) {
		memset(whole + 9, '0', 16);
		memset(own_hash + 16, '0', 16);
		memcpy(whole + 9, hash_hex(hash_bytes(bytes.data, bytes.length, 0), hex), 16);
		memcpy(own_hash + 16, hash_hex(hash_bytes(bytes.data + 8, header - 8, 0), hex), 16);
	}
	char *changed = NULL;
	if (asprintf(&changed, "%s-changed", path) < 0) abort();
	must(file_write(changed, bytes.data, bytes.length));
	struct error *error = safetensors_read(changed, out);
	free(changed);
	text_free(&bytes);
	return error;
}

/* Whoever writes hashes that are right may still write nonsense. */
static void files_of_other_programs(void **state) {
	const struct fixture *f = *state;
	char *path = run_folder(f, "other.safetensors");
	const float numbers[6] = {1, -2, 3.5f, 0, 1e-20f, 7};
	const struct tensor_view views[] = {{"a", 2, 2, numbers}, {"b", 1, 2, numbers + 4}};
	cJSON *meta = cJSON_CreateObject();
	cJSON_AddStringToObject(meta, "step", "12");
	cJSON_AddStringToObject(meta, "word", "12x");
	uint64_t hash;
	must(safetensors_write(path, views, 2, meta, &hash));
	cJSON_Delete(meta);
	struct safetensors file;
	float to[4];
	double number;
	must(safetensors_read(path, &file));
	must(safetensors_number(&file, path, "step", &number));
	assert_true(number == 12);
	expect_error(safetensors_number(&file, path, "word", &number), "'word' is '12x', expected a number");
	expect_error(safetensors_number(&file, path, "none", &number), "\"none\" is missing");
	expect_error(safetensors_copy(&file, path, "c", 1, 2, to), "has no tensor 'c'");
	expect_error(safetensors_copy(&file, path, "b", 1, 3, to), "tensor 'b' is 1 x 2, expected 1 x 3");
	expect_error(safetensors_copy(&file, path, "b", 2, 2, to), "tensor 'b' is 1 x 2, expected 2 x 2");
	safetensors_free(&file);
	static const char *const outside[][2] = {
	    {"[16,24]", "[18,26]"},
	    {"[16,24]", "[24,32]"},
	    {"[16,24]", "[16,20]"},
	    {"[16,24]", "[-8, 0]"},
	    {"[16,24]", "[\"\",24]"}};
	for (size_t i = 0; i < COUNT_OF(outside); i++) {
		must(read_changed(path, outside[i][0], outside[i][1], &file));
		expect_error(safetensors_copy(&file, path, "b", 1, 2, to), "tensor 'b' lies outside the file");
		safetensors_free(&file);
	}
	expect_error(read_changed(path, "{\"__meta", "x\"__meta", &file), "not valid JSON");
	expect_error(read_changed(path, "\"header_xxh64\"", "\"Header_xxh64\"", &file), "it has no hash");
	must(read_changed(path, "\"step\":\"12\"", "\"step\":\"  \"", &file));
	expect_error(safetensors_number(&file, path, "step", &number), "'step' is '  ', expected a number");
	safetensors_free(&file);
	free(path);
}

static void every_damage_to_a_record_is_found(void **state) {
	const struct fixture *f = *state;
	struct kept kept = keep_in(f, "record");
	own(f, &kept);
	must(write_record(&kept, false, false));
	char *path = path_join(kept.folder, "run.json");
	struct text good = {0};
	struct train_result result;
	must(file_read(path, 1 << 20, &good));
	const int file = open(path, O_RDWR);
	for (size_t bit = 0; bit < 8 * good.length; bit++) {
		put_byte(file, bit / 8, good.data[bit / 8] ^ (char)(1 << bit % 8));
		struct error *error = train_result_read(kept.folder, &result);
		if (!error) fail_msg("bit %zu was flipped unseen", bit);
		assert_int_equal(error->kind, ERROR_DATA);
		assert_non_null(strstr(error->message, path));
		error_free(error);
		put_byte(file, bit / 8, good.data[bit / 8]);
	}
	struct rng rng = rng_make(3, "cuts");
	for (int i = 0; i < 1000; i++) {
		const size_t length = (size_t)rng_below(&rng, good.length - 1); /* without its line break it is whole */
		assert_int_equal(ftruncate(file, (off_t)length), 0);
		expect_error(train_result_read(kept.folder, &result), path);
		assert_int_equal(
		    pwrite(file, good.data + length, good.length - length, (off_t)length), (ssize_t)(good.length - length));
	}
	must(train_result_read(kept.folder, &result));
	close(file);
	text_free(&good);
	free(path);
	release(&kept);
}

/* Sealed by somebody, and not a record of ours. */
static void records_that_say_something_else(void **state) {
	const struct fixture *f = *state;
	struct kept kept = keep_in(f, "strange");
	own(f, &kept);
	char *path = path_join(kept.folder, "run.json");
	enum record_status status;
	struct train_result result;
	must(record_read(kept.folder, NULL, &status, &result));
	assert_int_equal(status, RECORD_NONE);
	expect_error(train_result_read(kept.folder, &result), "the run is not finished");
	must(write_record(&kept, false, true));
	must(train_result_read(kept.folder, &result));
	assert_true(result.diverged);
	expect_error(record_read(kept.folder, "another", &status, &result), "belongs to the run 0123456789abcdef");
	must(write_record(&kept, false, false));
	static const struct {
		const char *object, *key, *value; /* NULL: without the member */
		const char *part;
	} cases[] = {
	    {NULL, "id", NULL, "\"id\" is missing"},
	    {NULL, "status", NULL, "\"status\" is missing"},
	    {NULL, "status", "lost", "status is 'lost', expected running, done or diverged"},
	    {NULL, "result", NULL, "has no \"result\""},
	    {"result", "loss", NULL, "\"loss\" is missing"},
	    {"result", "steps", "many", "\"steps\": expected a number"},
	    {"result", "steps", "nan", "\"steps\": expected a whole number, found nan"},
	    {"result", "weights_hash", NULL, "\"weights_hash\" is missing"},
	    {"result", "weights_hash", "0123", "weights_hash is '0123', expected 16"},
	    {NULL, "kernels", "abacus", "\"kernels\" must be an object"},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		cJSON *root;
		must(json_read(path, &root));
		cJSON *object = cases[i].object ? cJSON_GetObjectItemCaseSensitive(root, cases[i].object) : root;
		cJSON_DeleteItemFromObjectCaseSensitive(object, cases[i].key);
		if (cases[i].value) cJSON_AddStringToObject(object, cases[i].key, cases[i].value);
		char *other = path_join(f->folder, "odd"), *record = path_join(other, "run.json");
		must(folder_make(other));
		must(json_write_sealed(record, root));
		expect_error(train_result_read(other, &result), cases[i].part);
		free(record);
		free(other);
		cJSON_Delete(root);
	}
	free(path);
	release(&kept);
}

int main(void) {
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_two_latest_are_kept_and_what_is_good_for_sure),
	    cmocka_unit_test(the_older_one_is_used),
	    cmocka_unit_test(half_a_checkpoint_is_none),
	    cmocka_unit_test(every_damage_to_a_checkpoint_is_found),
	    cmocka_unit_test(checkpoints_of_others_are_refused),
	    cmocka_unit_test(incomplete_checkpoints_are_refused),
	    cmocka_unit_test(files_of_other_programs),
	    cmocka_unit_test(every_damage_to_a_record_is_found),
	    cmocka_unit_test(records_that_say_something_else),
	};
	return cmocka_run_group_tests(tests, make_fixture, remove_fixture);
}
