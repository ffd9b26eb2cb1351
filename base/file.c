/* file.c - files that are there completely or not at all. */
#include "base/base.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define BUFFER_BYTES ((size_t)64 << 10)
#define PATIENCE 100 /* times in a row that a call may be interrupted by a signal */

/* ---------------------------------------------------------------------------------------- calls that signals interrupt --- */

bool call_again(int *attempts) {
	return errno == EINTR && ++*attempts < PATIENCE;
}

int file_open(const char *path, int flags) {
	int file, attempts = 0;
	do file = open(path, flags, 0666);
	while (file < 0 && call_again(&attempts));
	return file;
}

static int sync_patiently(int file) {
	int failed, attempts = 0;
	do failed = fsync(file);
	while (failed && call_again(&attempts));
	return failed;
}

/* -------------------------------------------------------------------------------------------------------- reading --- */

static struct error *too_large(const char *path, size_t limit) {
	char most[HUMAN_SIZE];
	return error_new(
	    ERROR_DATA, "%s: more than %s, the most that is read here; is it the right file?", path,
	    human_bytes((double)limit, most));
}

struct error *file_read(const char *path, size_t limit, struct text *text) {
	int file = file_open(path, O_RDONLY | O_CLOEXEC);
	if (file < 0) return error_system("open", path);
	struct error *error = file_read_open(file, path, limit, text);
	close(file); /* nothing was written: there is nothing to lose */
	return error;
}

struct error *file_read_open(int file, const char *path, size_t limit, struct text *text) {
	size_t before = text->length;
	int attempts = 0;
	struct stat status;
	if (fstat(file, &status)) return error_system("look at", path);
	if (S_ISDIR(status.st_mode)) return error_new(ERROR_DATA, "%s: is a folder; name a file in it", path);
	if (S_ISREG(status.st_mode) && status.st_size > 0 && (uint64_t)status.st_size > limit)
		return too_large(path, limit);
	for (;;) { /* until the end, whatever the size said: pipes have none and files grow */
		char piece[65536];
		ssize_t got = read(file, piece, sizeof piece);
		if (got < 0 && call_again(&attempts)) continue;
		if (got < 0) return error_system("read", path);
		attempts = 0;
		if (got == 0) break;
		if ((size_t)got > limit - (text->length - before)) return too_large(path, limit);
		text_add_bytes(text, piece, (size_t)got);
		if (text->failed) break;
	}
	if (!text->data) text_add_bytes(text, "", 0); /* an empty file is an empty string, not NULL */
	return error_within(text_error(text), "%s", path);
}

bool file_exists(const char *path) {
	struct stat status;
	return stat(path, &status) == 0;
}

struct error *folder_lock(const char *path, int *lock) {
	*lock = file_open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*lock < 0) return error_system("open", path);
	int failed, attempts = 0;
	do failed = flock(*lock, LOCK_EX | LOCK_NB);
	while (failed && call_again(&attempts));
	if (!failed || errno != EWOULDBLOCK) return NULL;
	close(*lock);
	return error_new(
	    ERROR_FAILED, "%s is in use by another process that trains there; wait for it, or take another folder", path);
}

/* -------------------------------------------------------------------------------------------------------- writing --- */

/* The folder that holds `path`; the caller frees it. */
static char *folder_of(const char *path) {
	const char *slash = strrchr(path, '/');
	if (!slash) return strdup(".");
	if (slash == path) return strdup("/");
	return strndup(path, (size_t)(slash - path));
}

