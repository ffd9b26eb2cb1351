/* split.c - which text is held out, and passes over the text of a split without repeats. */
#include "data/split.h"

#include "data/paragraph.h"

#include <stdlib.h>
#include <string.h>

#define BIN_BITS 20 /* of the hash, by which bytes are counted to find the threshold */

/* ---------------------------------------------------------------------------------------------- atoms to units --- */

struct planner {
	struct splitter *splitter;
	uint64_t seed;
	struct atom *atoms; /* of one document */
	size_t count, capacity;
	uint64_t *hashes; /* of a unit's atoms */
	size_t hashes_capacity;
	uint64_t *bins; /* bytes by the first bits of the hash */
};

static struct error *put_unit(struct planner *planner, size_t from, size_t to) {
	struct unit unit = {.origin = planner->atoms[from].origin_last / 2, .first = from == 0};
	TRY(array_reserve((void **)&planner->hashes, &planner->hashes_capacity, to - from, sizeof *planner->hashes));
	for (size_t i = from; i < to; i++) {
		planner->hashes[i - from] = planner->atoms[i].hash;
		unit.bytes += planner->atoms[i].bytes;
	}
	unit.hash = hash_bytes(planner->hashes, (to - from) * sizeof *planner->hashes, planner->seed);
	planner->bins[unit.hash >> (64 - BIN_BITS)] += unit.bytes;
	planner->splitter->unit_count++;
	return temporary_write(planner->splitter->units, planner->splitter->beside, &unit, sizeof unit);
}

static struct error *put_document(struct planner *planner) {
	uint64_t bytes = 0, most = planner->splitter->piece_bytes;
	for (size_t i = 0; i < planner->count; i++) bytes += planner->atoms[i].bytes;
	if (bytes <= most || planner->count == 1) return put_unit(planner, 0, planner->count);
	planner->splitter->cut_documents++;
	uint64_t pieces = (bytes + most - 1) / most, done = 0, made = 0;
	size_t from = 0;
	for (size_t i = 0; i < planner->count; i++) {
		done += planner->atoms[i].bytes;
		/* The piece ends where its share of the document does. */
		if (i + 1 < planner->count && done * pieces < (made + 1) * bytes) continue;
		TRY(put_unit(planner, from, i + 1));
		from = i + 1;
		made++;
	}
	return NULL;
}

static struct error *plan_units(struct planner *planner) {
	struct splitter *splitter = planner->splitter;
	FILE *atoms = splitter->gathered->atoms;
	if (fseeko(atoms, 0, SEEK_SET)) return error_system("rewind a temporary file beside", splitter->beside);
	for (uint64_t document = 0; document < splitter->gathered->documents; document++) {
		planner->count = 0;
		bool last = false;
		while (!last) {
			TRY(array_reserve(
			    (void **)&planner->atoms, &planner->capacity, planner->count + 1, sizeof *planner->atoms));
			struct atom *atom = &planner->atoms[planner->count++];
			TRY(temporary_read(atoms, splitter->beside, atom, sizeof *atom));
			last = atom->origin_last & 1;
		}
		TRY(put_document(planner));
	}
	return NULL;
}

/* The smallest threshold that holds out `wanted` bytes or more. */
static struct error *find_threshold(const struct planner *planner, double wanted) {
	uint64_t held_out = 0, total = planner->splitter->gathered->bytes;
	size_t bin = 0;
	while (held_out == 0 || (double)held_out < wanted) held_out += planner->bins[bin++];
	if (held_out == total)
		return error_new(
		    ERROR_DATA,
		    "too little text for two splits: %llu bytes in %llu document%s, none of which can be parted at a "
		    "paragraph end into pieces of %d bytes or more, or all of which are the same; import more text",
		    (unsigned long long)total, (unsigned long long)planner->splitter->gathered->documents,
		    planner->splitter->gathered->documents == 1 ? "" : "s", ATOM_BYTES);
	planner->splitter->threshold = (uint64_t)bin << (64 - BIN_BITS);
	return NULL;
}

struct error *splitter_open(
    struct gathered *gathered, double held_out, uint64_t seed, const char *beside, struct splitter *splitter) {
	*splitter = (struct splitter){.gathered = gathered, .beside = beside};
	double wanted = held_out * (double)gathered->bytes, quarter = wanted / 4;
	splitter->piece_bytes = quarter > ATOM_BYTES ? (uint64_t)quarter : ATOM_BYTES;
	struct planner planner = {.splitter = splitter, .seed = seed};
	if (gathered->bytes == 0)
		return error_new(
		    ERROR_DATA, "no text was found in %llu file%s; is it another format, or empty?",
		    (unsigned long long)gathered->report.files, gathered->report.files == 1 ? "" : "s");
	planner.bins = array_new((size_t)1 << BIN_BITS, sizeof *planner.bins);
	struct error *error = planner.bins ? NULL : error_memory(sizeof *planner.bins << BIN_BITS);
	if (!error) error = temporary_open(beside, &splitter->units);
	if (!error) error = plan_units(&planner);
	if (!error) error = find_threshold(&planner, wanted);
	free(planner.atoms);
	free(planner.hashes);
	free(planner.bins);
	if (error) splitter_close(splitter);
	return error;
}

void splitter_close(struct splitter *splitter) {
	if (splitter->units) fclose(splitter->units);
	hash_set_free(&splitter->held_out);
	hash_set_free(&splitter->train);
	*splitter = (struct splitter){0};
}

/* -------------------------------------------------------------------------------------------------------- passes --- */

