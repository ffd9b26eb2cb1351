/* corpus_write.c - tokens become frames, frames become a corpus file. */
#include "data/corpus_write.h"

#include "data/corpus_file.h"
#include "data/entropy.h"
#include "data/spool.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include <zstd.h>

#define FRAME_LEVEL 3

/* One split under way. */
struct part {
	uint16_t *tokens; /* (FRAME_TOKENS) the frame that is being filled */
	size_t filled;
	struct frame *frames; /* offsets are those in the temporary file until the end */
	size_t frame_count, frame_capacity;
	uint64_t total; /* tokens in finished frames */
	XXH64_state_t *hash;
};

struct corpus_writer {
	char *path;
	const struct tokenizer *tokenizer;
	size_t token_size;
	struct part parts[SPLIT_COUNT];
	uint64_t *counts; /* (V) of the train split */
	FILE *frames;
	uint64_t frames_bytes;
	ZSTD_CCtx *packer;
	unsigned char *plain, *packed; /* room for one frame */
	size_t plain_room, packed_room;
};

struct error *corpus_writer_open(const char *path, const struct tokenizer *tokenizer, struct corpus_writer **writer) {
	*writer = NULL;
	struct corpus_writer *made = array_new(1, sizeof *made);
	if (!made) return error_memory(sizeof *made);
	struct error *error = NULL;
	made->tokenizer = tokenizer;
	made->token_size = token_bytes(tokenizer->vocab);
	made->plain_room = FRAME_TOKENS * made->token_size;
	made->packed_room = ZSTD_compressBound(made->plain_room);
	made->path = strdup(path);
	made->counts = array_new((size_t)tokenizer->vocab, sizeof *made->counts);
	made->packer = ZSTD_createCCtx();
	made->plain = malloc(made->plain_room);
	made->packed = malloc(made->packed_room);
	bool complete = made->path && made->counts && made->packer && made->plain && made->packed;
	for (int split = 0; split < SPLIT_COUNT; split++) {
		struct part *part = &made->parts[split];
		part->tokens = array_new(FRAME_TOKENS, sizeof *part->tokens);
		part->hash = XXH64_createState();
		if (part->hash) XXH64_reset(part->hash, 0);
		complete = complete && part->tokens && part->hash;
	}
	error = complete ? temporary_open(path, &made->frames) : error_memory(8 * made->plain_room);
	if (error) {
		corpus_writer_close(made);
		return error;
	}
	*writer = made;
	return NULL;
}

void corpus_writer_close(struct corpus_writer *writer) {
	if (!writer) return;
	for (int split = 0; split < SPLIT_COUNT; split++) {
		free(writer->parts[split].tokens);
		free(writer->parts[split].frames);
		XXH64_freeState(writer->parts[split].hash);
	}
	if (writer->frames) fclose(writer->frames);
	ZSTD_freeCCtx(writer->packer);
	free(writer->path);
	free(writer->counts);
	free(writer->plain);
	free(writer->packed);
	free(writer);
}

static struct error *finish_frame(struct corpus_writer *writer, enum split split) {
	struct part *part = &writer->parts[split];
	if (part->filled == 0) return NULL;
	TRY(array_reserve((void **)&part->frames, &part->frame_capacity, part->frame_count + 1, sizeof *part->frames));
	if (split == SPLIT_TRAIN)
		for (size_t i = 0; i < part->filled; i++) writer->counts[part->tokens[i]]++;
	/* The hash takes 2 bytes a token however they are stored. */
	unsigned char wide[4096];
	for (size_t at = 0; at < part->filled; at += sizeof wide / 2) {
		size_t count = part->filled - at < sizeof wide / 2 ? part->filled - at : sizeof wide / 2;
		tokens_pack(part->tokens + at, count, 2, wide);
		XXH64_update(part->hash, wide, 2 * count);
	}
	size_t plain = part->filled * writer->token_size;
	tokens_pack(part->tokens, part->filled, writer->token_size, writer->plain);
	size_t packed =
	    ZSTD_compressCCtx(writer->packer, writer->packed, writer->packed_room, writer->plain, plain, FRAME_LEVEL);
	if (ZSTD_isError(packed))
		return error_new(ERROR_FAILED, "%s: cannot compress a frame: %s", writer->path, ZSTD_getErrorName(packed));
	TRY(temporary_write(writer->frames, writer->path, writer->packed, packed));
	part->frames[part->frame_count++] = (struct frame){
	    writer->frames_bytes, (uint32_t)packed, (uint32_t)part->filled, hash_bytes(writer->packed, packed, 0)};
	writer->frames_bytes += packed;
	part->total += part->filled;
	part->filled = 0;
	return NULL;
}

