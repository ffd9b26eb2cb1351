/* base.h - the ground floor: errors, memory, text, random numbers, hashes, JSON, files, options, progress, the machine.
 *
 * Every other folder stands on this one; it stands on nothing of ours. Nothing here keeps state between calls except
 * what the caller holds. A function that can fail returns `struct error *`: NULL for success, otherwise a message that
 * the caller owns and must pass on or release. */
#ifndef RUNG_BASE_H
#define RUNG_BASE_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define PRINTF_LIKE(format_at, first) __attribute__((format(printf, format_at, first)))
#define MUST_CHECK __attribute__((warn_unused_result))
#define NEVER_NULL __attribute__((returns_nonnull))
#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* ------------------------------------------------------------------------------------------------ errors (error.c) --- */

/* What went wrong, as the exit code that the program will end with. */
enum error_kind {
	ERROR_FAILED = 1,        /* the system said no: disk, memory, permissions */
	ERROR_USAGE = 2,         /* the command line makes no sense */
	ERROR_DATA = 3,          /* a file or a value in it is not what it should be */
	ERROR_DIVERGED = 4,      /* training left the finite numbers */
	ERROR_INTERRUPTED = 130, /* the user asked to stop */
};

struct error {
	enum error_kind kind;
	char message[1016]; /* what, where, what was expected, what to try next; no final newline */
};

/* Never NULL: out of memory yields a constant error that says so. */
MUST_CHECK NEVER_NULL struct error *error_new(enum error_kind kind, const char *format, ...) PRINTF_LIKE(2, 3);

/* Puts "context: " in front of the message of `error` (which may be NULL: then NULL comes back). */
MUST_CHECK struct error *error_within(struct error *error, const char *format, ...) PRINTF_LIKE(2, 3);

/* From errno: "cannot <verb> <path>: <reason>", with a hint for a full disk or a missing permission. */
MUST_CHECK NEVER_NULL struct error *error_system(const char *verb, const char *path);

MUST_CHECK NEVER_NULL struct error *error_memory(size_t bytes);
void error_free(struct error *error);

/* Returns from the calling function when `call` fails. For functions that hold nothing; others use goto. */
#define TRY(call)                                                                                                      \
	do {                                                                                                               \
		struct error *try_error_ = (call);                                                                             \
		if (try_error_) return try_error_;                                                                             \
	} while (0)

/* ---------------------------------------------------------------------------------------------- memory (memory.c) --- */

#define ALIGNMENT 64 /* bytes: one cache line, one AVX-512 register */

/* One mapped block that is handed out in pieces and returned as a whole. */
struct arena {
	unsigned char *base; /* zeroed when opened */
	size_t size, used;   /* bytes */
};

MUST_CHECK struct error *arena_open(struct arena *arena, size_t bytes);
/* The next `bytes`, aligned to ALIGNMENT; never fails within the size asked for at opening (arena_padded of each
 * piece). */
void *arena_take(struct arena *arena, size_t bytes);
size_t arena_padded(size_t bytes);
void arena_close(struct arena *arena);

/* A zeroed array; NULL when memory is short or count * size overflows. Release with free(). */
void *array_new(size_t count, size_t size);

/* Makes room for `needed` elements in the growable array *items of *capacity elements. */
MUST_CHECK struct error *array_reserve(void **items, size_t *capacity, size_t needed, size_t size);

/* ------------------------------------------------------------------------------------------------- text (text.c) --- */

/* A growable byte string, always followed by a NUL. Start from {0}. A failed allocation is remembered and reported by
 * text_error, so that writers need not check every call. */
struct text {
	char *data; /* NULL while empty */
	size_t length, capacity;
	bool failed;
};

void text_add(struct text *text, const char *format, ...) PRINTF_LIKE(2, 3);
void text_add_bytes(struct text *text, const void *bytes, size_t count);
void text_add_string(struct text *text, const char *string);
void text_clear(struct text *text); /* keeps the memory */
void text_free(struct text *text);
MUST_CHECK struct error *text_error(const struct text *text);
/* The characters of `part`, "" where it has none, for a sentence of `whole`: which has failed, too, where `part` has. */
const char *text_part(const struct text *part, struct text *whole);

/* Bytes of the UTF-8 character that `bytes` begins with; 0 where there is none, or a part of one (RFC 3629: no overlong forms,
 * no surrogates, nothing beyond U+10FFFF). */
size_t utf8_length(const char *bytes, size_t count);

