/* file.c - files that are there completely or not at all. */
#include "base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* -------------------------------------------------------------------------------------------------------- reading --- */

static struct error *too_large(const char *path, size_t limit) {
	char most[HUMAN_SIZE];
	return error_new(
	    ERROR_DATA, "%s: more than %s, the most that is read here; is it the right file?", path,
	    human_bytes((double)limit, most));
}

struct error *file_read(const char *path, size_t limit, struct text *text) {
	int file = open(path, O_RDONLY | O_CLOEXEC);
	if (file < 0) return error_system("open", path);
	struct error *error = file_read_open(file, path, limit, text);
	close(file); /* nothing was written: there is nothing to lose */
	return error;
}

struct error *file_read_open(int file, const char *path, size_t limit, struct text *text) {
	size_t before = text->length;
	struct stat status;
	if (fstat(file, &status)) return error_system("look at", path);
	if (S_ISDIR(status.st_mode)) return error_new(ERROR_DATA, "%s: is a folder; name a file in it", path);
	if (S_ISREG(status.st_mode) && status.st_size > 0 && (uint64_t)status.st_size > limit)
		return too_large(path, limit);
	for (;;) { /* until the end, whatever the size said: pipes have none and files grow */
		char piece[65536];
		ssize_t got = read(file, piece, sizeof piece);
		if (got < 0 && errno == EINTR) continue;
		if (got < 0) return error_system("read", path);
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

/* -------------------------------------------------------------------------------------------------------- writing --- */

/* The folder that holds `path`; the caller frees it. */
static char *folder_of(const char *path) {
	const char *slash = strrchr(path, '/');
	if (!slash) return strdup(".");
	if (slash == path) return strdup("/");
	return strndup(path, (size_t)(slash - path));
}

/* errno as an error, with the sizes when the disk is full. `needed`: bytes of the file so far, the failed ones too. */
static struct error *write_error(const char *verb, const char *path, double needed) {
	int reason = errno;
	if (reason != ENOSPC && reason != EDQUOT) return error_system(verb, path);
	char sizes[2][HUMAN_SIZE], available[HUMAN_SIZE + 64] = "";
	char *folder = folder_of(path);
	struct statvfs disk;
	if (folder && statvfs(folder, &disk) == 0)
		snprintf(
		    available, sizeof available, ", %s are free in %.40s",
		    human_bytes((double)disk.f_bavail * (double)disk.f_frsize, sizes[1]), folder);
	free(folder);
	return error_new(
	    ERROR_FAILED, "cannot %s %s: %s: at least %s are needed%s; free some space there or choose another folder",
	    verb, path, strerror(reason), human_bytes(needed, sizes[0]), available);
}

static void writer_free(struct file_writer *writer) {
	free(writer->path);
	free(writer->temporary);
	*writer = (struct file_writer){0};
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
	return *target ? NULL : error_memory(strlen(path));
}

struct error *file_begin(struct file_writer *writer, const char *path) {
	*writer = (struct file_writer){0};
	TRY(resolve_target(path, &writer->path));
	int file = -1;
	/* The process id keeps writers apart, the number those that share one: threads, and machines that share a folder. A
	 * name that is taken is never reused, for its owner may be alive. */
	for (int attempt = 0; attempt < 1000 && file < 0; attempt++) {
		free(writer->temporary);
		writer->temporary = NULL;
		if (asprintf(&writer->temporary, "%s.%ld-%d.tmp", writer->path, (long)getpid(), attempt) < 0) {
			writer->temporary = NULL;
			writer_free(writer);
			return error_memory(strlen(path));
		}
		file = open(writer->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
		if (file < 0 && errno != EEXIST) break;
	}
	if (file >= 0) writer->stream = fdopen(file, "w");
	if (!writer->stream) {
		struct error *error = write_error("write", path, 0);
		if (file >= 0) {
			close(file);
			unlink(writer->temporary);
		}
		writer_free(writer);
		return error;
	}
	return NULL;
}

struct error *file_put(struct file_writer *writer, const void *bytes, size_t count) {
	if (count == 0 || fwrite(bytes, 1, count, writer->stream) == count) return NULL;
	int reason = errno;
	off_t already = ftello(writer->stream);
	errno = reason;
	return write_error("write", writer->path, (double)(already > 0 ? already : 0) + (double)count);
}

/* A new name is on the disk once its folder is. */
static struct error *sync_folder(const char *path) {
	char *folder = folder_of(path);
	if (!folder) return error_memory(strlen(path));
	struct error *error = NULL;
	int file = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* EINVAL: a file system that has nothing to sync here. */
	if (file < 0 || (fsync(file) && errno != EINVAL)) error = error_system("sync the folder", folder);
	if (file >= 0) close(file);
	free(folder);
	return error;
}

struct error *file_commit(struct file_writer *writer) {
	struct error *error = NULL;
	off_t size = ftello(writer->stream);
	/* ferror: a failed write that the caller did through `stream` itself. Its errno is gone; flushing again may tell.
	 */
	bool failed = ferror(writer->stream);
	errno = 0;
	if (fflush(writer->stream) || failed || fsync(fileno(writer->stream))) {
		if (errno == 0) errno = EIO;
		error = write_error("write", writer->path, (double)(size > 0 ? size : 0));
		goto done;
	}
	int closed = fclose(writer->stream);
	writer->stream = NULL;
	if (closed) {
		error = write_error("close", writer->path, (double)size);
		goto done;
	}
	if (rename(writer->temporary, writer->path)) {
		error = error_system("put in place", writer->path);
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
	if (writer->stream) fclose(writer->stream);
	if (writer->temporary) unlink(writer->temporary);
	writer_free(writer);
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