struct error *corpus_writer_add(struct corpus_writer *writer, enum split split, const uint16_t *tokens, size_t count) {
	struct part *part = &writer->parts[split];
	while (count > 0) {
		size_t room = FRAME_TOKENS - part->filled, some = count < room ? count : room;
		memcpy(part->tokens + part->filled, tokens, some * sizeof *tokens);
		part->filled += some;
		tokens += some;
		count -= some;
		if (part->filled == FRAME_TOKENS) TRY(finish_frame(writer, split));
	}
	return NULL;
}

uint64_t corpus_writer_tokens(const struct corpus_writer *writer, enum split split) {
	return writer->parts[split].total + writer->parts[split].filled;
}

/* ------------------------------------------------------------------------------------------------------ entropies --- */

/* Reads a frame back from the temporary file, to `writer->packed`. */
static struct error *read_back(struct corpus_writer *writer, const struct frame *frame, uint64_t offset) {
	if (fseeko(writer->frames, (off_t)offset, SEEK_SET))
		return error_system("read from a temporary file beside", writer->path);
	TRY(temporary_read(writer->frames, writer->path, writer->packed, frame->bytes));
	if (hash_bytes(writer->packed, frame->bytes, 0) == frame->hash) return NULL;
	return error_new(
	    ERROR_FAILED,
	    "a temporary file beside %s came back from the disk with other bytes than were written to it; check "
	    "the disk and the memory of this machine",
	    writer->path);
}

/* Pairs inside the frames of the train split, in a shuffled order: when the table fills up before the end, what has been
 * counted is an even sample. */
static struct error *measure_bigrams(struct corpus_writer *writer, double *entropy, uint64_t *pairs) {
	struct part *part = &writer->parts[SPLIT_TRAIN];
	struct pair_counter *counter;
	TRY(pair_counter_open(writer->tokenizer->vocab, &counter));
	struct error *error = NULL;
	bool full = false;
	for (size_t i = 0; i < part->frame_count && !full && !error; i++) {
		const struct frame *frame = &part->frames[permuted_index(0, part->frame_count, i)];
		error = read_back(writer, frame, frame->offset);
		if (error) break;
		size_t plain = ZSTD_decompress(writer->plain, writer->plain_room, writer->packed, frame->bytes);
		if (plain != frame->tokens * writer->token_size) {
			error = error_new(
			    ERROR_FAILED, "%s: a compressed frame does not decompress: %s", writer->path,
			    ZSTD_isError(plain) ? ZSTD_getErrorName(plain) : "other size");
			break;
		}
		tokens_unpack(writer->plain, frame->tokens, writer->token_size, part->tokens);
		error = pair_counter_add(counter, part->tokens, frame->tokens, &full);
		if (!error && interrupt_pending())
			error = error_new(ERROR_INTERRUPTED, "interrupted; %s has not been written", writer->path);
	}
	*entropy = pair_counter_entropy(counter, pairs);
	pair_counter_close(counter);
	return error;
}

/* ------------------------------------------------------------------------------------------------------- assembly --- */