struct pass {
	struct splitter *splitter;
	enum split split;
	struct hash_set *own;
	split_sink *sink;
	void *context;
	struct split_counts *counts;
	/* A paragraph waits here until it is known whether it is the last one of its unit that remains. */
	char waiting[PARAGRAPH_MOST + 2];
	size_t waiting_count;
};

/* Is `key` new in this split? Then it is remembered. */
static struct error *notice(struct pass *pass, uint64_t key, bool *is_new) {
	bool full;
	*is_new = !hash_set_has(pass->own, key);
	if (!*is_new) return NULL;
	TRY(hash_set_add(pass->own, key, &full));
	if (full && pass->split == SPLIT_HELD_OUT)
		return error_new(
		    ERROR_DATA,
		    "the held-out split has more than %zu different paragraphs, too many to keep them out of train; take a "
		    "smaller --held-out",
		    HASH_SET_MOST);
	pass->counts->set_full |= full;
	return NULL;
}

static struct error *hand_out(struct pass *pass, const struct unit *unit) {
	if (pass->waiting_count == 0) return NULL;
	pass->counts->bytes += pass->waiting_count;
	TRY(pass->sink(pass->context, unit, pass->waiting, pass->waiting_count));
	pass->waiting_count = 0;
	return NULL;
}

static struct error *take_paragraph(
    struct pass *pass, const struct unit *unit, bool repeated_unit, const char *bytes, size_t count) {
	uint64_t key;
	bool keep = !repeated_unit;
	if (keep && paragraph_key(bytes, count, &key)) {
		if (pass->split == SPLIT_TRAIN && hash_set_has(&pass->splitter->held_out, key)) {
			pass->counts->leaked_paragraphs++;
			keep = false;
		} else {
			TRY(notice(pass, key, &keep));
			if (!keep) pass->counts->repeated_paragraphs++;
		}
	}
	if (!keep) {
		pass->counts->dropped_bytes += count;
		return NULL;
	}
	TRY(hand_out(pass, unit));
	memcpy(pass->waiting, bytes, count);
	pass->waiting_count = count;
	return NULL;
}

/* Has the whole unit been seen before? One paragraph is left to take_paragraph. */
static struct error *notice_unit(struct pass *pass, const struct unit *unit, size_t first_paragraph, bool *repeated) {
	bool is_new = true;
	if (unit->bytes >= PARAGRAPH_LEAST && first_paragraph < unit->bytes) TRY(notice(pass, unit->hash, &is_new));
	pass->counts->repeated_units += !is_new;
	*repeated = !is_new;
	return NULL;
}

static struct error *pass_unit(struct pass *pass, const struct unit *unit, bool *kept) {
	struct spool *text = pass->splitter->gathered->text;
	char paragraph[PARAGRAPH_MOST];
	bool ours = (unit->hash < pass->splitter->threshold) == (pass->split == SPLIT_HELD_OUT), repeated = false;
	uint64_t before = pass->counts->bytes;
	for (uint64_t done = 0; done < unit->bytes;) {
		uint16_t count;
		TRY(spool_get(text, &count, sizeof count));
		TRY(spool_get(text, paragraph, count));
		if (ours && done == 0) TRY(notice_unit(pass, unit, count, &repeated));
		if (ours) TRY(take_paragraph(pass, unit, repeated, paragraph, count));
		done += count;
	}
	if (pass->waiting_count > 0) {
		/* A document ends with a blank line, so that the next one begins a paragraph. */
		while (pass->waiting_count < 2 || pass->waiting[pass->waiting_count - 1] != '\n' ||
		       pass->waiting[pass->waiting_count - 2] != '\n')
			pass->waiting[pass->waiting_count++] = '\n';
		TRY(hand_out(pass, unit));
	}
	*kept = pass->counts->bytes > before;
	return NULL;
}

struct error *split_pass(
    struct splitter *splitter, enum split split, split_sink *sink, void *context,
    const struct gather_progress *progress, const char *stage, struct split_counts *counts) {
	*counts = (struct split_counts){0};
	struct pass *pass = array_new(1, sizeof *pass);
	if (!pass) return error_memory(sizeof *pass);
	*pass = (struct pass){
	    .splitter = splitter,
	    .split = split,
	    .own = split == SPLIT_TRAIN ? &splitter->train : &splitter->held_out,
	    .sink = sink,
	    .context = context,
	    .counts = counts,
	};
	hash_set_free(pass->own);
	struct error *error = spool_rewind(splitter->gathered->text);
	if (!error && fseeko(splitter->units, 0, SEEK_SET))
		error = error_system("rewind a temporary file beside", splitter->beside);
	bool counted = false; /* the document under way */
	uint64_t done = 0, shown = 0;
	for (uint64_t i = 0; i < splitter->unit_count && !error; i++) {
		struct unit unit;
		bool kept = false;
		error = temporary_read(splitter->units, splitter->beside, &unit, sizeof unit);
		if (!error) error = pass_unit(pass, &unit, &kept);
		if (unit.first) counted = false;
		if (kept && !counted) {
			counts->documents++;
			counted = true;
		}
		done += unit.bytes;
		if (done - shown < (1u << 20)) continue;
		shown = done;
		if (progress->show) progress->show(progress->context, stage, (double)done, (double)splitter->gathered->bytes);
		if (!error && interrupt_pending())
			error = error_new(ERROR_INTERRUPTED, "interrupted; nothing has been written");
	}
	free(pass);
	return error;
}
