/* lab.h - what the records in a lab say about its table and its logs. Private to fit/. */
#ifndef RUNG_FIT_LAB_H
#define RUNG_FIT_LAB_H

#include "base/base.h"

#define SEALED_RECORD 2 /* the "format" since which run.json holds its hash */

/* That a record is of the run whose folder it lies in. */
bool lab_record_is(const cJSON *record, const char *id);

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
