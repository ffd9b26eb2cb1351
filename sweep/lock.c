/* One sweep a lab: an advisory lock on LAB/lock, which the system lets go of when its holders are gone, and in the file who
 * took it. A process is known by its number, the boot that it belongs to and the moment it started, since numbers come
 * round again. Children inherit the lock: a new sweep must not start while those of a killed one still write. */
#include "sweep/lock.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NAME_SECONDS 2 /* between taking the lock and writing down one's name there are microseconds */
#define POLL_MICROSECONDS 10000

/* ---------------------------------------------------------------------------------------------------- who somebody is --- */

static void read_word(const char *path, char *word, size_t size) {
	*word = '\0';
	const int file = file_open(path, O_RDONLY | O_CLOEXEC);
	if (file < 0) return;
	const ssize_t length = read(file, word, size - 1);
	word[length > 0 ? length : 0] = '\0';
	word[strcspn(word, "\n")] = '\0';
	close(file);
}

bool process_start(long process, char start[PROCESS_WORD]) {
	char path[64], line[1024];
	snprintf(path, sizeof path, "/proc/%ld/stat", process);
	read_word(path, line, sizeof line);
	/* Field 22; the second one is a name in parentheses, which may hold anything. */
	const char *second = strrchr(line, ')');
	return sscanf(
	           second ? second : "",
	           ") %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %63s", start) == 1;
}

static struct lock_owner myself(void) {
	struct lock_owner owner = {.process = (long)getpid()};
	read_word("/proc/sys/kernel/random/boot_id", owner.boot, sizeof owner.boot);
	if (gethostname(owner.host, sizeof owner.host - 1)) owner.host[0] = '\0';
	if (!process_start(owner.process, owner.start)) owner.start[0] = '\0';
	return owner;
}

bool lock_owner_alive(const struct lock_owner *owner) {
	const struct lock_owner self = myself();
	char start[PROCESS_WORD];
	if (strcmp(owner->host, self.host) != 0) return true; /* of another machine that shares the folder: who knows */
	if (strcmp(owner->boot, self.boot) != 0) return false;
	return process_start(owner->process, start) && strcmp(start, owner->start) == 0;
}

/* ------------------------------------------------------------------------------------------------------- the lock file --- */

static bool read_owner(int descriptor, struct lock_owner *owner) {
	char line[PROCESS_WORD * 4] = "";
	*owner = (struct lock_owner){0};
	if (pread(descriptor, line, sizeof line - 1, 0) <= 0) return false;
	return sscanf(
	           line, "process %ld start %63s boot %63s host %63s", &owner->process, owner->start, owner->boot,
	           owner->host) >= 3;
}

static bool write_owner(int descriptor) {
	const struct lock_owner owner = myself();
	char line[PROCESS_WORD * 4];
	const int length = snprintf(
	    line, sizeof line, "process %ld start %s boot %s host %s\n", owner.process, owner.start, owner.boot,
	    owner.host);
	return ftruncate(descriptor, 0) == 0 && pwrite(descriptor, line, (size_t)length, 0) == length;
}

/* Ends every other process that has the file open: what a killed sweep left behind. */
static void end_holders(const struct stat *lock) {
	DIR *processes = opendir("/proc");
	for (const struct dirent *entry; processes && (entry = readdir(processes));) {
		const long process = strtol(entry->d_name, NULL, 10);
		char folder[64], path[128];
		if (!isdigit((unsigned char)entry->d_name[0]) || process == (long)getpid()) continue;
		snprintf(folder, sizeof folder, "/proc/%ld/fd", process);
		DIR *files = opendir(folder);
		bool holds = false;
		for (const struct dirent *file; files && !holds && (file = readdir(files));) {
			struct stat status;
			snprintf(path, sizeof path, "%s/%.20s", folder, file->d_name);
			holds = stat(path, &status) == 0 && status.st_dev == lock->st_dev && status.st_ino == lock->st_ino;
		}
		if (files) closedir(files);
		if (holds) kill((pid_t)process, SIGKILL);
	}
	if (processes) closedir(processes);
}

static struct error *in_use(const char *folder, const struct lock_owner *owner) {
	return error_new(
	    ERROR_FAILED, "%s is in use by another sweep (process %ld on %s); wait for it, or stop it with: kill -INT %ld",
	    folder, owner->process, owner->host, owner->process);
}

static struct error *in_use_by_somebody(const char *folder) {
	return error_new(
	    ERROR_FAILED, "%s is in use by a process that does not say which; `fuser %s/lock` may", folder, folder);
}

/* Without waiting: errno is EWOULDBLOCK when somebody has it. */
static int lock_now(int descriptor) {
	int failed, attempts = 0;
	do failed = flock(descriptor, LOCK_EX | LOCK_NB);
	while (failed && call_again(&attempts));
	return failed;
}

/* Takes the lock of a file whose owner is dead as soon as its children are gone; those that will not go are ended. The
 * name is read again every time: a third sweep may have been quicker, and whoever has just taken the lock may not have
 * written down its name yet. */
static struct error *take_over(const char *folder, double patience, int descriptor) {
	bool ended = false;
	for (double begin = clock_seconds(); lock_now(descriptor);) {
		if (errno != EWOULDBLOCK) return error_system("lock", folder);
		struct lock_owner owner;
		struct stat status;
		const bool known = read_owner(descriptor, &owner);
		const double waited = clock_seconds() - begin;
		if (known && lock_owner_alive(&owner)) return in_use(folder, &owner);
		if (!known && waited > NAME_SECONDS) return in_use_by_somebody(folder);
		if (waited > patience) {
			if (ended || fstat(descriptor, &status)) return in_use_by_somebody(folder);
			end_holders(&status);
			ended = true;
			begin = clock_seconds();
		}
		if (interrupt_pending())
			return error_new(ERROR_INTERRUPTED, "interrupted while the runs of a killed sweep were stopping");
		nanosleep(&(struct timespec){.tv_nsec = POLL_MICROSECONDS * 1000L}, NULL);
	}
	return NULL;
}

struct error *lock_take(const char *folder, double patience, int *lock) {
	struct text path = {0};
	text_add(&path, "%s/lock", folder);
	struct error *error = text_error(&path);
	if (!error) {
		*lock = file_open(path.data, O_RDWR | O_CREAT | O_NOCTTY);
		error = *lock < 0 ? error_system("open", path.data) : take_over(folder, patience, *lock);
	}
	if (!error && !write_owner(*lock)) error = error_system("write", path.data);
	text_free(&path);
	return error;
}
