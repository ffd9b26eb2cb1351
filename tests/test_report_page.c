/* The page and the figures: all of the lab stands in them, nothing from a lab gets out of its place, and the figures say
 * what they miss. */
#include "tests/report_lab.h"

#include <sys/stat.h>

static size_t occurrences(const char *text, const char *part) {
	size_t count = 0;
	for (; (text = strstr(text, part)); text += strlen(part)) count++;
	return count;
}

static char *page_of(const char *folder) {
	struct report report;
	expect_success(report_open(folder, &report));
	struct text path = {0}, page = {0};
	text_add(&path, "%s/report.html", folder);
	expect_success(report_write_page(&report, path.data));
	expect_success(file_read(path.data, 1 << 24, &page));
	report_close(&report);
	text_free(&path);
	assert_int_equal(strlen(page.data), page.length);
	return page.data;
}

/* Text that would end the script element, look like a template or not be UTF-8 comes out as text. */
static void nothing_gets_out_of_its_place(void **state) {
	(void)state;
	char *folder = folder_temporary();
	make_lab(folder, "N");
	char *plain = page_of(folder);
	static const char hostile[] =
	    "</script><script>alert(1)</script> {{script}} <!-- & \\\" \\u2028 \xe2\x80\xa8 \xff\xc0\xaf"
	    "\xed\xa0\x80 \xf5 \xe2\x82";
	struct text samples = {0};
	text_add(&samples, "{\"prompt\":\"%s\",\"generated\":\"\",\"held_out\":\"</SCRIPT>\"}", hostile);
	put(folder, "samples.json", samples.data, samples.length);
	char *page = page_of(folder);
	assert_int_equal(occurrences(page, "</script"), occurrences(plain, "</script"));
	assert_int_equal(occurrences(page, "</SCRIPT"), 0);
	assert_int_equal(occurrences(page, "<!--"), occurrences(plain, "<!--"));
	assert_int_equal(occurrences(page, "alert(1)"), 1);

	const char *data = strstr(page, "id=\"data\">");
	assert_non_null(data);
	data += strlen("id=\"data\">");
	size_t length = (size_t)(strstr(data, "</script>") - data);
	cJSON *document = NULL;
	expect_success(json_parse("page", data, length, &document));
	const cJSON *prompt = cJSON_GetObjectItem(cJSON_GetObjectItem(document, "samples"), "prompt");
	assert_string_equal(
	    cJSON_GetStringValue(prompt),
	    "</script><script>alert(1)</script> {{script}} <!-- & \" \xe2\x80\xa8 \xe2\x80\xa8 "
	    "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd "
	    "\xef\xbf\xbd \xef\xbf\xbd\xef\xbf\xbd");
	cJSON_Delete(document);
	text_free(&samples);
	free(plain);
	free(page);
	folder_remove(folder);
}

static void the_page_is_whole(void **state) {
	(void)state;
	char *folder = folder_temporary();
	make_lab(folder, "N");
	char *page = page_of(folder), *again = page_of(folder);
	assert_string_equal(page, again);
	free(again);
	assert_memory_equal(page, "<!doctype html>", 15);
	assert_string_equal(page + strlen(page) - 8, "</html>\n");
	assert_null(strstr(page, "{{"));
	static const char *const outside[] = {"<link",   "src=\"", "@import",  "url(",
	                                      "<iframe", "<img",   "fetch(\"", "XMLHttp"};
	for (size_t i = 0; i < COUNT_OF(outside); i++)
		if (strstr(page, outside[i])) fail_msg("the page reaches outside itself: %s", outside[i]);
	assert_non_null(strstr(page, "Content-Security-Policy\" content=\"default-src 'none'"));
	assert_non_null(strstr(page, "Chart.js v")); /* its licence notice stays with it */
	assert_non_null(strstr(page, "<noscript>"));
	free(page);

	/* The name of the folder is text too. */
	struct text odd = {0};
	text_add(&odd, "%s/a<b>&\"c", folder);
	expect_success(folder_make(odd.data));
	make_lab(odd.data, "N");
	page = page_of(odd.data);
	assert_non_null(strstr(page, "<title>a&lt;b&gt;&amp;&quot;c"));
	assert_null(strstr(page, "a<b>"));
	free(page);
	text_free(&odd);
	folder_remove(folder);
}

