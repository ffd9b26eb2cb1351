/* cmd_report.c - rung report: a lab folder becomes a page, and figures for papers. */
#include "fit/report.h"
#include "fit/writer.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define COLUMNS 80

struct report_options {
	const char *out, *figures;
	bool json;
};

static const struct option_row report_rows[] = {
    {"out", OPTION_TEXT, offsetof(struct report_options, out), "", 0, 0, "the page; default LAB/report.html", "FILE"},
    {"figures", OPTION_TEXT, offsetof(struct report_options, figures), "", 0, 0,
     "also draw figures for papers, SVG and PDF with their gnuplot scripts, into this folder", "DIR"},
    {"json", OPTION_FLAG, offsetof(struct report_options, json), "no", 0, 0, "print one JSON object", NULL},
};

/* A line of words, broken before COLUMNS, behind a "- ". */
static void print_wrapped(const char *line, size_t length) {
	size_t column = 0;
	const char *indent = "- ";
	while (length) {
		size_t word = 0;
		while (word < length && line[word] != ' ') word++;
		if (column && column + 1 + word > COLUMNS) {
			printf("\n");
			column = 0;
		}
		column += (size_t)printf("%s%.*s", column ? " " : indent, (int)word, line);
		indent = "  ";
		line += word;
		length -= word;
		while (length && *line == ' ') line++, length--;
	}
	printf("\n");
}

static void print_lines(const struct text *lines) {
	for (const char *line = lines->data ? lines->data : ""; *line;) {
		size_t length = strcspn(line, "\n");
		print_wrapped(line, length);
		line += length + (line[length] == '\n');
	}
}

static double file_bytes(const char *path) {
	struct stat status;
	return stat(path, &status) == 0 ? (double)status.st_size : 0;
}

static void add_lines(struct writer *writer, cJSON *answer, const char *key, const struct text *lines) {
	cJSON *array = array_in(writer, answer, key);
	for (const char *line = lines->data ? lines->data : ""; *line && !writer->failed;) {
		size_t length = strcspn(line, "\n");
		char *copy = strndup(line, length);
		text_element(writer, array, copy);
		free(copy);
		line += length + (line[length] == '\n');
	}
}

static struct error *print_summary_json(const struct report *report, const char *out, const struct text *figures) {
	cJSON *answer = cJSON_CreateObject();
	struct writer writer = {.failed = !answer};
	string(&writer, answer, "report", out);
	add_lines(&writer, answer, "figures", figures);
	add_lines(&writer, answer, "headline", &report->headline);
	add_lines(&writer, answer, "missing", &report->missing);
	struct error *error = writer.failed ? error_memory(sizeof(cJSON)) : print_json(answer);
	cJSON_Delete(answer);
	return error;
}

static void print_summary(
    const struct report *report, const char *out, const char *folder, const struct text *figures) {
	char size[HUMAN_SIZE];
	int finished = 0;
	for (int i = 0; i < report->lab.point_count; i++) finished += report->lab.points[i].finished;
	printf(
	    "%s: %s, %d finished runs, %d rungs; open it in a browser\n", out, human_bytes(file_bytes(out), size), finished,
	    report->rung_count);
	if (folder) {
		printf("%s: ", folder);
		for (const char *name = figures->data ? figures->data : ""; *name;) {
			size_t length = strcspn(name, "\n");
			printf("%s%.*s", name == figures->data ? "" : ", ", (int)length, name);
			name += length + (name[length] == '\n');
		}
		printf("; each as .svg and .pdf\n");
	}
	printf("\n");
	print_lines(&report->headline);
	if (report->missing.length) {
		fflush(stdout);
		for (const char *line = report->missing.data; *line;) {
			size_t length = strcspn(line, "\n");
			fprintf(stderr, "note: %.*s\n", (int)length, line);
			line += length + (line[length] == '\n');
		}
	}
}

static struct error *run(const char *lab, const struct report_options *options) {
	struct report report = {0};
	struct text figures = {0};
	char *standard = path_join(lab, "report.html");
	const char *out = options->out ? options->out : standard;
	struct error *error = standard ? report_open(lab, &report) : error_memory(strlen(lab));
	if (!error) error = report_write_page(&report, out);
	if (!error && options->figures) error = report_write_figures(&report, options->figures, &figures);
	if (!error && options->json) {
		error = print_summary_json(&report, out, &figures);
	} else if (!error) {
		print_summary(&report, out, options->figures, &figures);
	}
	report_close(&report);
	text_free(&figures);
	free(standard);
	return error;
}

int report_command(int argc, char **argv) {
	struct report_options options;
	struct operands operands = {0};
	bool help = false;
	struct error *error = options_parse(report_rows, COUNT_OF(report_rows), &options, argc, argv, &operands, &help);
	if (!error && help) {
		free(operands.items);
		return command_help(
		    "rung report LAB [options]\n\n"
		    "Draws one self-contained page from the files of a lab folder, finished or not.\n"
		    "It opens from disk in any browser and asks no network for anything.\n",
		    report_rows, COUNT_OF(report_rows));
	}
	if (!error && operands.count != 1) {
		error = error_new(
		    ERROR_USAGE, "rung report takes one lab folder, found %d; 'rung report --help' says more", operands.count);
	} else if (!error) {
		error = run(operands.items[0], &options);
	}
	free(operands.items);
	return error_report(error);
}
