/* laws.c - the laws that users can name, and what they are told about them. */
#include "fit/chosen.h"
#include "fit/words.h"

#include <math.h>
#include <string.h>

static const struct law *const laws[] = {&law_chinchilla,   &law_chinchilla_bare, &law_gadre,       &law_kaplan,
                                         &law_kaplan_floor, &law_muennighoff,     &law_power,       &law_power_floor,
                                         &law_kaplan_N,     &law_kaplan_D,        &law_kaplan_C,    &law_log_linear,
                                         &law_bnsl,         &law_logistic,        &law_exponential, &law_stretched};

const struct law *law_at(int index) {
	return index < (int)COUNT_OF(laws) ? laws[index] : NULL;
}

struct error *law_named(const char *name, const struct law **law) {
	struct text list = {0};
	for (int l = 0; law_at(l); l++) {
		*law = law_at(l);
		if (strcmp((*law)->name, name) == 0) {
			text_free(&list);
			return NULL;
		}
		text_add(&list, "%s%s", l ? ", " : "", (*law)->name);
	}
	struct error *error = error_new(
	    ERROR_USAGE, "--law %.60s: expected one of %s. 'rung fit --law help' has their formulas", name,
	    list.data ? list.data : "");
	text_free(&list);
	return error;
}

void laws_help(struct text *out) {
	static const char *const domains[] = {
	    [LAW_OF_BOTH] = "of N and D",
	    [LAW_OF_REPEATS] = "of N, D and the unique tokens U (--unique)",
	    [LAW_OF_ONE] = "of one variable x (--of N, D or C)",
	    [LAW_OF_N] = "of N",
	    [LAW_OF_D] = "of D",
	    [LAW_OF_C] = "of C",
	};
	text_add_string(out, "Laws for --law. Parameters are held with --fix NAME=VALUE.\n");
	int domain = -1;
	for (int l = 0; law_at(l); l++) {
		const struct law *law = law_at(l);
		if ((int)law->domain != domain) text_add(out, "\n%s\n", domains[law->domain]);
		domain = law->domain;
		text_add(out, "  %s\n", law->name);
		wrapped(out, "    ", "      ", law->formula);
		text_add_string(out, "    parameters:");
		for (int j = 0; j < law_parameters(law); j++) text_add(out, " %s", law->parameters[j].name);
		text_add(out, "\n    %s\n", law->paper);
	}
}

void criterion_in_words(const struct criterion *criterion, struct text *out) {
	switch (criterion->kind) {
	case OBJECTIVE_HUBER:
		text_add(out, "sum of Huber losses of ln(predicted / loss), delta %g", criterion->delta);
		break;
	case OBJECTIVE_SQUARES:
		text_add_string(out, "sum of squares of predicted - loss");
		break;
	case OBJECTIVE_LOG_SQUARES:
		text_add_string(out, "sum of squares of ln(predicted / loss)");
		break;
	case OBJECTIVE_ASYMMETRIC:
		text_add(
		    out, "sum of |ln(predicted / loss)|, times %g above and %g below the measurement", criterion->over,
		    criterion->under);
		break;
	}
}
