/* gather.c - documents become paragraphs in a spool and a list of atoms. */
#include "data/gather.h"

#include "data/paragraph.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define FOLD_PIECE ((size_t)64 << 10)

struct gatherer {
	struct gathered *out;
	const char *beside;
	bool fold;
	char *folded; /* FOLD_ROOM(FOLD_PIECE) */
	struct paragraph_cutter cutter;
	XXH64_state_t *hash; /* of the atom under way */
	uint32_t atom_bytes;
	struct atom held; /* the atom before it, until it is known whether it was the last of its document */
	bool holds;
	const struct gather_progress *progress;
};

static struct error *put_held(struct gatherer *gatherer, bool last) {
	if (!gatherer->holds) return NULL;
	gatherer->holds = false;
	gatherer->held.origin_last |= last;
	return temporary_write(gatherer->out->atoms, gatherer->beside, &gatherer->held, sizeof gatherer->held);
}

static struct error *end_atom(struct gatherer *gatherer) {
	TRY(put_held(gatherer, false));
	gatherer->held = (struct atom){
	    .hash = XXH64_digest(gatherer->hash),
	    .bytes = gatherer->atom_bytes,
	    .origin_last = (uint32_t)(gatherer->out->origin_count - 1) * 2,
	};
	gatherer->holds = true;
	gatherer->atom_bytes = 0;
	XXH64_reset(gatherer->hash, 0);
	return NULL;
}

static struct error *take_paragraph(void *context, const char *bytes, size_t count) {
	struct gatherer *gatherer = context;
	uint16_t length = (uint16_t)count;
	TRY(spool_put(gatherer->out->text, &length, sizeof length));
	TRY(spool_put(gatherer->out->text, bytes, count));
	XXH64_update(gatherer->hash, bytes, count);
	gatherer->atom_bytes += (uint32_t)count;
	gatherer->out->bytes += count;
	return gatherer->atom_bytes >= ATOM_BYTES ? end_atom(gatherer) : NULL;
}

/* ------------------------------------------------------------------------------------------------ document_sink --- */

static struct error *on_file(void *context, const char *name, const char *format) {
	struct gatherer *gatherer = context;
	struct gathered *out = gatherer->out;
	if (out->origin_count == UINT32_MAX / 2)
		return error_new(ERROR_DATA, "%s: more than %u files in one import; join them first", name, UINT32_MAX / 2);
	TRY(array_reserve((void **)&out->origins, &out->origin_capacity, out->origin_count + 1, sizeof *out->origins));
	struct origin *origin = &out->origins[out->origin_count];
	*origin = (struct origin){.path = strdup(name)};
	if (!origin->path) return error_memory(strlen(name));
	snprintf(origin->format, sizeof origin->format, "%s", format);
	out->origin_count++;
	return NULL;
}

static struct error *on_text(void *context, const char *bytes, size_t count) {
	struct gatherer *gatherer = context;
	if (!gatherer->fold) return paragraph_text(&gatherer->cutter, bytes, count);
	while (count > 0) {
		size_t part = count < FOLD_PIECE ? count : FOLD_PIECE;
		size_t folded = fold_bytes(&gatherer->out->fold, bytes, part, gatherer->folded);
		TRY(paragraph_text(&gatherer->cutter, gatherer->folded, folded));
		bytes += part;
		count -= part;
	}
	return NULL;
}

static struct error *on_end(void *context) {
	struct gatherer *gatherer = context;
	struct gathered *out = gatherer->out;
	if (gatherer->fold)
		TRY(paragraph_text(&gatherer->cutter, gatherer->folded, fold_end(&out->fold, gatherer->folded)));
	TRY(paragraph_end(&gatherer->cutter));
	if (gatherer->atom_bytes > 0) TRY(end_atom(gatherer));
	if (!gatherer->holds) {
		out->empty_documents++;
		return NULL;
	}
	out->documents++;
	out->origins[out->origin_count - 1].documents++;
	return put_held(gatherer, true);
}

static void on_progress(void *context, double done, double total) {
	const struct gatherer *gatherer = context;
	if (gatherer->progress->show) gatherer->progress->show(gatherer->progress->context, "reading", done, total);
}

struct error *gather(
    const char *const *paths, int count, const struct documents_options *options, bool fold, const char *beside,
    const struct gather_progress *progress, struct gathered *gathered) {
	*gathered = (struct gathered){0};
	struct gatherer *gatherer = array_new(1, sizeof *gatherer);
	if (!gatherer) return error_memory(sizeof *gatherer);
	struct error *error = NULL;
	gatherer->out = gathered;
	gatherer->beside = beside;
	gatherer->fold = fold;
	gatherer->progress = progress;
	gatherer->cutter.context = gatherer;
	gatherer->cutter.take = take_paragraph;
	gatherer->folded = malloc(FOLD_ROOM(FOLD_PIECE));
	gatherer->hash = XXH64_createState();
	if (!gatherer->folded || !gatherer->hash) {
		error = error_memory(FOLD_ROOM(FOLD_PIECE));
		goto done;
	}
	XXH64_reset(gatherer->hash, 0);
	error = spool_open(beside, &gathered->text);
	if (!error) error = temporary_open(beside, &gathered->atoms);
	if (error) goto done;
	struct documents_sink sink = {gatherer, on_file, on_text, on_end, on_progress};
	error = documents_read(paths, count, options, &sink, &gathered->report);
done:
	XXH64_freeState(gatherer->hash);
	free(gatherer->folded);
	free(gatherer);
	return error;
}

void gathered_free(struct gathered *gathered) {
	spool_close(gathered->text);
	if (gathered->atoms) fclose(gathered->atoms);
	for (size_t i = 0; i < gathered->origin_count; i++) free(gathered->origins[i].path);
	free(gathered->origins);
	*gathered = (struct gathered){0};
}