/* Human numbers, written to `out` and returned: "983k", "1.2M"; "3.4 GiB"; "48 s", "2 min 05 s", "1 h 20 min". */
#define HUMAN_SIZE 32
char *human_count(double count, char out[HUMAN_SIZE]);
char *human_bytes(double bytes, char out[HUMAN_SIZE]);
char *human_seconds(double seconds, char out[HUMAN_SIZE]);
/* The shortest decimal that reads back as the same bits: "0.1", "1e-05", "nan", "inf". */
char *number_text(double value, char out[HUMAN_SIZE]);
/* A decimal number as people type it, with K, M, G (or B), T behind it perhaps: "20", "1.5M", "70B", "3e-4", "inf". The suffix goes into
 * the exponent before anything is rounded: "1.013K" is 1013. False when `text` is no such number. */
bool number_from_text(const char *text, double *value);

/* The name that was probably meant by `typed`, or NULL. `rows` is an array of structs of `stride` bytes whose first
 * member is the `const char *` name. */
const char *nearest_name(const char *typed, const void *rows, size_t count, size_t stride);

/* --------------------------------------------------------------------------------------- random numbers (random.c) --- */

/* xoshiro256++ (Blackman and Vigna 2019), seeded by splitmix64. Streams with different names are independent, so that
 * adding a tensor or a consumer changes no other draw. */
struct rng {
	uint64_t s[4];
};

struct rng rng_make(uint64_t seed, const char *stream);
uint64_t rng_next(struct rng *rng);
double rng_uniform(struct rng *rng);                 /* in [0,1), 53 bits */
double rng_normal(struct rng *rng);                  /* mean 0, variance 1 */
uint64_t rng_below(struct rng *rng, uint64_t bound); /* uniform in [0,bound), unbiased; bound >= 1 */

/* Entry `index` of a pseudo-random permutation of 0..count-1 that depends on `key` alone: shuffled order with random
 * access and no memory (a Feistel network with cycle walking). */
uint64_t permuted_index(uint64_t key, uint64_t count, uint64_t index);

/* -------------------------------------------------------------------------------------------------- hash (hash.c) --- */

#define HASH_HEX_SIZE 17                                             /* 16 digits and a NUL */
uint64_t hash_bytes(const void *bytes, size_t count, uint64_t seed); /* XXH64 */
/* Whether what was read has the hash that was written for it. */
bool hash_agrees(uint64_t computed, uint64_t stored);
char *hash_hex(uint64_t hash, char out[HASH_HEX_SIZE]);
bool hash_from_hex(const char *hex, uint64_t *hash); /* exactly 16 lower-case digits */

/* -------------------------------------------------------------------------------------------------- files (file.c) --- */

/* Whether a call that has just failed was interrupted by a signal and is worth another attempt; *attempts, 0 at first,
 * counts them, for there is an end to patience. Files are opened so. */
bool call_again(int *attempts);
int file_open(const char *path, int flags);

/* Reads a whole file (at most `limit` bytes) and appends it to `text`. */
MUST_CHECK struct error *file_read(const char *path, size_t limit, struct text *text);

/* The same from an open file, such as standard input, which stays open; `name` stands for it in messages. */
MUST_CHECK struct error *file_read_open(int file, const char *name, size_t limit, struct text *text);

/* Takes a folder for oneself, until *lock is closed or the process ends: an advisory lock on the folder itself. ERROR_FAILED
 * when another process has it. A file system that knows no locks lets everybody in; *lock may be closed all the same. */
MUST_CHECK struct error *folder_lock(const char *path, int *lock);

/* All-or-nothing: a temporary file beside `path`, fsync, rename, fsync of the folder. A symbolic link is followed;
 * devices and pipes are refused. */
MUST_CHECK struct error *file_write(const char *path, const void *bytes, size_t count);

/* The same for files written in pieces. After file_begin exactly one of file_commit and file_abandon must follow. */
struct file_writer {
	int file; /* descriptor of `temporary` */
	char *path, *temporary;
	unsigned char *buffer;
	size_t filled; /* bytes in `buffer` */
	uint64_t size; /* of the file, those in `buffer` too */
};
MUST_CHECK struct error *file_begin(struct file_writer *writer, const char *path);
MUST_CHECK struct error *file_put(struct file_writer *writer, const void *bytes, size_t count);
MUST_CHECK struct error *file_commit(struct file_writer *writer);
void file_abandon(struct file_writer *writer);
/* Removes what killed processes had begun to write in `folder`, as far as it can. Nobody may be writing there. */
void file_clean_folder(const char *folder);

bool file_exists(const char *path);
MUST_CHECK struct error *folder_make(const char *path); /* with its parents; an existing folder is fine */
/* "folder/name" in a string that the caller frees; NULL when memory is short. */
char *path_join(const char *folder, const char *name);

/* ------------------------------------------------------------------------------------------- JSON (json.c, seal.c) --- */

