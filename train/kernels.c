/* Who computes a run: asked for on the command line, measured, or written down. */
#include "train/bench.h"
#include "train/state.h"

#include <stdlib.h>
#include <string.h>

#define ALL_PRODUCTS (((uint32_t)1 << PRODUCT_COUNT) - 1)

/* ------------------------------------------------------------------------------------------------------------ names --- */

static bool find_kernels(const char *name, enum kernels *kernels) {
	for (int k = 0; k < KERNELS_COUNT; k++) {
		if (strcmp(name, kernels_names[k]) != 0) continue;
		*kernels = (enum kernels)k;
		return true;
	}
	return false;
}

/* Adds one product to *blas; false when there is none of this name. */
static bool add_product(const char *name, size_t length, uint32_t *blas) {
	for (int p = 0; p < PRODUCT_COUNT; p++) {
		if (strlen(product_names[p]) != length || memcmp(name, product_names[p], length) != 0) continue;
		*blas |= (uint32_t)1 << p;
		return true;
	}
	return false;
}

static void add_names(uint32_t blas, struct text *out) {
	const char *between = "";
	for (int p = 0; p < PRODUCT_COUNT; p++) {
		if (!(blas >> p & 1)) continue;
		text_add(out, "%s%s", between, product_names[p]);
		between = ", ";
	}
}

static struct error *unknown_product(const char *where, const char *name, size_t length) {
	struct text known = {0};
	add_names(ALL_PRODUCTS, &known);
	struct error *error = error_new(
	    ERROR_DATA, "%s: there is no product '%.*s' that OpenBLAS could compute; there are %s", where,
	    (int)(length < 60 ? length : 60), name, known.data ? known.data : "some");
	text_free(&known);
	return error;
}

/* "none", "all", or names with commas between them. */
static struct error *products_parse(const char *list, const char *where, uint32_t *blas) {
	*blas = 0;
	if (strcmp(list, "none") == 0) return NULL;
	if (strcmp(list, "all") == 0) {
		*blas = ALL_PRODUCTS;
		return NULL;
	}
	for (;;) {
		list += strspn(list, " ");
		const size_t length = strcspn(list, ",");
		if (!add_product(list, length, blas)) return unknown_product(where, list, length);
		if (list[length] == '\0') return NULL;
		list += length + 1;
	}
}

void kernels_describe(struct kernel_choice choice, struct text *out) {
	text_add_string(out, kernels_names[choice.kernels]);
	if (choice.blas == 0) return;
	text_add_string(out, ", and OpenBLAS for ");
	add_names(choice.blas, out);
}

/* --------------------------------------------------------------------------------------------------- the command line --- */

struct error *kernels_of_option(const char *name, enum kernels *kernels) {
	*kernels = kernels_widest();
	if (strcmp(name, "auto") == 0 || find_kernels(name, kernels)) return NULL;
	return error_new(ERROR_USAGE, "--kernels is '%s'; it must be auto, avx512, avx2, portable, blas or plain", name);
}

struct error *kernels_of_options(const char *kernels, const char *blas, struct kernel_wish *wish) {
	const bool any = strcmp(kernels, "auto") == 0;
	*wish = (struct kernel_wish){.measure_blas = blas ? strcmp(blas, "auto") == 0 : any};
	wish->firm = !any || !wish->measure_blas;
	TRY(kernels_of_option(kernels, &wish->choice.kernels));
	if (!blas || wish->measure_blas) return NULL;
	struct error *error = products_parse(blas, "--blas", &wish->choice.blas);
	if (error) error->kind = ERROR_USAGE;
	return error;
}

/* -------------------------------------------------------------------------------------------------------- measuring --- */

/* Below this size of a matrix, in elements, our own kernels were faster in every measurement on every set of instructions,
 * so nothing is measured, and what computes a small model does not depend on the clock. */
#define LEAST_ELEMENTS ((double)(1 << 18))
/* What OpenBLAS must gain: measurements differ by less than that from one to the next. */
#define LEAST_GAIN 1.05

struct error *train_measure_blas(const struct shape *shape, int sequences, enum kernels kernels, uint32_t *blas) {
	const struct bench_effort effort = {.rounds = 5, .seconds = 0.002, .cpu_time = true};
	double gains[PRODUCT_COUNT];
	*blas = 0;
	TRY(bench_blas(shape, sequences, kernels, LEAST_ELEMENTS, &effort, gains));
	for (int p = 0; p < PRODUCT_COUNT; p++)
		if (gains[p] >= LEAST_GAIN) *blas |= (uint32_t)1 << p;
	return NULL;
}

/* ----------------------------------------------------------------------------------------------------------- records --- */

