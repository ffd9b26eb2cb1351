/* inject.c - a program under supervision: every system call on the files of a folder passes by here. */
#include "tests/inject.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE_SECONDS 60

const char *const fault_names[FAULT_KINDS] = {"none", "EIO", "ENOSPC", "EINTR", "short", "kill"};

/* ---------------------------------------------------------------------------------------------- the calls of interest --- */

enum place {
	BY_DESCRIPTOR,
	BY_PATH,
	BY_FOLDER
}; /* argument 0 is a descriptor, a path; or 0 a folder and 1 a path in it */

static const struct call {
	int number;
	const char *name;
	enum place place;
	bool reads, writes; /* argument 1 is a buffer, argument 2 its size, argument 3 perhaps an offset */
	bool positioned;
} calls[] = {
#ifdef __NR_open
    {__NR_open, "open", BY_PATH, false, false, false},
    {__NR_creat, "open", BY_PATH, false, false, false},
    {__NR_rename, "rename", BY_PATH, false, false, false},
    {__NR_mkdir, "mkdir", BY_PATH, false, false, false},
    {__NR_unlink, "unlink", BY_PATH, false, false, false},
#endif
    {__NR_openat, "open", BY_FOLDER, false, false, false},
    {__NR_renameat2, "rename", BY_FOLDER, false, false, false},
    {__NR_mkdirat, "mkdir", BY_FOLDER, false, false, false},
    {__NR_unlinkat, "unlink", BY_FOLDER, false, false, false},
    {__NR_truncate, "truncate", BY_PATH, false, false, false},
    {__NR_read, "read", BY_DESCRIPTOR, true, false, false},
    {__NR_pread64, "pread", BY_DESCRIPTOR, true, false, true},
    {__NR_readv, "readv", BY_DESCRIPTOR, false, false, false},
    {__NR_write, "write", BY_DESCRIPTOR, false, true, false},
    {__NR_pwrite64, "pwrite", BY_DESCRIPTOR, false, true, true},
    {__NR_writev, "writev", BY_DESCRIPTOR, false, false, false},
    {__NR_fsync, "fsync", BY_DESCRIPTOR, false, false, false},
    {__NR_fdatasync, "fdatasync", BY_DESCRIPTOR, false, false, false},
    {__NR_ftruncate, "ftruncate", BY_DESCRIPTOR, false, false, false},
    {__NR_getdents64, "getdents", BY_DESCRIPTOR, false, false, false},
    {__NR_close, "close", BY_DESCRIPTOR, false, false, false},
    {__NR_mmap, "mmap", BY_DESCRIPTOR, false, false, false}, /* its descriptor is argument 4 */
};
enum { CALLS = COUNT_OF(calls) };

/* The number is compared with each of the list; a hit jumps to the last line, which asks the supervisor. */
static int install_filter(void) {
	struct sock_filter filter[CALLS + 3];
	struct sock_fprog program = {.len = COUNT_OF(filter), .filter = filter};
	filter[0] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	for (unsigned i = 0; i < CALLS; i++)
		filter[1 + i] = (struct sock_filter)BPF_JUMP(
		    BPF_JMP | BPF_JEQ | BPF_K, (unsigned)calls[i].number, (unsigned char)(CALLS - i), 0);
	filter[1 + CALLS] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	filter[2 + CALLS] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) return -1;
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
}

static const struct call *call_of(int number) {
	for (size_t i = 0; i < CALLS; i++)
		if (calls[i].number == number) return &calls[i];
	return NULL;
}

/* ---------------------------------------------------------------------------------------------- looking into a process --- */

static bool copy_memory(pid_t process, uint64_t address, void *bytes, size_t count, bool in) {
	char path[40];
	snprintf(path, sizeof path, "/proc/%d/mem", (int)process);
	const int memory = open(path, (in ? O_WRONLY : O_RDONLY) | O_CLOEXEC);
	if (memory < 0) return false;
	const ssize_t copied =
	    in ? pwrite(memory, bytes, count, (off_t)address) : pread(memory, bytes, count, (off_t)address);
	close(memory);
	return copied == (ssize_t)count;
}