static struct error *make_header(
    const struct corpus_writer *writer, const struct corpus_info *info, const uint64_t hashes[SPLIT_COUNT],
    uint64_t pairs, cJSON *more, struct text *text) {
	struct error *error = NULL;
	cJSON *header = cJSON_CreateObject();
	if (!header || !json_add_number(header, "format", CORPUS_FORMAT)) {
		error = error_memory(0);
		goto done;
	}
	error = tokenizer_to_json(writer->tokenizer, header);
	if (!error) error = info_to_json(info, hashes, pairs, header);
	if (error) goto done;
	for (cJSON *item = more ? more->child : NULL; item; item = item->next)
		if (!cJSON_AddItemReferenceToObject(header, item->string, item)) {
			error = error_memory(0);
			goto done;
		}
	json_print(header, false, text);
	text_add_string(text, "\n");
	error = text_error(text);
	if (!error && text->length > HEADER_MOST)
		error = error_new(
		    ERROR_DATA, "%s: its header would have %zu bytes, more than 8 MiB; name folders with shorter paths",
		    writer->path, text->length);
done:
	cJSON_Delete(header);
	return error;
}

static struct error *write_file(struct corpus_writer *writer, const struct text *header) {
	size_t frame_count = writer->parts[SPLIT_TRAIN].frame_count + writer->parts[SPLIT_HELD_OUT].frame_count;
	size_t table_bytes = frame_count * TABLE_ROW_BYTES, row = 0;
	unsigned char *table = malloc(table_bytes + 1), preamble_bytes[PREAMBLE_BYTES];
	if (!table) return error_memory(table_bytes);
	uint64_t offset = PREAMBLE_BYTES + header->length + table_bytes;
	for (int split = 0; split < SPLIT_COUNT; split++)
		for (size_t i = 0; i < writer->parts[split].frame_count; i++) {
			struct frame frame = writer->parts[split].frames[i];
			frame.offset = offset;
			offset += frame.bytes;
			frame_pack(&frame, table + TABLE_ROW_BYTES * row++);
		}
	struct preamble preamble = {
	    .header_bytes = (uint32_t)header->length,
	    .frames = {(uint32_t)writer->parts[0].frame_count, (uint32_t)writer->parts[1].frame_count},
	    .file_bytes = offset,
	    .header_hash = hash_bytes(header->data, header->length, 0),
	    .table_hash = hash_bytes(table, table_bytes, 0),
	};
	preamble_pack(&preamble, preamble_bytes);
	struct file_writer file;
	struct error *error = file_begin(&file, writer->path);
	if (error) {
		free(table);
		return error;
	}
	error = file_put(&file, preamble_bytes, sizeof preamble_bytes);
	if (!error) error = file_put(&file, header->data, header->length);
	if (!error) error = file_put(&file, table, table_bytes);
	for (int split = 0; split < SPLIT_COUNT; split++)
		for (size_t i = 0; i < writer->parts[split].frame_count && !error; i++) {
			const struct frame *frame = &writer->parts[split].frames[i];
			error = read_back(writer, frame, frame->offset);
			if (!error) error = file_put(&file, writer->packed, frame->bytes);
		}
	free(table);
	if (!error) return file_commit(&file);
	file_abandon(&file);
	return error;
}

struct error *corpus_writer_finish(struct corpus_writer *writer, struct corpus_info *info, cJSON *more) {
	uint64_t hashes[SPLIT_COUNT], pairs;
	for (int split = 0; split < SPLIT_COUNT; split++) {
		TRY(finish_frame(writer, (enum split)split));
		hashes[split] = XXH64_digest(writer->parts[split].hash);
		info->tokens[split] = writer->parts[split].total;
	}
	snprintf(info->tokenizer, sizeof info->tokenizer, "%s", tokenizer_name(writer->tokenizer));
	info->vocab = writer->tokenizer->vocab;
	info->hash = corpus_hash(writer->tokenizer, info->tokens, hashes);
	info->unigram = entropy_of_counts(writer->counts, (size_t)info->vocab);
	TRY(measure_bigrams(writer, &info->bigram, &pairs));
	struct text header = {0};
	struct error *error = make_header(writer, info, hashes, pairs, more, &header);
	if (!error) error = write_file(writer, &header);
	text_free(&header);
	return error;
}
