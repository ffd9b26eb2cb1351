/* JSON: errors at the right place, nothing that is not JSON passes, numbers come back bit for bit. */
#include "tests/support.h"

#include <fcntl.h>
#include <math.h>

static struct error *parse(const char *text, cJSON **root) {
	return json_parse("plan.json", text, strlen(text), root);
}

static void values_come_through(void **state) {
	(void)state;
	cJSON *root;
	expect_success(parse(
	    " {\"a\": [1, -2.5e3, true, false, null, \"x\\n\\u00e9\\ud83d\\ude00\\\"\"], \"b\": {\"c\": {}}, \"\": 0, "
	    "\"A\": 2}\r\n",
	    &root));
	const cJSON *a = cJSON_GetObjectItemCaseSensitive(root, "a");
	assert_int_equal(cJSON_GetArraySize(a), 6);
	assert_true(cJSON_GetArrayItem(a, 1)->valuedouble == -2500);
	assert_string_equal(cJSON_GetArrayItem(a, 5)->valuestring, "x\n\xc3\xa9\xf0\x9f\x98\x80\"");
	cJSON_Delete(root);
	expect_success(parse("\xef\xbb\xbf 7", &root)); /* a byte order mark, a bare value */
	assert_true(root->valuedouble == 7);
	cJSON_Delete(root);
}

static void errors_say_where(void **state) {
	(void)state;
	static const struct {
		const char *text, *place, *expected;
	} cases[] = {
	    {"", "plan.json:1:1:", "expected a value, found the end of the text"},
	    {" \n ", "plan.json:2:2:", "found the end of the text"},
	    {"{\"a\":1,}", "plan.json:1:8:", "expected a key in double quotes, found }"},
	    {"{a:1}", "plan.json:1:2:", "expected a key in double quotes or }, found a:1}"},
	    {"{\n\t\"width\": 64\n\t\"depth\": 2\n}", "plan.json:3:2:", "expected a comma or }, found \"depth\":"},
	    {"{\"a\" 1}", "plan.json:1:6:", "expected a colon"},
	    {"{\"a\":", "plan.json:1:6:", "expected a value, found the end"},
	    {"{\"a\":\n\n  tru}", "plan.json:3:3:", "expected a value, found tru}"},
	    {"[1, 2", "plan.json:1:6:", "expected a comma or ]"},
	    {"[1,,2]", "plan.json:1:4:", "expected a value"},
	    {"[1 2]", "plan.json:1:4:", "expected a comma or ]"},
	    {"[1]]", "plan.json:1:4:", "expected nothing after the value"},
	    {"{} {}", "plan.json:1:4:", "expected nothing after the value"},
	    {"{\"\xc3\xa9\xc3\xa9\": 01}", "plan.json:1:9:", "expected a comma or }, found 1}"}, /* characters, not bytes */
	    {"[+1]", "plan.json:1:2:", "expected a value"},
	    {"[.5]", "plan.json:1:2:", "expected a value"},
	    {"[1.]", "plan.json:1:4:", "expected a digit after the point"},
	    {"[-]", "plan.json:1:3:", "expected a digit"},
	    {"[1e]", "plan.json:1:4:", "expected the digits of an exponent"},
	    {"[NaN]", "plan.json:1:2:", "expected a value, found NaN]"},
	    {"[\"ab]", "plan.json:1:2:", "expected a closing quote for this string"},
	    {"[\"a\nb\"]", "plan.json:1:4:", "expected the string to end on its line"},
	    {"[\"a\tb\"]", "plan.json:1:4:", "found the byte 9"},
	    {"[\"\\q\"]", "plan.json:1:4:", "behind the backslash, found q"},
	    {"[\"\\u12x4\"]", "plan.json:1:5:", "expected four hexadecimal digits"},
	    {"[\"a\\ud800\"]", "plan.json:1:4:", "expected a pair of surrogates"},
	    {"[\"a\\ud800\\u0041\"]", "plan.json:1:4:", "expected a pair of surrogates"},
	    {"[\"\\udc00\"]", "plan.json:1:3:", "expected a pair of surrogates"},
	    {"[\"\\u0000\"]", "plan.json:1:3:", "expected no zero byte"},
	    {"['a']", "plan.json:1:2:", "expected a value, found 'a']"},
	    {"// x\n1", "plan.json:1:1:", "expected a value, found //"},
	    {"\xff\xfe{", "plan.json:1:1:", "expected a value, found the byte 255"}, /* no UTF-8: not to be said as it is */
	    {"[a\xff]", "plan.json:1:2:", "expected a value, found a"},
	    {"{\xe2\x80\x9cname\xe2\x80\x9d: 1}",
	     "plan.json:1:2:", "found \xe2\x80\x9cname\xe2\x80\x9d:"}, /* typographic quotes */
	    {"[1000000000000000000000000000000000000000000000000000000000000]", "plan.json:1:2:", "at most 60 characters"},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		cJSON *root = (cJSON *)&cases; /* must be cleared */
		struct error *error = parse(cases[i].text, &root);
		assert_null(root);
		if (!error || strncmp(error->message, cases[i].place, strlen(cases[i].place)) != 0)
			fail_msg("%s: expected %s, found %s", cases[i].text, cases[i].place, error ? error->message : "no error");
		expect_failure(error, ERROR_DATA, cases[i].expected);
	}
	cJSON *root;
	expect_failure(
	    json_parse("x", "[1,\0 2]", 7, &root), ERROR_DATA, "x:1:4: not valid JSON: expected a value, found the byte 0");
	expect_failure(json_parse("x", "[1] ???", 4 - 2, &root), ERROR_DATA, "x:1:3:"); /* the length counts, not a NUL */
	expect_success(json_parse("x", "[1] ???", 4, &root));
	cJSON_Delete(root);
}

