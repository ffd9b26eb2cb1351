/* fold.c - Unicode text to printable ASCII and newline. */
#include "data/fold.h"

#include <stdlib.h>
#include <string.h>

/* Latin letters from U+00C0 to U+017F. */
static const char *const latin[] = {
    /* 00C0 */ "A", "A", "A",  "A",  "A", "A", "AE", "C", "E", "E",  "E",  "E",  "I", "I", "I",  "I",
    /* 00D0 */ "D", "N", "O",  "O",  "O", "O", "O",  "x", "O", "U",  "U",  "U",  "U", "Y", "Th", "ss",
    /* 00E0 */ "a", "a", "a",  "a",  "a", "a", "ae", "c", "e", "e",  "e",  "e",  "i", "i", "i",  "i",
    /* 00F0 */ "d", "n", "o",  "o",  "o", "o", "o",  "/", "o", "u",  "u",  "u",  "u", "y", "th", "y",
    /* 0100 */ "A", "a", "A",  "a",  "A", "a", "C",  "c", "C", "c",  "C",  "c",  "C", "c", "D",  "d",
    /* 0110 */ "D", "d", "E",  "e",  "E", "e", "E",  "e", "E", "e",  "E",  "e",  "G", "g", "G",  "g",
    /* 0120 */ "G", "g", "G",  "g",  "H", "h", "H",  "h", "I", "i",  "I",  "i",  "I", "i", "I",  "i",
    /* 0130 */ "I", "i", "IJ", "ij", "J", "j", "K",  "k", "k", "L",  "l",  "L",  "l", "L", "l",  "L",
    /* 0140 */ "l", "L", "l",  "N",  "n", "N", "n",  "N", "n", "'n", "Ng", "ng", "O", "o", "O",  "o",
    /* 0150 */ "O", "o", "OE", "oe", "R", "r", "R",  "r", "R", "r",  "S",  "s",  "S", "s", "S",  "s",
    /* 0160 */ "S", "s", "T",  "t",  "T", "t", "T",  "t", "U", "u",  "U",  "u",  "U", "u", "U",  "u",
    /* 0170 */ "U", "u", "U",  "u",  "W", "w", "Y",  "y", "Y", "Z",  "z",  "Z",  "z", "Z", "z",  "s",
};

/* Blocks of letters with marks, one base letter each; '?' where there is none. */
static const struct {
	uint32_t first;
	const char *letters;
} marked[] = {
    {0x01a0, "Oo?????????????Uu???????????????"
             "?????????????AaIiOoUuUuUuUuUu?Aa"
             "Aa????GgKkOoOo??j???Gg??NnAa????"
             "AaAaEeEeIiIiOoOoRrRrUuUuSsTt??Hh"
             "??????AaEeOoOoOoOoYy"},
    {0x1e00, "AaBbBbBbCcDdDdDdDdDdEeEeEeEeEeFf"
             "GgHhHhHhHhHhIiIiKkKkKkLlLlLlLlMm"
             "MmMmNnNnNnNnOoOoOoOoPpPpRrRrRrRr"
             "SsSsSsSsSsTtTtTtTtUuUuUuUuUuVvVv"
             "WwWwWwWwWwXxXxYyZzZzZzhtwyas????"
             "AaAaAaAaAaAaAaAaAaAaAaAaEeEeEeEe"
             "EeEeEeEeIiIiOoOoOoOoOoOoOoOoOoOo"
             "OoOoUuUuUuUuUuUuUuYyYyYyYy"},
};

