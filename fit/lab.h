/* lab.h - what the records in a lab say about its table and its logs. Private to fit/. */
#ifndef RUNG_FIT_LAB_H
#define RUNG_FIT_LAB_H

#include "base/base.h"

#include <dirent.h>

/* For scandir: folders of runs are called by their ids; anything else in LAB/runs is none of ours. */
int lab_is_run(const struct dirent *entry);

/* The record of the run `id`, which is the caller's. ERROR_DATA when it is damaged, or is that of another run; *record is
 * NULL then. */
MUST_CHECK struct error *lab_record_read(const char *path, const char *id, cJSON **record);

/* The hash of its log.jsonl in a finished run's record; NULL in that of one under way, and in records older than "log_hash". */
const char *lab_log_hash(const cJSON *record);
/* ERROR_DATA when `log`, the bytes of the file `path` (NULL: it is not there), has another hash than `wanted`; NULL or "":
 * nothing is known of it. */
MUST_CHECK struct error *lab_log_check(const char *path, const struct text *log, const char *wanted);

/* ERROR_DATA when a row of `table`, the bytes of LAB/points.csv called `path`, contradicts the record of its run, or a run
 * stands there twice. What no record knows stands as it is (`fit`, `reason`, further columns, rows without a record).
 * `notes` gets a line when runs that are done are missing from the table, and one for rows without a record. */
MUST_CHECK struct error *lab_points_check(
    const char *lab, const char *path, const struct text *table, struct text *notes);

#endif
