/* What a sweep tells a run while it trains: how many threads, on which cores. A line on standard input is a whole word:
 *
 *     threads 2 cores 5 7
 *
 * the cores being left out when threads shall float. It is read between two steps, and other lines mean nothing. */
#include "train/team.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void team_open(struct team *team, int threads) {
	struct stat status;
	*team = (struct team){.threads = threads};
	/* Whoever types at a terminal is not a sweep. */
	team->listening = fstat(STDIN_FILENO, &status) == 0 && S_ISFIFO(status.st_mode);
}

void team_take(struct team *team, const char *line) {
	int cores[TEAM_MOST], count = 0, length = 0;
	long threads;
	if (sscanf(line, "threads %ld%n", &threads, &length) != 1 || threads < 1 || threads > TEAM_MOST) return;
	team->threads = (int)threads;
	const char *rest = strstr(line + length, " cores");
	if (!rest) return;
	rest += strlen(" cores");
	for (char *end; count < threads; rest = end) {
		const long core = strtol(rest, &end, 10);
		if (end == rest || core < 0) return; /* not one for each thread: they float */
		cores[count++] = (int)core;
	}
	machine_pin_threads(cores, count);
}

int team_threads(void *context) {
	struct team *team = context;
	struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
	while (team->listening && poll(&input, 1, 0) == 1) {
		const size_t room = sizeof team->heard - 1 - team->length;
		const ssize_t count = room ? read(STDIN_FILENO, team->heard + team->length, room) : 0;
		if (count <= 0) {
			team->listening = false; /* the sweep is gone, or babbles */
			break;
		}
		team->length += (size_t)count;
		team->heard[team->length] = '\0';
		char *line = team->heard, *end;
		for (; (end = strchr(line, '\n')); line = end + 1) {
			*end = '\0';
			team_take(team, line);
		}
		team->length -= (size_t)(line - team->heard);
		memmove(team->heard, line, team->length + 1);
	}
	return team->threads;
}