/* A plan, a record or a table: far below this. What is larger is not one of ours. */
#define JSON_LIMIT ((size_t)256 << 20)

/* Parses `text`; an error names `path`, line and column. Text after the value, keys that stand twice in one object and
 * numbers beyond a double are errors. The tree belongs to the caller (cJSON_Delete). */
MUST_CHECK struct error *json_parse(const char *path, const char *text, size_t length, cJSON **root);
/* A line of a file of JSON lines, without what json_parse checks beyond the syntax: quick, for many of them. */
MUST_CHECK struct error *json_parse_row(const char *path, size_t number, const char *line, size_t length, cJSON **root);
/* The same for one line of a file; the error gives the character in it, and the caller the file and the line. */
MUST_CHECK struct error *json_parse_line(const char *text, size_t length, cJSON **root);
/* A file that json_write_sealed has written is checked against its seal, which is not in the tree. */
MUST_CHECK struct error *json_read(const char *path, cJSON **root);
/* Appends the tree to `out`: one line, or indented (no final newline either way). Numbers read back as the same bits,
 * which those of cJSON_Print need not; NaN and infinities become strings, as below. */
void json_print(const cJSON *root, bool indented, struct text *out);
/* Writes the tree atomically, indented, with a final newline. */
MUST_CHECK struct error *json_write(const char *path, const cJSON *root);
/* The same with a seal, a last member "xxh64": the hash of the file's bytes with its own 16 digits as zeros. */
MUST_CHECK struct error *json_write_sealed(const char *path, const cJSON *root);
/* What json_write_sealed writes, into `out`, which must be empty; *seal: the hash. */
MUST_CHECK struct error *json_print_sealed(const cJSON *root, struct text *out, uint64_t *seal);
/* The seal must be there if "format" is `since` or more, and always when `since` is 0: older files have none. */
MUST_CHECK struct error *json_read_sealed(const char *path, int since, cJSON **root);
/* The same, and the seal's hash; 0 where there was none. */
MUST_CHECK struct error *json_read_seal(const char *path, int since, cJSON **root, uint64_t *seal);

/* A number that was read where a whole one belongs: an error that names `path` and the key if it is none, or beyond 2^53. */
MUST_CHECK struct error *whole_number(double value, const char *key, const char *path, int64_t *whole);

/* Typed members of `object`; a missing or wrong one is an error that names `path` and the key. */
MUST_CHECK struct error *json_get_number(const cJSON *object, const char *key, const char *path, double *value);
MUST_CHECK struct error *json_get_text(const cJSON *object, const char *key, const char *path, const char **value);

/* cJSON writes NaN and infinities as null; here they are the strings "nan", "inf", "-inf", and json_get_number reads
 * them back. False when memory is short. */
bool json_add_number(cJSON *object, const char *key, double value);

/* Appends `string` to `text` as a JSON string literal, quotes included. */
void json_quote(struct text *text, const char *string);
void json_quote_bytes(struct text *text, const char *bytes, size_t count); /* the same of a part of a string */

/* ---------------------------------------------------------------------------------------------- options (option.c) --- */

enum option_kind {
	OPTION_FLAG,  /* bool */
	OPTION_COUNT, /* int64_t; K, M, G or B, T mean 1e3, 1e6, 1e9, 1e12; 1e6 and 1.5M are fine */
	OPTION_REAL,  /* double */
	OPTION_TEXT,  /* const char *; points into argv or into the JSON tree */
	OPTION_LIST,  /* struct option_list; the option may be given several times, each time with one text */
};

/* The texts of an OPTION_LIST, in their order; they point where those of an OPTION_TEXT do. In JSON an array. */
#define OPTION_MOST_ITEMS 64
struct option_list {
	const char *items[OPTION_MOST_ITEMS];
	int count;
};

/* One row serves the parser, --help, the JSON echo and the JSON reader. */
struct option_row {
	const char *name; /* without the dashes; in JSON the dashes inside it become underscores */
	enum option_kind kind;
	size_t offset;        /* of the field in the target */
	const char *fallback; /* the default as the user would type it; NULL: required; "": unset (NULL, 0 or false) */
	double least, most;   /* for numbers, inclusive; both 0: any. Counts end at 2^53, where JSON's numbers do */
	const char *meaning;  /* for --help and docs; starts in lower case */
	const char *value;    /* what stands for the value in --help, such as "N" or "FILE"; NULL for flags */
};

/* Arguments that are not options, in order. */
struct operands {
	const char **items; /* points into argv; the array belongs to the caller: free() */
	int count;
};