/* What cJSON would take: the second of two keys is lost, and infinity comes in unseen. */
static void legal_but_wrong(void **state) {
	(void)state;
	cJSON *root;
	expect_failure(
	    parse("{\"a\":1,\"b\":{\"c\":[0,{\"x\":1,\"y\":2,\"x\":3}]}}", &root), ERROR_DATA,
	    "plan.json: b.c[1]: the key \"x\" stands twice");
	expect_failure(parse("{\"k\":1,\"k\":1}", &root), ERROR_DATA, "plan.json: the key \"k\" stands twice");
	expect_failure(parse("{\"a\":[1,1e999]}", &root), ERROR_DATA, "plan.json: a[1]: the number is too large");
	expect_success(parse("[{\"x\":1},{\"x\":2},{\"X\":1,\"x\":2}]", &root)); /* in different objects, or in capitals */
	cJSON_Delete(root);
}

static void deep_nesting_is_an_error(void **state) {
	(void)state;
	struct text text = {0};
	cJSON *root;
	for (int i = 0; i < 500; i++) text_add_string(&text, "[");
	for (int i = 0; i < 500; i++) text_add_string(&text, "]");
	expect_success(json_parse("deep", text.data, text.length, &root));
	cJSON_Delete(root);
	text_clear(&text);
	for (int i = 0; i < 1000000; i++) text_add_string(&text, "[");
	expect_failure(json_parse("deep", text.data, text.length, &root), ERROR_DATA, "deep:1:501:");
	text_free(&text);
}

/* Every beginning of a valid text is an error or valid, and never crashes; so is the text with any byte changed. */
static void cut_and_damaged_texts(void **state) {
	(void)state;
	char text[] = "{\"a\": [1, -2.5e-3, true, null], \"b\": {\"c\": \"x\\u00e9\\\\ \\ud83d\\ude00\"}, \"d\": \"nan\"}";
	size_t length = strlen(text);
	cJSON *root;
	for (size_t cut = 0; cut < length; cut++) {
		/* a copy of exactly that size, so that reading beyond it is seen */
		char *copy = array_new(cut, 1);
		memcpy(copy, text, cut);
		expect_failure(json_parse("cut", copy, cut, &root), ERROR_DATA, "cut:1:");
		free(copy);
	}
	for (size_t at = 0; at < length; at++)
		for (int byte = 0; byte < 256; byte++) {
			char before = text[at];
			text[at] = (char)byte;
			struct error *error = json_parse("damaged", text, length, &root);
			assert_true((error == NULL) == (root != NULL));
			if (error) assert_int_equal(error->kind, ERROR_DATA);
			error_free(error);
			cJSON_Delete(root);
			text[at] = before;
		}
}

static void numbers_come_back(void **state) {
	(void)state;
	struct rng rng = rng_make(1, "json");
	cJSON *array = cJSON_CreateArray(), *back;
	enum { COUNT = 20000 };
	static double values[COUNT];
	for (int i = 0; i < COUNT; i++) {
		uint64_t bits = rng_next(&rng);
		memcpy(&values[i], &bits, sizeof bits);
		if (!isfinite(values[i])) values[i] = rng_normal(&rng);
		if (i % 2) values[i] = rng_normal(&rng);
		cJSON_AddItemToArray(array, cJSON_CreateNumber(values[i]));
	}
	struct text text = {0};
	json_print(array, false, &text);
	cJSON_Delete(array);
	expect_success(json_parse("numbers", text.data, text.length, &back));
	const cJSON *item = back->child;
	for (int i = 0; i < COUNT; i++, item = item->next)
		assert_memory_equal(&item->valuedouble, &values[i], sizeof values[i]);
	cJSON_Delete(back);
	text_free(&text);
}

