/* corpus.c - reads a corpus file. Nothing in the file is believed before it has been checked. */
#include "data/corpus_file.h"

#include "data/fold.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>
#include <zstd.h>

#define CACHE_BYTES ((size_t)256 << 20)
#define NOWHERE UINT32_MAX

/* A decoded frame. Slots form a list from the newest to the oldest use. */
struct slot {
	unsigned char *bytes;
	uint32_t frame; /* index in `frames` */
	uint32_t newer, older;
};

struct corpus {
	char *path;
	int file;
	struct corpus_info info;
	struct tokenizer tokenizer;
	uint64_t split_hashes[SPLIT_COUNT];
	cJSON *header;
	struct frame *frames;            /* train, then held-out */
	uint32_t first[SPLIT_COUNT + 1]; /* of each split in `frames` */
	size_t token_size;
	uint32_t *slot_of; /* (frames) NOWHERE: not decoded */
	struct slot *slots;
	uint32_t slot_count, slot_most, newest, oldest;
	ZSTD_DCtx *unpacker;
	unsigned char *packed; /* room for the largest frame */
};

/* ------------------------------------------------------------------------------------------------------- opening --- */

static struct error *read_at(
    const struct corpus *corpus, uint64_t offset, void *bytes, size_t count, const char *what) {
	unsigned char *to = bytes;
	for (int attempts = 0; count > 0;) {
		ssize_t got = pread(corpus->file, to, count, (off_t)offset);
		if (got < 0 && call_again(&attempts)) continue;
		if (got < 0) return error_within(error_system("read", corpus->path), "%s", what);
		if (got == 0)
			return error_new(
			    ERROR_DATA,
			    "%s: the file ends at byte %llu, inside its %s: it is truncated; make it again or fetch it again",
			    corpus->path, (unsigned long long)offset, what);
		attempts = 0;
		to += got;
		offset += (uint64_t)got;
		count -= (size_t)got;
	}
	return NULL;
}

static struct error *damaged(const struct corpus *corpus, const char *what, uint64_t from, uint64_t bytes) {
	return error_new(
	    ERROR_DATA,
	    "%s: damaged %s (bytes %llu to %llu): its bytes do not have the hash that was written for them; make the "
	    "corpus again or fetch it again",
	    corpus->path, what, (unsigned long long)from, (unsigned long long)(from + bytes - 1));
}

static struct error *open_file(struct corpus *corpus, uint64_t *size) {
	struct stat status;
	corpus->file = file_open(corpus->path, O_RDONLY | O_CLOEXEC);
	if (corpus->file < 0) return error_system("open", corpus->path);
	if (fstat(corpus->file, &status)) return error_system("look at", corpus->path);
	if (!S_ISREG(status.st_mode))
		return error_new(
		    ERROR_DATA, "%s: not a regular file; a corpus is a file made by 'rung data import'", corpus->path);
	*size = (uint64_t)status.st_size;
	return NULL;
}

static struct error *read_preamble(struct corpus *corpus, uint64_t size, struct preamble *preamble) {
	unsigned char bytes[PREAMBLE_BYTES];
	if (size < PREAMBLE_BYTES)
		return error_new(
		    ERROR_DATA, "%s: not a corpus: it has %llu bytes, fewer than the %d of a corpus's preamble", corpus->path,
		    (unsigned long long)size, PREAMBLE_BYTES);
	TRY(read_at(corpus, 0, bytes, sizeof bytes, "preamble"));
	TRY(preamble_unpack(bytes, corpus->path, preamble));
	if (preamble->file_bytes != size)
		return error_new(
		    ERROR_DATA, "%s: %s: it has %llu bytes, expected %llu; make it again or fetch it again", corpus->path,
		    size < preamble->file_bytes ? "truncated" : "bytes were added at its end", (unsigned long long)size,
		    (unsigned long long)preamble->file_bytes);
	uint64_t rows = (uint64_t)preamble->frames[SPLIT_TRAIN] + preamble->frames[SPLIT_HELD_OUT];
	if (preamble->header_bytes == 0 || preamble->header_bytes > HEADER_MOST ||
	    preamble->header_bytes + rows * TABLE_ROW_BYTES > size - PREAMBLE_BYTES || rows >= NOWHERE)
		return error_new(
		    ERROR_DATA,
		    "%s: impossible preamble (bytes 12 to 23): a header of %u bytes and %llu frames do not fit in the "
		    "file; it was not made by rung",
		    corpus->path, (unsigned)preamble->header_bytes, (unsigned long long)rows);
	return NULL;
}