cJSON *train_kernels_to_json(struct kernel_choice choice) {
	cJSON *object = cJSON_CreateObject(), *list = NULL;
	bool good = object && cJSON_AddStringToObject(object, "name", kernels_names[choice.kernels]) &&
	            (list = cJSON_AddArrayToObject(object, "blas"));
	for (int p = 0; p < PRODUCT_COUNT && good; p++)
		if (choice.blas >> p & 1) good = cJSON_AddItemToArray(list, cJSON_CreateString(product_names[p]));
	if (good) return object;
	cJSON_Delete(object);
	return NULL;
}

static struct error *unknown_kernels(const char *path, const char *name) {
	return error_new(
	    ERROR_DATA, "%s: there are no kernels '%.60s'; expected avx512, avx2, portable, blas or plain", path, name);
}

struct error *train_kernels_from_json(const cJSON *object, const char *path, struct kernel_choice *choice) {
	const char *name;
	*choice = (struct kernel_choice){.blas = 0};
	if (!cJSON_IsObject(object)) return error_new(ERROR_DATA, "%s: \"kernels\" must be an object", path);
	TRY(json_get_text(object, "name", path, &name));
	if (!find_kernels(name, &choice->kernels)) return unknown_kernels(path, name);
	const cJSON *list = cJSON_GetObjectItemCaseSensitive(object, "blas"), *item;
	if (!cJSON_IsArray(list)) return error_new(ERROR_DATA, "%s: \"blas\" must be a list of products", path);
	cJSON_ArrayForEach(item, list) {
		if (!cJSON_IsString(item)) return error_new(ERROR_DATA, "%s: \"blas\" must be a list of names", path);
		const char *product = item->valuestring;
		if (!add_product(product, strlen(product), &choice->blas))
			return unknown_product(path, product, strlen(product));
	}
	return NULL;
}

bool kernels_to_metadata(cJSON *meta, struct kernel_choice choice, const char *openblas) {
	struct text names = {0};
	add_names(choice.blas, &names);
	const bool added = !names.failed && cJSON_AddStringToObject(meta, "kernels", kernels_names[choice.kernels]) &&
	                   cJSON_AddStringToObject(meta, "blas", choice.blas ? names.data : "none") &&
	                   (choice.blas == 0 || cJSON_AddStringToObject(meta, "openblas", openblas));
	text_free(&names);
	return added;
}

static const char *text_of(const cJSON *meta, const char *key) {
	return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(meta, key));
}

struct error *kernels_from_metadata(
    const cJSON *meta, const char *path, const char *openblas, struct kernel_choice *choice) {
	const char *name = text_of(meta, "kernels"), *blas = text_of(meta, "blas"), *library = text_of(meta, "openblas");
	*choice = (struct kernel_choice){.kernels = kernels_widest()};
	if (!name) return NULL; /* before this was written down everything was computed so */
	if (!find_kernels(name, &choice->kernels)) return unknown_kernels(path, name);
	TRY(products_parse(blas ? blas : "none", path, &choice->blas));
	TRY(kernels_check(*choice, path));
	if (choice->blas == 0 || (library && strcmp(library, openblas) == 0)) return NULL;
	return error_new(
	    ERROR_FAILED,
	    "%s: was computed with another OpenBLAS (%.100s) than there is here (%.100s); take that one (the environment "
	    "variable OPENBLAS_CORETYPE chooses among its kernels), or remove this file's folder to begin anew",
	    path, library ? library : "not recorded", openblas);
}

struct error *kernels_check(struct kernel_choice choice, const char *path) {
	if (kernels_available(choice.kernels)) return NULL;
	return error_new(
	    ERROR_FAILED,
	    "%s: was begun with the kernels '%s', which this processor lacks, and others would change the result; go on "
	    "with it on one that has them, or remove this file's folder to begin anew",
	    path, kernels_names[choice.kernels]);
}

struct error *kernels_check_wish(struct kernel_choice choice, const struct kernel_wish *wish, const char *folder) {
	if (!wish->firm) return NULL;
	if (choice.kernels == wish->choice.kernels && (wish->measure_blas || choice.blas == wish->choice.blas)) return NULL;
	struct text begun = {0}, wanted = {0};
	kernels_describe(choice, &begun);
	kernels_describe(wish->choice, &wanted);
	struct error *error = error_new(
	    ERROR_USAGE,
	    "%s: this run was begun with the kernels %.300s, and would come to another result with %.300s; go on without "
	    "--kernels and --blas, or take another folder",
	    folder, begun.data ? begun.data : "", wanted.data ? wanted.data : "");
	text_free(&begun);
	text_free(&wanted);
	return error;
}