/* The document holds the numbers of the lab, and null where there is none. */
static void the_document_holds_the_lab(void **state) {
	(void)state;
	char *folder = folder_temporary();
	make_lab(folder, "N");
	struct report report;
	expect_success(report_open(folder, &report));
	struct text json = {0};
	expect_success(report_json(&report, &json));
	cJSON *document = NULL;
	expect_success(json_parse("document", json.data, json.length, &document));
	assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(document, "rungs")), 3);
	const cJSON *points = cJSON_GetObjectItem(document, "points");
	assert_int_equal(cJSON_GetArraySize(points), 9);
	assert_near(report_number(points, "4.loss"), 1.01 * law(24576, 1048576), 1e-7);
	assert_near(report_number(points, "4.rung"), 1, 0);
	assert_true(cJSON_IsNull(cJSON_GetObjectItem(cJSON_GetArrayItem(points, 4), "seconds")));
	assert_true(cJSON_IsNull(cJSON_GetObjectItem(document, "corpus")));
	assert_near(report_number(document, "fit.parameters.A"), A, 0);
	const cJSON *endless = cJSON_GetArrayItem(cJSON_GetObjectItem(cJSON_GetObjectItem(document, "traces"), "N"), 3);
	assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(endless, "held")), "inf");
	assert_int_equal(
	    cJSON_GetArraySize(cJSON_GetObjectItem(endless, "x")), cJSON_GetArraySize(cJSON_GetObjectItem(endless, "y")));
	cJSON_Delete(document);
	text_free(&json);
	report_close(&report);
	folder_remove(folder);
}

/* An empty lab is a report, too. */
static void an_empty_lab_is_drawn(void **state) {
	(void)state;
	char *folder = folder_temporary();
	put_text(folder, "points.csv", header);
	struct report report;
	expect_success(report_open(folder, &report));
	assert_int_equal(report.headline.length, 0);
	assert_non_null(strstr(report.missing.data, "No run is finished yet"));
	struct text made = {0};
	expect_success(report_write_figures(&report, folder, &made));
	assert_int_equal(made.length, 0);
	report_close(&report);
	text_free(&made);
	free(page_of(folder));
	folder_remove(folder);
}

static void missing_gnuplot_is_named(void **state) {
	(void)state;
	char *folder = folder_temporary(), *path = strdup(getenv("PATH"));
	make_lab(folder, "N");
	struct report report;
	expect_success(report_open(folder, &report));
	struct text made = {0};
	setenv("PATH", folder, 1);
	expect_failure(report_write_figures(&report, folder, &made), ERROR_FAILED, "apt-get install gnuplot-nox");
	/* One that fails says why. */
	put_text(folder, "gnuplot", "#!/bin/sh\necho 'no such terminal' >&2\nexit 1\n");
	struct text program = {0};
	text_add(&program, "%s/gnuplot", folder);
	assert_int_equal(chmod(program.data, 0755), 0);
	text_clear(&made);
	expect_failure(report_write_figures(&report, folder, &made), ERROR_FAILED, "no such terminal");
	setenv("PATH", path, 1);
	text_free(&made);
	text_free(&program);
	free(path);
	report_close(&report);
	folder_remove(folder);
}

int main(void) {
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(nothing_gets_out_of_its_place), cmocka_unit_test(the_page_is_whole),
	    cmocka_unit_test(the_document_holds_the_lab),    cmocka_unit_test(an_empty_lab_is_drawn),
	    cmocka_unit_test(missing_gnuplot_is_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