/* errno as an error, with the sizes when there is no room. `needed`: bytes of the file so far, the failed ones too. */
static struct error *write_error(const char *verb, const char *path, double needed) {
	int reason = errno;
	if (reason != ENOSPC && reason != EDQUOT && reason != EFBIG) return error_system(verb, path);
	char sizes[2][HUMAN_SIZE], required[HUMAN_SIZE + 64] = "room for a new file is", available[HUMAN_SIZE + 64] = "";
	char *folder = folder_of(path);
	struct statvfs disk;
	if (needed > 0) snprintf(required, sizeof required, "at least %s are", human_bytes(needed, sizes[0]));
	if (folder && statvfs(folder, &disk) == 0)
		snprintf(
		    available, sizeof available, ", %s are free in %.40s",
		    human_bytes((double)disk.f_bavail * (double)disk.f_frsize, sizes[1]), folder);
	free(folder);
	return error_new(
	    ERROR_FAILED, "cannot %s %s: %s: %s needed%s; %s", verb, path, strerror(reason), required, available,
	    reason == EFBIG ? "see ulimit -f" : "free some space there or choose another folder");
}

static void writer_free(struct file_writer *writer) {
	free(writer->path);
	free(writer->temporary);
	free(writer->buffer);
	*writer = (struct file_writer){.file = -1};
}

/* Where the bytes must go so that `path` shows them: through a symbolic link, to what it points to. NULL: no memory.
 * Writing over what is not a regular file is refused, for rename() would replace a device such as /dev/null. */
static struct error *resolve_target(const char *path, char **target) {
	struct stat status;
	*target = NULL;
	if (stat(path, &status) == 0) {
		if (S_ISDIR(status.st_mode))
			return error_new(ERROR_USAGE, "cannot write %s: it is a folder; name a file in it", path);
		if (!S_ISREG(status.st_mode))
			return error_new(
			    ERROR_USAGE,
			    "cannot write %s: it is not a regular file, and results are written whole or not at all; "
			    "name a file",
			    path);
		*target = realpath(path, NULL);
		if (!*target) return error_system("resolve", path);
		return NULL;
	}
	if (path[0] == '\0') return error_new(ERROR_USAGE, "cannot write to an empty file name; name a file");
	*target = strdup(path);
	return *target ? NULL : error_within(error_memory(strlen(path)), "cannot write %s", path);
}

struct error *file_begin(struct file_writer *writer, const char *path) {
	*writer = (struct file_writer){.file = -1};
	TRY(resolve_target(path, &writer->path));
	writer->buffer = malloc(BUFFER_BYTES);
	if (!writer->buffer) {
		writer_free(writer);
		return error_within(error_memory(BUFFER_BYTES), "cannot write %s", path);
	}
	/* The process id keeps writers apart, the number those that share one: threads, and machines that share a folder. A
	 * name that is taken is never reused, for its owner may be alive. */
	for (int attempt = 0; attempt < 1000 && writer->file < 0; attempt++) {
		free(writer->temporary);
		writer->temporary = NULL;
		if (asprintf(&writer->temporary, "%s.%ld-%d.tmp", writer->path, (long)getpid(), attempt) < 0) {
			writer->temporary = NULL;
			writer_free(writer);
			return error_within(error_memory(strlen(path)), "cannot write %s", path);
		}
		writer->file = file_open(writer->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC);
		if (writer->file < 0 && errno != EEXIST) break;
	}
	if (writer->file >= 0) return NULL;
	struct error *error = write_error("write", path, 0);
	writer_free(writer);
	return error;
}

/* Everything, however little the system takes at a time. */
static struct error *write_out(struct file_writer *writer, const unsigned char *bytes, size_t count) {
	for (int attempts = 0; count > 0;) {
		const ssize_t written = write(writer->file, bytes, count);
		if (written < 0 && call_again(&attempts)) continue;
		if (written <= 0) {
			if (written == 0) errno = EIO;
			return write_error("write", writer->path, (double)writer->size);
		}
		attempts = 0;
		bytes += written;
		count -= (size_t)written;
	}
	return NULL;
}

static struct error *flush_buffer(struct file_writer *writer) {
	const size_t count = writer->filled;
	writer->filled = 0;
	return write_out(writer, writer->buffer, count);
}

struct error *file_put(struct file_writer *writer, const void *bytes, size_t count) {
	writer->size += count;
	if (count > BUFFER_BYTES - writer->filled) TRY(flush_buffer(writer));
	if (count > BUFFER_BYTES) return write_out(writer, bytes, count);
	if (count > 0) memcpy(writer->buffer + writer->filled, bytes, count);
	writer->filled += count;
	return NULL;
}