/* Everything else, ascending. */
static const struct sign {
	uint32_t code;
	const char *ascii;
} signs[] = {
    {0x0085, "\n"},   {0x00a0, " "},   {0x00a1, "!"},   {0x00a2, "c"},   {0x00a3, "GBP"}, {0x00a5, "JPY"},
    {0x00a6, "|"},    {0x00a7, "S."},  {0x00a8, "\""},  {0x00a9, "(c)"}, {0x00aa, "a"},   {0x00ab, "\""},
    {0x00ac, "not"},  {0x00ad, ""},    {0x00ae, "(R)"}, {0x00af, "-"},   {0x00b0, "deg"}, {0x00b1, "+/-"},
    {0x00b2, "2"},    {0x00b3, "3"},   {0x00b4, "'"},   {0x00b5, "u"},   {0x00b6, "P."},  {0x00b7, "."},
    {0x00b8, ","},    {0x00b9, "1"},   {0x00ba, "o"},   {0x00bb, "\""},  {0x00bc, "1/4"}, {0x00bd, "1/2"},
    {0x00be, "3/4"},  {0x00bf, "?"},   {0x0192, "f"},   {0x02b9, "'"},   {0x02ba, "\""},  {0x02bb, "'"},
    {0x02bc, "'"},    {0x02bd, "'"},   {0x02c6, "^"},   {0x02c8, "'"},   {0x02d0, ":"},   {0x02dc, "~"},
    {0x1e9e, "SS"},   {0x2000, " "},   {0x2001, " "},   {0x2002, " "},   {0x2003, " "},   {0x2004, " "},
    {0x2005, " "},    {0x2006, " "},   {0x2007, " "},   {0x2008, " "},   {0x2009, " "},   {0x200a, " "},
    {0x200b, ""},     {0x200c, ""},    {0x200d, ""},    {0x200e, ""},    {0x200f, ""},    {0x2010, "-"},
    {0x2011, "-"},    {0x2012, "-"},   {0x2013, "-"},   {0x2014, "--"},  {0x2015, "--"},  {0x2016, "||"},
    {0x2018, "'"},    {0x2019, "'"},   {0x201a, "'"},   {0x201b, "'"},   {0x201c, "\""},  {0x201d, "\""},
    {0x201e, "\""},   {0x201f, "\""},  {0x2020, "+"},   {0x2021, "++"},  {0x2022, "*"},   {0x2023, "*"},
    {0x2024, "."},    {0x2025, ".."},  {0x2026, "..."}, {0x2027, "."},   {0x2028, "\n"},  {0x2029, "\n"},
    {0x202a, ""},     {0x202b, ""},    {0x202c, ""},    {0x202d, ""},    {0x202e, ""},    {0x202f, " "},
    {0x2030, "o/oo"}, {0x2032, "'"},   {0x2033, "\""},  {0x2034, "'''"}, {0x2035, "'"},   {0x2036, "\""},
    {0x2039, "'"},    {0x203a, "'"},   {0x203b, "*"},   {0x203c, "!!"},  {0x2043, "-"},   {0x2044, "/"},
    {0x2047, "??"},   {0x2048, "?!"},  {0x2049, "!?"},  {0x204e, "*"},   {0x205f, " "},   {0x2060, ""},
    {0x2061, ""},     {0x2062, ""},    {0x2063, ""},    {0x2064, ""},    {0x2066, ""},    {0x2067, ""},
    {0x2068, ""},     {0x2069, ""},    {0x2070, "0"},   {0x2071, "i"},   {0x2074, "4"},   {0x2075, "5"},
    {0x2076, "6"},    {0x2077, "7"},   {0x2078, "8"},   {0x2079, "9"},   {0x207a, "+"},   {0x207b, "-"},
    {0x207f, "n"},    {0x2080, "0"},   {0x2081, "1"},   {0x2082, "2"},   {0x2083, "3"},   {0x2084, "4"},
    {0x2085, "5"},    {0x2086, "6"},   {0x2087, "7"},   {0x2088, "8"},   {0x2089, "9"},   {0x20ac, "EUR"},
    {0x2103, "C"},    {0x2109, "F"},   {0x2113, "l"},   {0x2116, "No."}, {0x2117, "(P)"}, {0x2120, "SM"},
    {0x2122, "TM"},   {0x2126, "Ohm"}, {0x212a, "K"},   {0x212b, "A"},   {0x2153, "1/3"}, {0x2154, "2/3"},
    {0x2155, "1/5"},  {0x2156, "2/5"}, {0x2157, "3/5"}, {0x2158, "4/5"}, {0x2159, "1/6"}, {0x215a, "5/6"},
    {0x215b, "1/8"},  {0x215c, "3/8"}, {0x215d, "5/8"}, {0x215e, "7/8"}, {0x2160, "I"},   {0x2161, "II"},
    {0x2162, "III"},  {0x2163, "IV"},  {0x2164, "V"},   {0x2165, "VI"},  {0x2166, "VII"}, {0x2167, "VIII"},
    {0x2168, "IX"},   {0x2169, "X"},   {0x216a, "XI"},  {0x216b, "XII"}, {0x2190, "<-"},  {0x2191, "^"},
    {0x2192, "->"},   {0x2193, "v"},   {0x2194, "<->"}, {0x21d0, "<="},  {0x21d2, "=>"},  {0x21d4, "<=>"},
    {0x2212, "-"},    {0x2215, "/"},   {0x2216, "\\"},  {0x2217, "*"},   {0x2219, "."},   {0x221e, "inf"},
    {0x2223, "|"},    {0x2225, "||"},  {0x2236, ":"},   {0x223c, "~"},   {0x2248, "~"},   {0x2260, "!="},
    {0x2261, "=="},   {0x2264, "<="},  {0x2265, ">="},  {0x226a, "<<"},  {0x226b, ">>"},  {0x22c5, "."},
    {0x22ef, "..."},  {0x2329, "<"},   {0x232a, ">"},   {0x2500, "-"},   {0x2501, "-"},   {0x2502, "|"},
    {0x2503, "|"},    {0x250c, "+"},   {0x2510, "+"},   {0x2514, "+"},   {0x2518, "+"},   {0x251c, "+"},
    {0x2524, "+"},    {0x252c, "+"},   {0x2534, "+"},   {0x253c, "+"},   {0x2550, "="},   {0x2551, "|"},
    {0x25a0, "*"},    {0x25aa, "*"},   {0x25b6, ">"},   {0x25ba, ">"},   {0x25cb, "o"},   {0x25cf, "*"},
    {0x25e6, "*"},    {0x2605, "*"},   {0x2606, "*"},   {0x2713, "v"},   {0x2714, "v"},   {0x2717, "x"},
    {0x2718, "x"},    {0x275b, "'"},   {0x275c, "'"},   {0x275d, "\""},  {0x275e, "\""},  {0x27e8, "<"},
    {0x27e9, ">"},    {0x3000, " "},   {0x3001, ","},   {0x3002, "."},   {0x3008, "<"},   {0x3009, ">"},
    {0x300c, "\""},   {0x300d, "\""},  {0xfb00, "ff"},  {0xfb01, "fi"},  {0xfb02, "fl"},  {0xfb03, "ffi"},
    {0xfb04, "ffl"},  {0xfb05, "st"},  {0xfb06, "st"},  {0xfeff, ""},
};