static struct error *read_header(struct corpus *corpus, const struct preamble *preamble) {
	char *json = malloc(preamble->header_bytes + 1);
	if (!json) return error_memory(preamble->header_bytes);
	struct error *error = read_at(corpus, PREAMBLE_BYTES, json, preamble->header_bytes, "header");
	if (!error && !hash_agrees(hash_bytes(json, preamble->header_bytes, 0), preamble->header_hash))
		error = damaged(corpus, "header", PREAMBLE_BYTES, preamble->header_bytes);
	if (!error) error = json_parse(corpus->path, json, preamble->header_bytes, &corpus->header);
	free(json);
	if (error) return error;
	TRY(info_from_json(corpus->header, corpus->path, &corpus->info, corpus->split_hashes));
	TRY(tokenizer_from_json(corpus->header, corpus->path, &corpus->tokenizer));
	snprintf(corpus->info.tokenizer, sizeof corpus->info.tokenizer, "%s", tokenizer_name(&corpus->tokenizer));
	corpus->info.vocab = corpus->tokenizer.vocab;
	corpus->token_size = token_bytes(corpus->info.vocab);
	if (corpus->info.hash != corpus_hash(&corpus->tokenizer, corpus->info.tokens, corpus->split_hashes))
		return error_new(
		    ERROR_DATA,
		    "%s: the header's \"hash\" is not that of its tokenizer and splits; the file was not made by rung",
		    corpus->path);
	return NULL;
}

/* Frames stand one after the other up to the end of the file, full ones except the last of each split. */
static struct error *check_table(const struct corpus *corpus, uint64_t offset, uint64_t size) {
	size_t packed_most = ZSTD_compressBound(FRAME_TOKENS * corpus->token_size);
	for (int split = 0; split < SPLIT_COUNT; split++) {
		uint64_t total = 0;
		for (uint32_t i = corpus->first[split]; i < corpus->first[split + 1]; i++) {
			const struct frame *frame = &corpus->frames[i];
			bool last = i + 1 == corpus->first[split + 1];
			if (frame->offset != offset || frame->bytes == 0 || frame->bytes > packed_most ||
			    frame->bytes > size - offset || frame->tokens == 0 || frame->tokens > FRAME_TOKENS ||
			    (!last && frame->tokens != FRAME_TOKENS))
				return error_new(
				    ERROR_DATA,
				    "%s: impossible row %u of the table: frame at byte %llu, %u bytes, %u tokens; expected it at "
				    "byte %llu; the file was not made by rung",
				    corpus->path, (unsigned)i, (unsigned long long)frame->offset, (unsigned)frame->bytes,
				    (unsigned)frame->tokens, (unsigned long long)offset);
			offset += frame->bytes;
			total += frame->tokens;
		}
		if (total != corpus->info.tokens[split])
			return error_new(
			    ERROR_DATA, "%s: the table has %llu %s tokens, the header says %llu; the file was not made by rung",
			    corpus->path, (unsigned long long)total, split_names[split],
			    (unsigned long long)corpus->info.tokens[split]);
	}
	if (offset == size) return NULL;
	return error_new(
	    ERROR_DATA, "%s: the frames end at byte %llu, the file at %llu; the file was not made by rung", corpus->path,
	    (unsigned long long)offset, (unsigned long long)size);
}

static struct error *read_table(struct corpus *corpus, const struct preamble *preamble, uint64_t size) {
	corpus->first[1] = preamble->frames[SPLIT_TRAIN];
	corpus->first[2] = corpus->first[1] + preamble->frames[SPLIT_HELD_OUT];
	size_t count = corpus->first[2], bytes = count * TABLE_ROW_BYTES;
	uint64_t from = PREAMBLE_BYTES + (uint64_t)preamble->header_bytes;
	unsigned char *rows = malloc(bytes + 1);
	corpus->frames = array_new(count + 1, sizeof *corpus->frames);
	corpus->slot_of = array_new(count + 1, sizeof *corpus->slot_of);
	struct error *error = NULL;
	if (!rows || !corpus->frames || !corpus->slot_of) {
		error = error_memory(bytes);
		goto done;
	}
	error = read_at(corpus, from, rows, bytes, "table of frames");
	if (error) goto done;
	if (!hash_agrees(hash_bytes(rows, bytes, 0), preamble->table_hash)) {
		error = damaged(corpus, "table of frames", from, bytes);
		goto done;
	}
	for (size_t i = 0; i < count; i++) {
		corpus->frames[i] = frame_unpack(rows + i * TABLE_ROW_BYTES);
		corpus->slot_of[i] = NOWHERE;
	}
	error = check_table(corpus, from + bytes, size);
done:
	free(rows);
	return error;
}