static bool copy_string(pid_t process, uint64_t address, char *out, size_t size) {
	for (size_t length = 0; length < size;) { /* a page at a time: the next one may not be there */
		size_t part = 4096 - (address + length) % 4096;
		if (part > size - length) part = size - length;
		if (!copy_memory(process, address + length, out + length, part, false)) return false;
		if (memchr(out + length, '\0', part)) return true;
		length += part;
	}
	return false;
}

static bool read_link(char *out, size_t size, pid_t process, const char *what) {
	char path[64];
	snprintf(path, sizeof path, "/proc/%d/%s", (int)process, what);
	const ssize_t length = readlink(path, out, size - 1);
	out[length > 0 ? length : 0] = '\0';
	return length > 0;
}

static bool descriptor_path(char *out, size_t size, pid_t process, int descriptor) {
	char what[32];
	snprintf(what, sizeof what, "fd/%d", descriptor);
	return read_link(out, size, process, descriptor == AT_FDCWD ? "cwd" : what);
}

/* What the call is about, as an absolute path. */
static bool path_of(const struct seccomp_notif *notice, const struct call *call, char *out, size_t size) {
	const pid_t process = (pid_t)notice->pid;
	const __u64 *arguments = notice->data.args;
	if (call->number == __NR_mmap) {
		const bool file = !(arguments[3] & MAP_ANONYMOUS) && (int)arguments[4] >= 0;
		return file && descriptor_path(out, size, process, (int)arguments[4]);
	}
	if (call->place == BY_DESCRIPTOR) return descriptor_path(out, size, process, (int)arguments[0]);
	char name[512];
	if (!copy_string(process, arguments[call->place == BY_FOLDER], name, sizeof name)) return false;
	if (name[0] == '/') return snprintf(out, size, "%s", name) < (int)size;
	char folder[512];
	const int base = call->place == BY_FOLDER ? (int)arguments[0] : AT_FDCWD;
	return descriptor_path(folder, sizeof folder, process, base) &&
	       snprintf(out, size, "%s/%s", folder, name) < (int)size;
}