/* Fills `target` with the defaults, then from argv[1..]. "--name value", "--name=value", "--no-flag"; "--" ends
 * options. Unknown names suggest the nearest known one. `operands` may be NULL when none are allowed. When --help is
 * among the arguments *help is set and nothing else is required. */
MUST_CHECK struct error *options_parse(
    const struct option_row *rows, size_t count, void *target, int argc, char **argv, struct operands *operands,
    bool *help);
MUST_CHECK struct error *options_defaults(const struct option_row *rows, size_t count, void *target);
/* Usage lines of the table, with live defaults, wrapped at 80 columns. */
void options_help(const struct option_row *rows, size_t count, struct text *out);

/* The same table to and from a JSON object; what is unset is null. Reading starts from what `target` holds; unknown
 * keys are errors unless they begin with "_" (comments). Numbers may also be strings as on the command line: "20M". */
MUST_CHECK struct error *options_to_json(
    const struct option_row *rows, size_t count, const void *target, cJSON *object);
MUST_CHECK struct error *options_from_json(
    const struct option_row *rows, size_t count, void *target, const cJSON *object, const char *path);

/* ------------------------------------------------------------------------------------------- progress (progress.c) --- */

/* A few lines on stderr that are redrawn in place on a terminal; elsewhere one plain line now and then. */
struct progress {
	bool terminal, quiet;
	int drawn;      /* lines on the screen */
	int columns;    /* width of the terminal */
	double printed; /* time of the last plain line */
};

void progress_open(struct progress *progress, bool quiet);
/* Shows `text` (lines split by \n, cut at the width). Not on a terminal: its first line, at most every 10 s. */
void progress_show(struct progress *progress, const char *text);
/* A message that stays, above the moving lines, which come back with the next progress_show. Silent when quiet. */
void progress_say(struct progress *progress, const char *format, ...) PRINTF_LIKE(2, 3);
void progress_close(struct progress *progress); /* clears the moving lines */

/* ---------------------------------------------------------------------------------------------- machine (machine.c)
 * --- */

struct machine {
	char cpu[96], vector_unit[16]; /* "avx512f", "avx2", "portable": what this binary was compiled for */
	int cores;                     /* that this process may use */
	double memory;                 /* bytes */
	char system[96], compiler[64];
	char blas[128]; /* library, version, flavour and kernel name */
	char blas_version[32], blas_flavour[24], blas_core[40];
	int blas_threads; /* that it would use */
	char version[48];
};

void machine_describe(struct machine *machine);
MUST_CHECK struct error *machine_to_json(const struct machine *machine, cJSON *object);

/* Register-only fused multiply-add rate of one core in GFLOP/s, measured for about `seconds`: what a perfect kernel
 * could reach. The best of several rounds. */
double machine_peak_gflops(double seconds);

/* Denormals to zero in the calling thread: Adam's second moments decay into them and slow a core tenfold. */
void machine_flush_denormals(void);

/* Lets thread i of the OpenMP teams that the calling thread will lead run on cores[i] alone. Only speed is at stake: a
 * core that there is not leaves its thread where it was. */
void machine_pin_threads(const int *cores, int count);

double clock_seconds(void);     /* monotonic */
double cpu_seconds(void);       /* of this process */
double peak_memory_bytes(void); /* largest resident size of this process so far */

/* SIGINT, SIGTERM and SIGHUP (unless that is ignored). After interrupt_end they end the program with a message and exit code
 * 130; after interrupt_watch long loops poll interrupt_pending, and the second such signal ends the program at once. */
void interrupt_end(void);
void interrupt_watch(void);
bool interrupt_pending(void);

/* --------------------------------------------------------------------------------------------- the door (cmd.c) --- */

/* How every command ends: prints "error: <message>" to stderr, releases the error and returns the exit code; 0 for
 * NULL. */
int error_report(struct error *error);

/* What --json prints on stdout. */
MUST_CHECK struct error *print_json(const cJSON *root);
/* What --help prints on stdout: `usage`, then the options with their defaults. */
MUST_CHECK struct error *print_help(const char *usage, const struct option_row *rows, size_t count);
/* The same as the end of a command: returns the exit code. */
int command_help(const char *usage, const struct option_row *rows, size_t count);

/* How a row of a table of commands begins. */
struct command_name {
	const char *name, *help;
};

/* Finds argv[1] among `count` rows of `size` bytes, each of which begins with a struct command_name, and puts its index
 * into *found. Otherwise *found is -1, help or the error has been printed, and the exit code is returned. `program` is
 * "rung" or "rung data"; `about`, a sentence, may be NULL. */
int command_find(
    const char *program, const char *about, const void *rows, size_t count, size_t size, int argc, char **argv,
    int *found);

#endif