void corpus_limit_cache(struct corpus *corpus, size_t bytes) {
	size_t slots = bytes / (FRAME_TOKENS * corpus->token_size);
	if (slots > corpus->first[2]) slots = corpus->first[2];
	corpus->slot_most = slots > 0 ? (uint32_t)slots : 1;
}

static struct error *prepare_cache(struct corpus *corpus) {
	size_t frame_bytes = FRAME_TOKENS * corpus->token_size;
	corpus_limit_cache(corpus, CACHE_BYTES);
	corpus->newest = corpus->oldest = NOWHERE;
	corpus->slots = array_new(corpus->slot_most, sizeof *corpus->slots);
	corpus->unpacker = ZSTD_createDCtx();
	corpus->packed = malloc(ZSTD_compressBound(frame_bytes));
	if (corpus->slots && corpus->unpacker && corpus->packed) return NULL;
	return error_memory(ZSTD_compressBound(frame_bytes));
}

struct error *corpus_open(const char *path, struct corpus **corpus) {
	*corpus = NULL;
	struct corpus *made = array_new(1, sizeof *made);
	if (!made) return error_memory(sizeof *made);
	made->file = -1;
	made->path = strdup(path);
	struct error *error = made->path ? NULL : error_memory(strlen(path));
	struct preamble preamble;
	uint64_t size = 0;
	if (!error) error = open_file(made, &size);
	if (!error) error = read_preamble(made, size, &preamble);
	if (!error) error = read_header(made, &preamble);
	if (!error) error = read_table(made, &preamble, size);
	if (!error) error = prepare_cache(made);
	if (error) {
		corpus_close(made);
		return error;
	}
	*corpus = made;
	return NULL;
}

void corpus_close(struct corpus *corpus) {
	if (!corpus) return;
	if (corpus->file >= 0) close(corpus->file);
	for (uint32_t i = 0; i < corpus->slot_count; i++) free(corpus->slots[i].bytes);
	tokenizer_close(&corpus->tokenizer);
	cJSON_Delete(corpus->header);
	ZSTD_freeDCtx(corpus->unpacker);
	free(corpus->path);
	free(corpus->frames);
	free(corpus->slot_of);
	free(corpus->slots);
	free(corpus->packed);
	free(corpus);
}

const struct corpus_info *corpus_info(const struct corpus *corpus) {
	return &corpus->info;
}

double corpus_bits_per_byte(const struct corpus_info *info, double loss) {
	const double tokens = (double)info->tokens[SPLIT_HELD_OUT], bytes = (double)info->bytes[SPLIT_HELD_OUT];
	return bytes > 0 ? loss / log(2) * tokens / bytes : NAN;
}

const cJSON *corpus_header(const struct corpus *corpus) {
	return corpus->header;
}

uint64_t corpus_frames(const struct corpus *corpus, enum split split) {
	return corpus->first[split + 1] - corpus->first[split];
}

/* -------------------------------------------------------------------------------------------------------- frames --- */

static void unlink_slot(struct corpus *corpus, uint32_t index) {
	struct slot *slot = &corpus->slots[index];
	*(slot->newer == NOWHERE ? &corpus->newest : &corpus->slots[slot->newer].older) = slot->older;
	*(slot->older == NOWHERE ? &corpus->oldest : &corpus->slots[slot->older].newer) = slot->newer;
}

static void link_newest(struct corpus *corpus, uint32_t index) {
	corpus->slots[index].newer = NOWHERE;
	corpus->slots[index].older = corpus->newest;
	*(corpus->newest == NOWHERE ? &corpus->oldest : &corpus->slots[corpus->newest].newer) = index;
	corpus->newest = index;
}

