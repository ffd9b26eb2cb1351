/* report_page.c - the document that the page draws, as JSON, and the page itself. */
#include "fit/report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------------------------------------- the document --- */

static void add_number(struct text *out, double value) {
	if (isnan(value)) {
		text_add_string(out, "null");
	} else if (isinf(value)) {
		text_add_string(out, value > 0 ? "\"inf\"" : "\"-inf\"");
	} else {
		text_add(out, "%.8g", value);
	}
}

static void add_member(struct text *out, const char *key, double value) {
	text_add(out, ",\"%s\":", key);
	add_number(out, value);
}

static void add_member_text(struct text *out, const char *key, const char *value) {
	text_add(out, ",\"%s\":", key);
	json_quote(out, value);
}

static void add_array(struct text *out, const char *key, const double *values, int count) {
	text_add(out, ",\"%s\":[", key);
	for (int i = 0; i < count; i++) {
		if (i) text_add_string(out, ",");
		text_add(out, "%.6g", values[i]); /* finite: read_log and the traces see to it */
	}
	text_add_string(out, "]");
}

/* Lines of text as an array of strings. */
static void add_lines(struct text *out, const char *key, const struct text *lines) {
	text_add(out, ",\"%s\":[", key);
	const char *line = lines->data ? lines->data : "";
	for (bool first = true; *line; first = false) {
		size_t length = strcspn(line, "\n");
		if (!first) text_add_string(out, ",");
		json_quote_bytes(out, line, length);
		line += length + (line[length] == '\n');
	}
	text_add_string(out, "]");
}

static void add_tree(struct text *out, const char *key, const cJSON *tree) {
	text_add(out, ",\"%s\":", key);
	if (tree)
		json_print(tree, false, out);
	else
		text_add_string(out, "null");
}

static void add_rungs(struct text *out, const struct report *report) {
	text_add_string(out, ",\"rungs\":[");
	for (int i = 0; i < report->rung_count; i++) {
		const struct rung *rung = &report->rungs[i];
		text_add(
		    out, "%s{\"light\":\"%s\",\"dark\":\"%s\",\"points\":%d", i ? "," : "", rung->light, rung->dark,
		    rung->points);
		add_member(out, "width", rung->width);
		add_member(out, "depth", rung->depth);
		add_member(out, "context", rung->context);
		add_member(out, "vocab", rung->vocab);
		add_member(out, "N", rung->N);
		add_member(out, "N_matmul", rung->N_matmul);
		add_member(out, "N_all", rung->N_all);
		add_member(out, "size", rung->size);
		add_member(out, "flops_per_token", rung->flops_per_token);
		text_add_string(out, "}");
	}
	text_add_string(out, "]");
}

static void add_points(struct text *out, const struct report *report) {
	text_add_string(out, ",\"points\":[");
	for (int i = 0; i < report->lab.point_count; i++) {
		const struct point *p = &report->lab.points[i];
		text_add(
		    out, "%s{\"rung\":%d,\"finished\":%s,\"fit\":%s", i ? "," : "", p->rung, p->finished ? "true" : "false",
		    p->fit ? "true" : "false");
		add_member_text(out, "id", p->id);
		add_member_text(out, "reason", p->reason);
		add_member_text(out, "status", p->status);
		add_member(out, "batch_tokens", p->batch_tokens);
		add_member(out, "seed", p->seed);
		add_member(out, "size", p->size);
		add_member(out, "N", p->N);
		add_member(out, "D", p->D);
		add_member(out, "steps", p->steps);
		add_member(out, "C", p->C);
		add_member(out, "C_6ND", p->C_6ND);
		add_member(out, "loss", p->loss);
		add_member(out, "loss_error", p->loss_error);
		add_member(out, "bits_per_byte", p->bits_per_byte);
		add_member(out, "predicted", p->predicted);
		add_member(out, "residual", p->residual);
		add_member(out, "seconds", p->seconds);
		add_member(out, "tokens_per_second", p->tokens_per_second);
		add_member(out, "peak_fraction", p->peak_fraction);
		text_add_string(out, "}");
	}
	text_add_string(out, "]");
}

static void add_curves(struct text *out, const struct report *report) {
	text_add_string(out, ",\"curves\":[");
	bool first = true;
	for (int i = 0; i < report->lab.curve_count; i++) {
		const struct curve *c = &report->lab.curves[i];
		if (c->train_count + c->held_out_count == 0) continue;
		text_add(out, "%s{\"rung\":%d,\"trunk\":%s", first ? "" : ",", c->rung, c->trunk ? "true" : "false");
		first = false;
		add_member_text(out, "id", c->id);
		add_member_text(out, "status", c->status);
		add_member(out, "seed", c->seed);
		add_member(out, "tokens", c->tokens);
		add_array(out, "train_x", c->train_x, c->train_count);
		add_array(out, "train_y", c->train_y, c->train_count);
		add_array(out, "held_out_x", c->held_out_x, c->held_out_count);
		add_array(out, "held_out_y", c->held_out_y, c->held_out_count);
		text_add_string(out, "}");
	}
	text_add_string(out, "]");
}