/* A new name is on the disk once its folder is. */
static struct error *sync_folder(const char *path) {
	char *folder = folder_of(path);
	struct error *error = folder ? NULL : error_memory(strlen(path));
	int file = folder ? file_open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	/* EINVAL: a file system that has nothing to sync here. */
	if (folder && (file < 0 || (sync_patiently(file) && errno != EINVAL)))
		error = error_system("sync the folder", folder);
	if (file >= 0) close(file);
	free(folder);
	return error_within(error, "%s is written, but may not be after a power cut", path);
}

struct error *file_commit(struct file_writer *writer) {
	struct error *error = flush_buffer(writer);
	if (error) goto done;
	if (sync_patiently(writer->file)) {
		error = write_error("write", writer->path, (double)writer->size);
		goto done;
	}
	const int closed = close(writer->file);
	writer->file = -1;
	if (closed && errno != EINTR) { /* interrupted or not it is closed, and it had been synced */
		error = write_error("close", writer->path, (double)writer->size);
		goto done;
	}
	if (rename(writer->temporary, writer->path)) {
		error = write_error("put in place", writer->path, (double)writer->size);
		goto done;
	}
	error = sync_folder(writer->path);
	writer_free(writer);
	return error;
done:
	file_abandon(writer);
	return error;
}

void file_abandon(struct file_writer *writer) {
	if (writer->file >= 0) close(writer->file);
	if (writer->temporary) unlink(writer->temporary);
	writer_free(writer);
}

/* "NAME.PID-ATTEMPT.tmp", as file_begin calls them. */
static bool is_temporary(const char *name) {
	const size_t length = strlen(name), tail = strlen(".tmp");
	if (length < tail || strcmp(name + length - tail, ".tmp") != 0) return false;
	int digits[2] = {0};
	size_t at = length - tail;
	for (int part = 1; part >= 0; part--) {
		while (at > 0 && name[at - 1] >= '0' && name[at - 1] <= '9') at--, digits[part]++;
		if (digits[part] == 0 || at == 0 || name[--at] != (part ? '-' : '.')) return false;
	}
	return at > 0;
}

void file_clean_folder(const char *folder) {
	DIR *directory = opendir(folder);
	if (!directory) return;
	for (struct dirent *entry; (entry = readdir(directory));)
		if (is_temporary(entry->d_name)) unlinkat(dirfd(directory), entry->d_name, 0);
	closedir(directory);
}

struct error *file_write(const char *path, const void *bytes, size_t count) {
	struct file_writer writer;
	TRY(file_begin(&writer, path));
	struct error *error = file_put(&writer, bytes, count);
	if (error) {
		file_abandon(&writer);
		return error;
	}
	return file_commit(&writer);
}

/* --------------------------------------------------------------------------------------------- folders and paths --- */

static struct error *make_one(const char *path) {
	if (mkdir(path, 0777) == 0) return NULL;
	int reason = errno;
	struct stat status;
	if (stat(path, &status) == 0) {
		if (S_ISDIR(status.st_mode)) return NULL;
		return error_new(ERROR_USAGE, "cannot make the folder %s: a file of that name is in the way", path);
	}
	errno = reason;
	return error_system("make the folder", path);
}

struct error *folder_make(const char *path) {
	if (path[0] == '\0') return error_new(ERROR_USAGE, "cannot make a folder without a name; name one");
	char *part = strdup(path);
	if (!part) return error_memory(strlen(path));
	struct error *error = NULL;
	for (char *slash = strchr(part + 1, '/'); slash && !error; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		error = make_one(part);
		*slash = '/';
	}
	if (!error) error = make_one(part);
	free(part);
	return error;
}

char *path_join(const char *folder, const char *name) {
	size_t length = strlen(folder);
	const char *slash = length == 0 || folder[length - 1] == '/' ? "" : "/";
	char *path;
	return asprintf(&path, "%s%s%s", folder, slash, name) < 0 ? NULL : path;
}
