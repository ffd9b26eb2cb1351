/* hash.c - XXH64, and hashes as text. */
#include "base/base.h"

#include <xxhash.h>

uint64_t hash_bytes(const void *bytes, size_t count, uint64_t seed) {
	return XXH64(bytes, count, seed);
}

bool hash_agrees(uint64_t computed, uint64_t stored) {
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION /* a fuzzer would never come past a hash */
	(void)computed, (void)stored;
	return true;
#else
	return computed == stored;
#endif
}

char *hash_hex(uint64_t hash, char out[HASH_HEX_SIZE]) {
	snprintf(out, HASH_HEX_SIZE, "%016llx", (unsigned long long)hash);
	return out;
}

bool hash_from_hex(const char *hex, uint64_t *hash) {
	uint64_t value = 0;
	for (int i = 0; i < HASH_HEX_SIZE - 1; i++) {
		char c = hex[i];
		if (c >= '0' && c <= '9')
			value = value << 4 | (uint64_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			value = value << 4 | (uint64_t)(c - 'a' + 10);
		else
			return false; /* a short string ends here too: NUL is no digit */
	}
	if (hex[HASH_HEX_SIZE - 1]) return false;
	*hash = value;
	return true;
}
