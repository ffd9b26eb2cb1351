/* tokenizer.c - bytes to tokens and back. */
#include "data/tokenizer.h"

#include "data/bpe.h"

#include <stdlib.h>
#include <string.h>

static const char *const names[] = {"char", "byte", "bpe", "symbols"};

const char *tokenizer_name(const struct tokenizer *tokenizer) {
	return names[tokenizer->kind];
}

void tokenizer_close(struct tokenizer *tokenizer) {
	bpe_close(tokenizer->bpe);
	*tokenizer = (struct tokenizer){0};
}

/* -------------------------------------------------------------------------------------------------------- header --- */

static struct error *merges_to_json(const struct bpe *bpe, cJSON *header) {
	size_t count;
	const struct bpe_merge *merges = bpe_merges(bpe, &count);
	cJSON *list = cJSON_AddArrayToObject(header, "merges");
	for (size_t i = 0; i < count && list; i++) {
		int pair[2] = {merges[i].left, merges[i].right};
		cJSON *item = cJSON_CreateIntArray(pair, 2);
		if (!item || !cJSON_AddItemToArray(list, item)) {
			cJSON_Delete(item);
			return error_memory(0);
		}
	}
	return list ? NULL : error_memory(0);
}

struct error *tokenizer_to_json(const struct tokenizer *tokenizer, cJSON *header) {
	if (!cJSON_AddStringToObject(header, "tokenizer", tokenizer_name(tokenizer)) ||
	    !json_add_number(header, "vocab", tokenizer->vocab))
		return error_memory(0);
	if (tokenizer->kind == TOKENIZER_CHAR && !cJSON_AddStringToObject(header, "alphabet", CHAR_ALPHABET))
		return error_memory(0);
	return tokenizer->kind == TOKENIZER_BPE ? merges_to_json(tokenizer->bpe, header) : NULL;
}

static bool token_number(const cJSON *item, uint16_t *token) {
	if (!cJSON_IsNumber(item) || !(item->valuedouble >= 0 && item->valuedouble < VOCAB_MOST)) return false;
	*token = (uint16_t)item->valuedouble;
	return *token == item->valuedouble;
}

static struct error *merges_from_json(const cJSON *header, const char *path, size_t count, struct bpe **bpe) {
	const cJSON *list = cJSON_GetObjectItemCaseSensitive(header, "merges");
	size_t found = cJSON_IsArray(list) ? (size_t)cJSON_GetArraySize(list) : 0;
	if (found != count)
		return error_new(
		    ERROR_DATA, "%s: the header has %zu \"merges\", expected %zu (its \"vocab\" less 256)", path, found, count);
	struct bpe_merge *merges = array_new(count + 1, sizeof *merges);
	if (!merges) return error_memory(count * sizeof *merges);
	struct error *error = NULL;
	size_t i = 0;
	for (const cJSON *pair = list->child; pair; pair = pair->next, i++) {
		const cJSON *left = cJSON_IsArray(pair) ? pair->child : NULL;
		if (left && left->next && !left->next->next && token_number(left, &merges[i].left) &&
		    token_number(left->next, &merges[i].right))
			continue;
		error = error_new(ERROR_DATA, "%s: merge %zu of the header's \"merges\" is not a pair of tokens", path, i);
		goto done;
	}
	error = bpe_open(merges, count, path, bpe);
done:
	free(merges);
	return error;
}