static bool is_below(const char *path, const char *folder) {
	const size_t length = strlen(folder);
	return strncmp(path, folder, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

/* ------------------------------------------------------------------------------------------------------------ the fault --- */

/* Does half of a read or write in the place of the process. False: the call is left to it. */
static bool do_half(const struct seccomp_notif *notice, const struct call *call, int64_t *result) {
	const uint64_t address = notice->data.args[1], whole = notice->data.args[2], count = (whole + 1) / 2;
	const off_t offset = (off_t)notice->data.args[3];
	const int process = (int)syscall(SYS_pidfd_open, (pid_t)notice->pid, 0);
	const int file = process < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, process, (int)notice->data.args[0], 0);
	char *bytes = malloc(count + 1);
	bool good = file >= 0 && bytes && whole > 0;
	if (good && call->writes) {
		good = copy_memory((pid_t)notice->pid, address, bytes, count, false);
		if (good) *result = call->positioned ? pwrite(file, bytes, count, offset) : write(file, bytes, count);
	} else if (good) {
		*result = call->positioned ? pread(file, bytes, count, offset) : read(file, bytes, count);
		if (*result > 0) good = copy_memory((pid_t)notice->pid, address, bytes, (size_t)*result, true);
	}
	if (good && *result < 0) *result = -errno;
	free(bytes);
	if (file >= 0) close(file);
	if (process >= 0) close(process);
	return good;
}

static bool strikes(const struct fault *fault, const struct call *call, int64_t number) {
	if (fault->kind == FAULT_NONE || (fault->kind == FAULT_SHORT && !call->reads && !call->writes)) return false;
	return fault->lasting ? number >= fault->at : number == fault->at;
}

static void answer(
    int listener, const struct seccomp_notif *notice, const struct fault *fault, struct outcome *outcome) {
	struct seccomp_notif_resp response = {.id = notice->id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
	const struct call *call = call_of(notice->data.nr);
	char path[1024];
	if (call && path_of(notice, call, path, sizeof path) && is_below(path, fault->below) &&
	    strikes(fault, call, ++outcome->calls)) {
		if (!outcome->call[0]) {
			snprintf(outcome->call, sizeof outcome->call, "%s", call->name);
			snprintf(outcome->path, sizeof outcome->path, "%.*s", (int)sizeof outcome->path - 1, path);
		}
		static const int numbers[FAULT_KINDS] = {[FAULT_EIO] = EIO, [FAULT_ENOSPC] = ENOSPC, [FAULT_EINTR] = EINTR};
		int64_t result = 0;
		if (fault->kind == FAULT_KILL)
			kill((pid_t)notice->pid, SIGKILL);
		else if (fault->kind != FAULT_SHORT) {
			response.flags = 0;
			response.error = -numbers[fault->kind];
		} else if (do_half(notice, call, &result)) {
			response.flags = 0;
			response.error = result < 0 ? (int)result : 0;
			response.val = result < 0 ? 0 : result;
		}
	}
	ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response); /* fails when the process is gone, which is as well */
}

/* ------------------------------------------------------------------------------------------------------ the supervision --- */

static bool send_descriptor(int socket, int descriptor) {
	char byte = 0, control[CMSG_SPACE(sizeof descriptor)] = {0};
	struct iovec part = {&byte, 1};
	struct msghdr message = {
	    .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	*header =
	    (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof descriptor), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
	memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
	return sendmsg(socket, &message, 0) == 1;
}

/* -1 when none comes. */
static int receive_descriptor(int socket) {
	char byte, control[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec part = {&byte, 1};
	struct msghdr message = {
	    .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
	int descriptor = -1;
	if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) != 1) return -1;
	const struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	if (header && header->cmsg_type == SCM_RIGHTS) memcpy(&descriptor, CMSG_DATA(header), sizeof descriptor);
	return descriptor;
}

_Noreturn static void become(
    const char *const *arguments, char *const *environment, const char *output, const char *words, int socket) {
	const int out = open(output, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	const int err = open(words, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (out < 0 || err < 0 || dup2(out, STDOUT_FILENO) < 0 || dup2(err, STDERR_FILENO) < 0) _exit(126);
	setpgid(0, 0);
	const int listener = install_filter();
	if (listener < 0 || !send_descriptor(socket, listener)) _exit(126);
	execve(arguments[0], (char *const *)(uintptr_t)arguments, environment);
	_exit(127);
}

/* Until nobody is left who could make a call: the program and whatever it has started. False when time is up. */
static bool supervise(int listener, const struct fault *fault, struct outcome *outcome) {
	struct seccomp_notif_sizes sizes;
	if (syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes)) return false;
	struct seccomp_notif *notice = malloc(sizes.seccomp_notif);
	const double end = clock_seconds() + PATIENCE_SECONDS;
	bool alive = notice != NULL;
	while (alive && clock_seconds() < end) {
		struct pollfd wait = {.fd = listener, .events = POLLIN};
		poll(&wait, 1, 1000);
		if (wait.revents & POLLIN) {
			memset(notice, 0, sizes.seccomp_notif);
			if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, notice) == 0) answer(listener, notice, fault, outcome);
		} else if (wait.revents & POLLHUP)
			alive = false;
	}
	free(notice);
	return !alive;
}

struct error *inject_run(
    const char *const *arguments, char *const *environment, const char *output, const struct fault *fault,
    struct outcome *outcome) {
	int ends[2];
	struct text words = {0};
	*outcome = (struct outcome){0};
	text_add(&words, "%s.err", output);
	TRY(text_error(&words));
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends)) return error_system("make", "a pair of sockets");
	const pid_t child = fork();
	if (child == 0) become(arguments, environment, output, words.data, ends[1]);
	close(ends[1]);
	const int listener = child < 0 ? -1 : receive_descriptor(ends[0]);
	close(ends[0]);
	if (listener < 0) {
		text_free(&words);
		if (child > 0) waitpid(child, NULL, 0);
		return error_new(ERROR_FAILED, "this system has no seccomp user notification (Linux 5.6)");
	}
	const bool ended = supervise(listener, fault, outcome);
	if (!ended) kill(-child, SIGKILL);
	close(listener);
	int status = 0;
	while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
	outcome->code = !ended ? -1 : WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	struct error *error = file_read(words.data, (size_t)1 << 20, &outcome->words);
	text_free(&words);
	return error;
}