static void printing(void **state) {
	(void)state;
	static const char source[] = "{\"a\":{\"b\":[1,2.5,\"x\"],\"c\":[{\"d\":true},[]],\"e\":{},\"f\":null}}";
	static const char indented[] =
	    "{\n\t\"a\": {\n\t\t\"b\": [1, 2.5, \"x\"],\n\t\t\"c\": [\n\t\t\t{\n\t\t\t\t\"d\": true\n\t\t\t},\n\t\t\t[]\n"
	    "\t\t],\n\t\t\"e\": {},\n\t\t\"f\": null\n\t}\n}";
	cJSON *root, *again;
	expect_success(parse(source, &root));
	struct text text = {0};
	json_print(root, false, &text);
	assert_string_equal(text.data, source);
	text_clear(&text);
	json_print(root, true, &text);
	assert_string_equal(text.data, indented);
	expect_success(json_parse("again", text.data, text.length, &again));
	assert_true(cJSON_Compare(root, again, true));
	cJSON_Delete(again);
	cJSON_Delete(root);
	text_free(&text);
}

/* Every byte but NUL, quoted, parses to itself. */
static void quoting(void **state) {
	(void)state;
	char all[256];
	for (int i = 1; i < 256; i++) all[i - 1] = (char)i;
	all[255] = '\0';
	struct text text = {0};
	json_quote(&text, all);
	cJSON *root;
	expect_success(json_parse("quoted", text.data, text.length, &root));
	assert_string_equal(root->valuestring, all);
	cJSON_Delete(root);
	text_clear(&text);
	json_quote(&text, "a\"b\\c\n\t\x01\x7f");
	assert_string_equal(text.data, "\"a\\\"b\\\\c\\n\\t\\u0001\\u007f\"");
	text_clear(&text);
	json_quote_bytes(&text, "one\ntwo\nthree", 7);
	assert_string_equal(text.data, "\"one\\ntwo\"");
	text_free(&text);
}

static void members(void **state) {
	(void)state;
	cJSON *object = cJSON_CreateObject();
	static const double values[] = {1.5, NAN, INFINITY, -INFINITY, -0.0, 0.1 + 0.2};
	static const char *const keys[] = {"a", "b", "c", "d", "e", "f"};
	for (size_t i = 0; i < COUNT_OF(keys); i++) assert_true(json_add_number(object, keys[i], values[i]));
	assert_non_null(cJSON_AddStringToObject(object, "text", "words"));
	struct text text = {0};
	json_print(object, true, &text);
	cJSON_Delete(object);
	expect_success(json_parse("r.json", text.data, text.length, &object));
	text_free(&text);
	for (size_t i = 0; i < COUNT_OF(keys); i++) {
		double value = 77;
		expect_success(json_get_number(object, keys[i], "r.json", &value));
		assert_true(isnan(values[i]) ? isnan(value) : memcmp(&value, &values[i], sizeof value) == 0);
	}
	double number;
	const char *string;
	expect_success(json_get_text(object, "text", "r.json", &string));
	assert_string_equal(string, "words");
	expect_failure(
	    json_get_number(object, "loss", "r.json", &number), ERROR_DATA,
	    "r.json: \"loss\" is missing; expected a number");
	expect_failure(
	    json_get_number(object, "A", "r.json", &number), ERROR_DATA, "\"A\" is missing"); /* capitals count */
	expect_failure(json_get_number(object, "text", "r.json", &number), ERROR_DATA, "found the string \"words\"");
	expect_failure(
	    json_get_text(object, "a", "r.json", &string), ERROR_DATA, "r.json: \"a\": expected a string, found a number");
	expect_failure(
	    json_get_number(NULL, "a", "r.json", &number), ERROR_DATA, "expected an object with \"a\", found nothing");
	expect_failure(json_get_text(object->child, "a", "r.json", &string), ERROR_DATA, "found a number");
	cJSON_Delete(object);
}

static void files(void **state) {
	(void)state;
	char *folder = folder_temporary(), *path = path_join(folder, "x.json");
	cJSON *root;
	expect_failure(json_read(path, &root), ERROR_FAILED, "No such file");
	expect_success(file_write(path, "{\"a\":\n[1,]}", 11));
	expect_failure(json_read(path, &root), ERROR_DATA, "x.json:2:4: not valid JSON");
	expect_success(parse("{\"a\": [0.1, \"b\"]}", &root));
	expect_success(json_write(path, root));
	cJSON_Delete(root);
	struct text text = {0};
	expect_success(file_read(path, 100, &text));
	assert_string_equal(text.data, "{\n\t\"a\": [0.1, \"b\"]\n}\n");
	text_free(&text);
	expect_success(json_read(path, &root));
	cJSON_Delete(root);
	free(path);
	folder_remove(folder);
}