/* A slot to decode into: a new one, or that of the frame that has not been used for longest. It is in no list. */
static struct error *free_slot(struct corpus *corpus, uint32_t *index) {
	if (corpus->slot_count < corpus->slot_most) {
		unsigned char *bytes = malloc(FRAME_TOKENS * corpus->token_size);
		if (!bytes) return error_memory(FRAME_TOKENS * corpus->token_size);
		*index = corpus->slot_count++;
		corpus->slots[*index] = (struct slot){.bytes = bytes, .frame = NOWHERE};
		return NULL;
	}
	*index = corpus->oldest;
	unlink_slot(corpus, *index);
	if (corpus->slots[*index].frame != NOWHERE) corpus->slot_of[corpus->slots[*index].frame] = NOWHERE;
	return NULL;
}

static struct error *decode_frame(struct corpus *corpus, uint32_t index, unsigned char *bytes) {
	const struct frame *frame = &corpus->frames[index];
	int split = index >= corpus->first[SPLIT_HELD_OUT];
	char what[64];
	snprintf(what, sizeof what, "frame %u of %s", (unsigned)(index - corpus->first[split]), split_names[split]);
	TRY(read_at(corpus, frame->offset, corpus->packed, frame->bytes, what));
	if (!hash_agrees(hash_bytes(corpus->packed, frame->bytes, 0), frame->hash))
		return damaged(corpus, what, frame->offset, frame->bytes);
	size_t expected = frame->tokens * corpus->token_size;
	size_t found = ZSTD_decompressDCtx(corpus->unpacker, bytes, expected, corpus->packed, frame->bytes);
	if (found != expected)
		return error_new(
		    ERROR_DATA, "%s: %s (byte %llu) does not decompress to its %u tokens: %s; the file was not made by rung",
		    corpus->path, what, (unsigned long long)frame->offset, (unsigned)frame->tokens,
		    ZSTD_isError(found) ? ZSTD_getErrorName(found) : "other size");
	int largest = tokens_largest(bytes, frame->tokens, corpus->token_size);
	if (largest >= corpus->info.vocab)
		return error_new(
		    ERROR_DATA, "%s: %s (byte %llu) has a token %d, but V = %d; the file was not made by rung", corpus->path,
		    what, (unsigned long long)frame->offset, largest, corpus->info.vocab);
	return NULL;
}

/* The decoded bytes of a frame, as the newest of the cache. */
static struct error *get_frame(struct corpus *corpus, uint32_t index, const unsigned char **bytes) {
	uint32_t slot = corpus->slot_of[index];
	if (slot == NOWHERE) {
		TRY(free_slot(corpus, &slot));
		struct error *error = decode_frame(corpus, index, corpus->slots[slot].bytes);
		if (error) { /* the slot holds nothing now, and will be used again */
			corpus->slots[slot].frame = NOWHERE;
			link_newest(corpus, slot);
			return error;
		}
		corpus->slots[slot].frame = index;
		corpus->slot_of[index] = slot;
	} else
		unlink_slot(corpus, slot);
	link_newest(corpus, slot);
	*bytes = corpus->slots[slot].bytes;
	return NULL;
}

struct error *corpus_read(struct corpus *corpus, enum split split, uint64_t start, size_t count, uint16_t *tokens) {
	uint64_t total = corpus->info.tokens[split];
	if (start > total || count > total - start)
		return error_new(
		    ERROR_DATA,
		    "%s: tokens %llu to %llu of %s were asked for, but there are %llu; use a larger corpus or ask for less",
		    corpus->path, (unsigned long long)start, (unsigned long long)(start + count), split_names[split],
		    (unsigned long long)total);
	while (count > 0) {
		size_t at = (size_t)(start % FRAME_TOKENS);
		size_t part = FRAME_TOKENS - at < count ? FRAME_TOKENS - at : count;
		const unsigned char *bytes;
		TRY(get_frame(corpus, corpus->first[split] + (uint32_t)(start / FRAME_TOKENS), &bytes));
		tokens_unpack(bytes + at * corpus->token_size, part, corpus->token_size, tokens);
		start += part;
		tokens += part;
		count -= part;
	}
	return NULL;
}