/* What Windows-1252 has at 0x80 to 0x9f; 0 where it has nothing. */
static const uint16_t windows_1252[] = {
    0x20ac, 0,      0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021, 0x02c6, 0x2030, 0x0160,
    0x2039, 0x0152, 0,      0x017d, 0,      0,      0x2018, 0x2019, 0x201c, 0x201d, 0x2022,
    0x2013, 0x2014, 0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0,      0x017e, 0x0178,
};

static int compare_signs(const void *a, const void *b) {
	uint32_t x = ((const struct sign *)a)->code, y = ((const struct sign *)b)->code;
	return x < y ? -1 : x > y;
}

static int copy_out(const char *ascii, char out[FOLD_LONGEST]) {
	size_t length = strlen(ascii);
	memcpy(out, ascii, length);
	return (int)length;
}

static int letter_out(char letter, char out[FOLD_LONGEST]) {
	out[0] = letter;
	return letter == '?' ? -1 : 1;
}

int fold_character(uint32_t code, char out[FOLD_LONGEST]) {
	if (code >= 0xc0 && code < 0xc0 + COUNT_OF(latin)) return copy_out(latin[code - 0xc0], out);
	for (size_t i = 0; i < COUNT_OF(marked); i++)
		if (code >= marked[i].first && code < marked[i].first + strlen(marked[i].letters)) {
			int length = letter_out(marked[i].letters[code - marked[i].first], out);
			if (length > 0) return length;
		}
	if (code >= 0x0300 && code <= 0x036f) return 0;                                      /* combining accents */
	if (code >= 0xfe00 && code <= 0xfe0f) return 0;                                      /* variation selectors */
	if (code >= 0xff01 && code <= 0xff5e) return letter_out((char)(code - 0xfee0), out); /* full width */
	struct sign key = {code, NULL};
	const struct sign *sign = bsearch(&key, signs, COUNT_OF(signs), sizeof *signs, compare_signs);
	return sign ? copy_out(sign->ascii, out) : -1;
}

