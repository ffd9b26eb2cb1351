/* fit.h - points become laws, intervals, figures and the report. */
#ifndef RUNG_FIT_H
#define RUNG_FIT_H

#include "base/base.h"

int report_command(int argc, char **argv); /* rung report */

#endif