struct error *corpus_check(struct corpus *corpus) {
	struct error *error = NULL;
	unsigned char *bytes = malloc(FRAME_TOKENS * corpus->token_size), *wide = malloc(2 * FRAME_TOKENS);
	uint16_t *tokens = array_new(FRAME_TOKENS, sizeof *tokens);
	XXH64_state_t *hash = XXH64_createState();
	if (!bytes || !wide || !tokens || !hash) {
		error = error_memory(6 * FRAME_TOKENS);
		goto done;
	}
	for (int split = 0; split < SPLIT_COUNT; split++) {
		XXH64_reset(hash, 0);
		for (uint32_t i = corpus->first[split]; i < corpus->first[split + 1]; i++) {
			error = decode_frame(corpus, i, bytes);
			if (error) goto done;
			tokens_unpack(bytes, corpus->frames[i].tokens, corpus->token_size, tokens);
			tokens_pack(tokens, corpus->frames[i].tokens, 2, wide);
			XXH64_update(hash, wide, 2 * (size_t)corpus->frames[i].tokens);
			if (interrupt_pending()) {
				error = error_new(ERROR_INTERRUPTED, "interrupted while checking %s", corpus->path);
				goto done;
			}
		}
		if (hash_agrees(XXH64_digest(hash), corpus->split_hashes[split])) continue;
		error = error_new(
		    ERROR_DATA, "%s: the tokens of %s do not have the hash that the header says; the file was not made by rung",
		    corpus->path, split_names[split]);
		goto done;
	}
done:
	free(bytes);
	free(wide);
	free(tokens);
	XXH64_freeState(hash);
	return error;
}

/* ---------------------------------------------------------------------------------------------- text and tokens --- */

struct error *corpus_decode(const struct corpus *corpus, const uint16_t *tokens, size_t count, struct text *out) {
	for (size_t i = 0; i < count; i++)
		if (tokens[i] >= corpus->info.vocab)
			return error_new(
			    ERROR_DATA, "%s: token %d stands for nothing in this corpus: V = %d", corpus->path, tokens[i],
			    corpus->info.vocab);
	tokenizer_decode(&corpus->tokenizer, tokens, count, out);
	return text_error(out);
}

/* "12 0 7" */
static struct error *parse_symbols(
    const struct corpus *corpus, const char *bytes, size_t count, uint16_t *tokens, size_t *token_count) {
	for (size_t at = 0; at < count;) {
		if (strchr(" \t\r\n", bytes[at]) && bytes[at]) {
			at++;
			continue;
		}
		size_t start = at;
		long value = 0;
		while (at < count && bytes[at] >= '0' && bytes[at] <= '9' && value < VOCAB_MOST)
			value = 10 * value + (bytes[at++] - '0');
		bool ended = at == count || (bytes[at] && strchr(" \t\r\n", bytes[at]));
		if (at == start || !ended || value >= corpus->info.vocab)
			return error_new(
			    ERROR_DATA,
			    "%s: its tokens are symbols, so text is numbers from 0 to %d with spaces between; found '%.*s'",
			    corpus->path, corpus->info.vocab - 1, (int)(count - start < 20 ? count - start : 20), bytes + start);
		tokens[(*token_count)++] = (uint16_t)value;
	}
	return NULL;
}

struct error *corpus_encode(
    const struct corpus *corpus, const char *bytes, size_t count, uint16_t **tokens, size_t *token_count) {
	bool folds = corpus->tokenizer.kind == TOKENIZER_CHAR;
	*tokens = NULL;
	*token_count = 0;
	char *folded = folds ? malloc(FOLD_ROOM(count)) : NULL;
	size_t length = count;
	struct error *error = NULL;
	if (folds) {
		if (!folded) return error_memory(FOLD_ROOM(count));
		struct fold fold = {0};
		length = fold_bytes(&fold, bytes, count, folded);
		length += fold_end(&fold, folded + length);
	}
	uint16_t *made = array_new(length + 1, sizeof *made);
	if (!made)
		error = error_memory(length * sizeof *made);
	else if (corpus->tokenizer.kind == TOKENIZER_SYMBOLS)
		error = parse_symbols(corpus, bytes, count, made, token_count);
	else
		*token_count = tokenizer_encode(&corpus->tokenizer, folds ? folded : bytes, length, made);
	free(folded);
	if (error) {
		free(made);
		*token_count = 0;
		return error;
	}
	*tokens = made;
	return NULL;
}