struct error *tokenizer_from_json(const cJSON *header, const char *path, struct tokenizer *tokenizer) {
	const char *name;
	double vocab;
	*tokenizer = (struct tokenizer){0};
	TRY(json_get_text(header, "tokenizer", path, &name));
	TRY(json_get_number(header, "vocab", path, &vocab));
	size_t kind = 0;
	while (kind < COUNT_OF(names) && strcmp(names[kind], name) != 0) kind++;
	if (kind == COUNT_OF(names))
		return error_new(
		    ERROR_DATA, "%s: unknown \"tokenizer\" '%.100s'; known are char, byte, bpe and symbols", path, name);
	static const int least[] = {CHAR_VOCAB, BYTE_VOCAB, BPE_BASE + 1, 1};
	static const int most[] = {CHAR_VOCAB, BYTE_VOCAB, VOCAB_MOST, VOCAB_MOST};
	if (!(vocab >= least[kind] && vocab <= most[kind] && vocab == (int)vocab))
		return error_new(
		    ERROR_DATA, "%s: \"vocab\" is %g, but for the tokenizer %s it lies between %d and %d", path, vocab, name,
		    least[kind], most[kind]);
	tokenizer->kind = (enum tokenizer_kind)kind;
	tokenizer->vocab = (int)vocab;
	if (kind == TOKENIZER_CHAR) {
		const char *alphabet;
		TRY(json_get_text(header, "alphabet", path, &alphabet));
		if (strcmp(alphabet, CHAR_ALPHABET) != 0)
			return error_new(
			    ERROR_DATA, "%s: the header's \"alphabet\" is not newline and the 95 printable ASCII characters", path);
	}
	return kind == TOKENIZER_BPE ? merges_from_json(header, path, (size_t)vocab - BPE_BASE, &tokenizer->bpe) : NULL;
}

static uint64_t hash_number(uint32_t number, uint64_t before) {
	unsigned char bytes[4] = {
	    (unsigned char)number, (unsigned char)(number >> 8), (unsigned char)(number >> 16),
	    (unsigned char)(number >> 24)};
	return hash_bytes(bytes, sizeof bytes, before);
}

uint64_t tokenizer_hash(const struct tokenizer *tokenizer) {
	const char *name = tokenizer_name(tokenizer);
	uint64_t hash = hash_number((uint32_t)tokenizer->vocab, hash_bytes(name, strlen(name), 0));
	size_t count = 0;
	const struct bpe_merge *merges = tokenizer->bpe ? bpe_merges(tokenizer->bpe, &count) : NULL;
	for (size_t i = 0; i < count; i++) hash = hash_number((uint32_t)merges[i].left << 16 | merges[i].right, hash);
	return hash;
}

/* ------------------------------------------------------------------------------------------ encoding and decoding --- */

size_t tokenizer_encode(const struct tokenizer *tokenizer, const char *bytes, size_t count, uint16_t *tokens) {
	size_t made = 0;
	switch (tokenizer->kind) {
	case TOKENIZER_CHAR:
		for (size_t i = 0; i < count; i++) {
			unsigned char c = (unsigned char)bytes[i];
			if (c >= ' ' && c <= '~')
				tokens[made++] = (uint16_t)(c - ' ' + 1);
			else if (c == '\n')
				tokens[made++] = 0;
		}
		break;
	case TOKENIZER_BYTE:
		for (; made < count; made++) tokens[made] = (unsigned char)bytes[made];
		break;
	case TOKENIZER_BPE:
		made = bpe_encode(tokenizer->bpe, bytes, count, tokens);
		break;
	case TOKENIZER_SYMBOLS:
		break;
	}
	return made;
}

void tokenizer_decode(const struct tokenizer *tokenizer, const uint16_t *tokens, size_t count, struct text *out) {
	char piece[1024];
	if (tokenizer->kind == TOKENIZER_BPE) {
		bpe_decode(tokenizer->bpe, tokens, count, out);
		return;
	}
	for (size_t at = 0; at < count;) {
		size_t part = count - at < sizeof piece ? count - at : sizeof piece;
		for (size_t i = 0; i < part; i++) {
			uint16_t token = tokens[at + i];
			if (tokenizer->kind == TOKENIZER_SYMBOLS)
				text_add(out, "%s%d", at + i ? " " : "", token);
			else
				piece[i] = tokenizer->kind == TOKENIZER_CHAR ? CHAR_ALPHABET[token] : (char)token;
		}
		if (tokenizer->kind != TOKENIZER_SYMBOLS) text_add_bytes(out, piece, part);
		at += part;
	}
}
