/* folder_fixture.h - for test programs whose tests share one temporary folder and the path of one corpus in it. */
#ifndef RUNG_TESTS_FOLDER_FIXTURE_H
#define RUNG_TESTS_FOLDER_FIXTURE_H

#include "tests/support.h"

static char *folder, *corpus_path;

static inline int make_folder(void **state) {
	(void)state;
	folder = folder_temporary();
	corpus_path = path_join(folder, "a.corpus");
	return 0;
}

static inline int remove_folder(void **state) {
	(void)state;
	free(corpus_path);
	folder_remove(folder);
	return 0;
}

#endif