static void add_traces(struct text *out, const struct report *report) {
	static const char *const names[TRACE_KINDS] = {"N", "D", "C", "C_6ND"};
	text_add(out, ",\"law_known\":%s,\"traces\":{", report->surface_known ? "true" : "false");
	for (int kind = 0; kind < TRACE_KINDS; kind++) {
		text_add(out, "%s\"%s\":[", kind ? "," : "", names[kind]);
		for (size_t i = 0; i < report->traces[kind].count; i++) {
			const struct trace *trace = &report->traces[kind].items[i];
			text_add(out, "%s{\"rung\":%d", i ? "," : "", trace->rung);
			add_member(out, "held", trace->held);
			add_member(out, "low", trace->low);
			add_member(out, "high", trace->high);
			add_array(out, "x", trace->x, trace->count);
			add_array(out, "y", trace->y, trace->count);
			text_add_string(out, "}");
		}
		text_add_string(out, "]");
	}
	text_add_string(out, "}");
}

struct error *report_json(const struct report *report, struct text *out) {
	struct machine here;
	machine_describe(&here);
	text_add_string(out, "{\"format\":1");
	add_member_text(out, "lab", report->lab.name);
	add_member_text(out, "version", here.version);
	add_member_text(out, "size_name", report->size_name);
	add_lines(out, "headline", &report->headline);
	add_lines(out, "missing", &report->missing);
	add_rungs(out, report);
	add_points(out, report);
	add_curves(out, report);
	add_traces(out, report);
	add_tree(out, "fit", report->lab.fit);
	add_tree(out, "corpus", report->lab.corpus);
	add_tree(out, "samples", report->lab.samples);
	add_tree(out, "plan", report->lab.plan);
	add_tree(out, "machines", report->lab.machines);
	text_add_string(out, "}");
	return text_error(out);
}

/* ----------------------------------------------------------------------------------------------------- the page --- */

/* JSON inside a <script> element: nothing in it may look like markup, and a model's bytes need not be UTF-8. Markup
 * characters occur in strings alone, where \u escapes mean the same. */
static void add_json_for_html(struct text *out, const struct text *json) {
	const unsigned char *bytes = (const unsigned char *)json->data;
	size_t plain = 0, at = 0;
	while (at < json->length) {
		size_t length = utf8_length(json->data + at, json->length - at);
		bool markup = bytes[at] == '<' || bytes[at] == '>' || bytes[at] == '&';
		if (length && !markup) {
			at += length;
			continue;
		}
		text_add_bytes(out, bytes + plain, at - plain);
		if (markup) {
			text_add(out, "\\u%04x", bytes[at]);
		} else {
			text_add_string(out, "\\ufffd");
		}
		plain = ++at;
	}
	text_add_bytes(out, bytes + plain, at - plain);
}

static void add_html(struct text *out, const char *string, size_t length) {
	for (size_t at = 0; at < length;) {
		size_t bytes = utf8_length(string + at, length - at);
		switch (string[at]) {
		case '<':
			text_add_string(out, "&lt;");
			break;
		case '>':
			text_add_string(out, "&gt;");
			break;
		case '&':
			text_add_string(out, "&amp;");
			break;
		case '"':
			text_add_string(out, "&quot;");
			break;
		default:
			bytes ? text_add_bytes(out, string + at, bytes) : text_add_string(out, "\xef\xbf\xbd");
		}
		at += bytes ? bytes : 1;
	}
}

static void add_asset(struct text *out, enum asset_name name) {
	struct asset asset = asset_get(name);
	text_add_bytes(out, asset.data, asset.size);
}

/* What stands for {{name}} in page.html. */
static struct error *add_part(struct text *out, const char *name, size_t length, const struct report *report) {
	char part[16] = "";
	if (length < sizeof part) memcpy(part, name, length);
	if (strcmp(part, "title") == 0) {
		add_html(out, report->lab.name, strlen(report->lab.name));
	} else if (strcmp(part, "words") == 0) { /* for readers without scripts */
		const char *line = report->headline.data ? report->headline.data : "";
		while (*line) {
			size_t end = strcspn(line, "\n");
			text_add_string(out, "<p>");
			add_html(out, line, end);
			text_add_string(out, "</p>\n");
			line += end + (line[end] == '\n');
		}
	} else if (strcmp(part, "css") == 0) {
		add_asset(out, ASSET_PAGE_CSS);
	} else if (strcmp(part, "library") == 0) {
		add_asset(out, ASSET_CHART_JS);
	} else if (strcmp(part, "script") == 0) {
		add_asset(out, ASSET_PAGE_CHARTS);
		add_asset(out, ASSET_PAGE_FIGURES);
		add_asset(out, ASSET_PAGE_JS);
	} else if (strcmp(part, "data") == 0) {
		struct text json = {0};
		struct error *error = report_json(report, &json);
		if (!error) add_json_for_html(out, &json);
		text_free(&json);
		return error;
	} else {
		return error_new(ERROR_FAILED, "page.html asks for a part that there is not: {{%s}}", part);
	}
	return NULL;
}

struct error *report_write_page(const struct report *report, const char *path) {
	struct asset page = asset_get(ASSET_PAGE_HTML);
	struct text out = {0};
	struct error *error = NULL;
	const char *at = page.data, *end = page.data + page.size;
	while (!error) {
		const char *open = memmem(at, (size_t)(end - at), "{{", 2);
		const char *close = open ? memmem(open, (size_t)(end - open), "}}", 2) : NULL;
		if (!close) break;
		text_add_bytes(&out, at, (size_t)(open - at));
		error = add_part(&out, open + 2, (size_t)(close - open - 2), report);
		at = close + 2;
	}
	text_add_bytes(&out, at, (size_t)(end - at));
	if (!error) error = text_error(&out);
	if (!error) error = file_write(path, out.data, out.length);
	text_free(&out);
	return error;
}