/* A seal comes and goes with writing and reading; no flipped bit, no cut and no other layout passes. */
static void seals(void **state) {
	(void)state;
	char *folder = folder_temporary(), *path = path_join(folder, "run.json");
	cJSON *root;
	expect_success(parse("{\"format\": 2, \"note\": \"\\n\\t\\\"xxh64\\\": \\\"0\", \"loss\": 1.25}", &root));
	expect_success(json_write_sealed(path, root));
	struct text plain = {0}, text = {0}, again = {0};
	json_print(root, true, &plain);
	cJSON_Delete(root);
	expect_success(file_read(path, 1000, &text));
	/* The hash reckoned here: that of the text with zeros for its digits. */
	char *digits = strstr(text.data, "\n\t\"xxh64\": \""), zeroed[512], hex[HASH_HEX_SIZE];
	assert_non_null(digits);
	snprintf(zeroed, sizeof zeroed, "%.*s,\n\t\"xxh64\": \"0000000000000000\"\n}\n", (int)plain.length - 2, plain.data);
	hash_hex(hash_bytes(zeroed, strlen(zeroed), 0), hex);
	assert_memory_equal(digits + strlen("\n\t\"xxh64\": \""), hex, 16);

	expect_success(json_read_sealed(path, 2, &root));
	json_print(root, true, &again);
	assert_string_equal(again.data, plain.data);
	cJSON_Delete(root);
	const int file = open(path, O_WRONLY);
	for (size_t bit = 0; bit < 8 * text.length; bit++) {
		const char flipped = (char)(text.data[bit / 8] ^ (1 << bit % 8));
		assert_int_equal(pwrite(file, &flipped, 1, (off_t)(bit / 8)), 1);
		expect_failure(json_read_sealed(path, 2, &root), ERROR_DATA, "run.json");
		assert_int_equal(pwrite(file, &text.data[bit / 8], 1, (off_t)(bit / 8)), 1);
	}
	for (size_t length = text.length; length-- > 0;) {
		assert_int_equal(ftruncate(file, (off_t)length), 0);
		expect_failure(json_read_sealed(path, 2, &root), ERROR_DATA, "run.json");
	}
	close(file);
	text_add_string(&text, " ");
	expect_success(file_write(path, text.data, text.length));
	expect_failure(json_read(path, &root), ERROR_DATA, "its bytes have the hash");
	static const char *const others[][2] = {
	    {"{\"format\": 2, \"loss\": 1.25}\n", "its last member must be \"xxh64\""},
	    {"{\"format\": 1, \"xxh64\": 7}\n", "of another layout of the same, but its member \"xxh64\" says 'no text'"},
	};
	for (size_t i = 0; i < COUNT_OF(others); i++) {
		expect_success(file_write(path, others[i][0], strlen(others[i][0])));
		expect_failure(json_read_sealed(path, 2, &root), ERROR_DATA, others[i][1]);
	}
	expect_success(file_write(path, "{\"format\": 1}\n", 14)); /* from before there were seals */
	expect_failure(json_read_sealed(path, 0, &root), ERROR_DATA, "its last member must be \"xxh64\"");
	expect_success(json_read_sealed(path, 2, &root));
	expect_failure(json_write_sealed(path, root->child), ERROR_FAILED, "only an object with members");
	cJSON_Delete(root);
	text_free(&plain);
	text_free(&text);
	text_free(&again);
	free(path);
	folder_remove(folder);
}

static void whole_numbers(void **state) {
	(void)state;
	int64_t whole;
	const double good[] = {0, -3, 9007199254740992.0, -9007199254740992.0};
	for (size_t i = 0; i < COUNT_OF(good); i++) {
		expect_success(whole_number(good[i], "steps", "run.json", &whole));
		assert_true((double)whole == good[i]);
	}
	const double bad[] = {NAN, INFINITY, -INFINITY, 2.5, 1e300, -1e19};
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		expect_failure(whole_number(bad[i], "steps", "run.json", &whole), ERROR_DATA, "run.json: \"steps\"");
}

int main(void) {
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(values_come_through),
	    cmocka_unit_test(errors_say_where),
	    cmocka_unit_test(legal_but_wrong),
	    cmocka_unit_test(deep_nesting_is_an_error),
	    cmocka_unit_test(cut_and_damaged_texts),
	    cmocka_unit_test(numbers_come_back),
	    cmocka_unit_test(printing),
	    cmocka_unit_test(quoting),
	    cmocka_unit_test(members),
	    cmocka_unit_test(files),
	    cmocka_unit_test(seals),
	    cmocka_unit_test(whole_numbers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