/* The character at the beginning of `bytes`: its length, or 0 when it is cut off. What is no UTF-8 (RFC 3629) is one
 * byte long and read as Windows-1252. */
static size_t decode(const unsigned char *bytes, size_t count, uint32_t *code, bool *valid) {
	unsigned char lead = bytes[0];
	size_t length = lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;
	*valid = true;
	*code = lead;
	if (length == 1) return 1;
	if (length == 0) goto invalid;
	*code = lead & (0xffu >> (length + 1));
	for (size_t i = 1; i < length; i++) {
		if (i == count) return 0;
		/* The second byte excludes long forms, surrogates and what lies beyond U+10FFFF. */
		unsigned char least = 0x80, most = 0xbf;
		if (i == 1 && lead == 0xe0) least = 0xa0;
		if (i == 1 && lead == 0xed) most = 0x9f;
		if (i == 1 && lead == 0xf0) least = 0x90;
		if (i == 1 && lead == 0xf4) most = 0x8f;
		if (bytes[i] < least || bytes[i] > most) goto invalid;
		*code = *code << 6 | (bytes[i] & 0x3f);
	}
	return length;
invalid:
	*valid = false;
	*code = lead >= 0x80 && lead < 0xa0 ? windows_1252[lead - 0x80] : lead;
	return 1;
}

static char *put_character(struct fold *fold, uint32_t code, bool valid, char *out) {
	bool after_return = fold->after_return;
	fold->after_return = code == '\r';
	fold->not_utf8 += !valid;
	if (code == '\n' && after_return) return out;
	if (code == '\n' || code == '\r' || code == '\f' || code == '\v') {
		*out++ = '\n';
		return out;
	}
	if (code == '\t') code = ' ';
	if (code >= ' ' && code <= '~') {
		*out++ = (char)code;
		return out;
	}
	int length = code < 0x80 ? -1 : fold_character(code, out);
	if (length < 0) {
		fold->dropped++;
		return out;
	}
	fold->approximate++;
	return out + length;
}

/* Characters that are complete in `pending`; all of them when `last`. */
static char *put_pending(struct fold *fold, bool last, char *out) {
	while (fold->pending_count > 0) {
		uint32_t code;
		bool valid;
		size_t length = decode(fold->pending, fold->pending_count, &code, &valid);
		if (length == 0 && !last) break;
		if (length == 0) { /* cut off for good: its first byte is a character of its own */
			unsigned char lead[2] = {fold->pending[0], ' '};
			length = decode(lead, 2, &code, &valid);
		}
		out = put_character(fold, code, valid, out);
		fold->pending_count -= length;
		memmove(fold->pending, fold->pending + length, fold->pending_count);
	}
	return out;
}

size_t fold_bytes(struct fold *fold, const void *bytes, size_t count, char *out) {
	const unsigned char *in = bytes, *end = in + count;
	char *to = out;
	while (fold->pending_count > 0 && in < end) {
		fold->pending[fold->pending_count++] = *in++;
		to = put_pending(fold, false, to);
	}
	while (in < end) {
		const unsigned char *plain = in;
		while (in < end && (unsigned)(*in - ' ') < 95) *to++ = (char)*in++;
		if (in > plain) fold->after_return = false;
		if (in == end) break;
		uint32_t code;
		bool valid;
		size_t length = decode(in, (size_t)(end - in), &code, &valid);
		if (length == 0) { /* at most 3 bytes, for 4 would be complete */
			fold->pending_count = (size_t)(end - in);
			memcpy(fold->pending, in, fold->pending_count);
			break;
		}
		to = put_character(fold, code, valid, to);
		in += length;
	}
	return (size_t)(to - out);
}

size_t fold_end(struct fold *fold, char *out) {
	size_t written = (size_t)(put_pending(fold, true, out) - out);
	fold->after_return = false;
	return written;
}
