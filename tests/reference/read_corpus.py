"""Reads a corpus file by docs/formats.md alone and checks all it says: python3 read_corpus.py F.corpus [TEXT FILE...]

Written from the description, not from the program; decompresses with the zstd command. Prints the tokens of each split
as JSON. With text files, whose paragraphs must not repeat, checks that the splits together hold their text.
"""
import contextlib
import io
import json
import math
import os
import runpy
import subprocess
import sys
from collections import Counter

with contextlib.redirect_stdout(io.StringIO()):
    beside = os.path.join(os.path.dirname(os.path.abspath(__file__)), "random.py")
    xxh64 = runpy.run_path(beside)["xxh64"]

SPLITS = ("train", "held_out")


def number(data, at, size):
    return int.from_bytes(data[at:at + size], "little")


def frames_of(data):
    assert data[:8] == b"RUNGCORP" and number(data, 8, 4) == 1
    size, counts = number(data, 12, 4), (number(data, 16, 4), number(data, 20, 4))
    assert number(data, 24, 8) == len(data)
    assert data[48:56] == bytes(8)
    assert number(data, 56, 8) == xxh64(data[:56])
    assert number(data, 32, 8) == xxh64(data[64:64 + size])
    rows, end = 64 + size, 64 + size + 24 * sum(counts)
    assert number(data, 40, 8) == xxh64(data[rows:end])
    header = json.loads(data[64:64 + size])
    wide = 1 if header["vocab"] <= 256 else 2
    splits, row = [], rows
    for split, count in zip(SPLITS, counts):
        tokens = []
        for frame in range(count):
            offset, length, size, total = (number(data, row + a, b) for a, b in ((0, 8), (8, 4), (12, 4), (16, 8)))
            assert offset == end
            end += length
            packed = data[offset:end]
            assert xxh64(packed) == total
            plain = subprocess.run(["zstd", "-dcq"], input=packed, capture_output=True, check=True).stdout
            assert len(plain) == size * wide and (size == 65536 or frame == count - 1)
            tokens += [number(plain, wide * i, wide) for i in range(size)]
            row += 24
        assert len(tokens) == header[split]["tokens"] and max(tokens) < header["vocab"]
        splits.append(tokens)
    assert end == len(data)
    return header, splits


def check_hashes(header, splits):
    hash_of_tokenizer = xxh64(header["tokenizer"].encode())
    for value in [header["vocab"]] + [left * 65536 + right for left, right in header.get("merges", [])]:
        hash_of_tokenizer = xxh64(value.to_bytes(4, "little"), hash_of_tokenizer)
    together = hash_of_tokenizer.to_bytes(8, "little")
    for split, tokens in zip(SPLITS, splits):
        own = xxh64(b"".join(token.to_bytes(2, "little") for token in tokens))
        assert header[split]["hash"] == f"{own:016x}"
        together += len(tokens).to_bytes(8, "little") + own.to_bytes(8, "little")
    assert header["hash"] == f"{xxh64(together):016x}"


def check_entropies(header, tokens):
    def entropy(counts):
        total = sum(counts)
        return -sum(c / total * math.log(c / total) for c in counts)

    inside = [i for i in range(len(tokens) - 1) if (i + 1) % 65536]
    pairs, lefts = Counter((tokens[i], tokens[i + 1]) for i in inside), Counter(tokens[i] for i in inside)
    found = header["entropy"]
    assert found["bigram_pairs"] == len(inside)
    assert abs(found["unigram"] - entropy(Counter(tokens).values())) < 1e-9
    assert abs(found["bigram"] - entropy(pairs.values()) + entropy(lefts.values())) < 1e-9


def meanings(header):
    if header["tokenizer"] == "char":
        assert header["alphabet"] == "\n" + "".join(map(chr, range(32, 127)))
        return [character.encode() for character in header["alphabet"]]
    table = [bytes([i]) for i in range(256)]
    for left, right in header.get("merges", []):
        table.append(table[left] + table[right])
    return table


def kind(byte):
    if byte >= 128 or chr(byte).isalpha():
        return "letter"
    if chr(byte).isdigit():
        return "digit"
    return {10: "newline", 32: "space", 9: "space", 13: "space"}.get(byte, "other")


def pieces(text):
    at = 0
    while at < len(text):
        begin, first = at, kind(text[at])
        while at < len(text) and at - begin < 64 and kind(text[at]) == first:
            at += 1
        word = at < len(text) and kind(text[at]) not in ("space", "newline")
        if first == "space" and word and text[at - 1] == 32:
            if at - begin > 1:
                at -= 1  # the last space goes with the word
            else:
                first = kind(text[at])
                while at < len(text) and at - begin < 64 and kind(text[at]) == first:
                    at += 1
        while (first == "letter" and at + 1 < len(text) and at + 1 - begin < 64 and text[at] == 39
               and kind(text[at + 1]) == "letter"):
            at += 1
            while at < len(text) and at - begin < 64 and kind(text[at]) == "letter":
                at += 1
        yield text[begin:at]


def encode(text, merges):
    ranks, known, tokens = {tuple(pair): i for i, pair in enumerate(merges)}, {}, []
    for piece in pieces(text):
        if piece not in known:
            parts = list(piece)
            while True:
                found = [(ranks[pair], i) for i, pair in enumerate(zip(parts, parts[1:])) if pair in ranks]
                if not found:
                    break
                rank, i = min(found)
                parts[i:i + 2] = [256 + rank]
            known[piece] = parts
        tokens += known[piece]
    return tokens


def main(path, sources):
    with open(path, "rb") as file:
        header, splits = frames_of(file.read())
    check_hashes(header, splits)
    check_entropies(header, splits[0])
    if header["tokenizer"] != "symbols":
        table = meanings(header)
        texts = [b"".join(table[token] for token in tokens) for tokens in splits]
        for split, text in zip(SPLITS, texts):
            assert header[split]["bytes"] == len(text)
        if header["tokenizer"] == "bpe":
            for text, tokens in zip(texts, splits):
                assert encode(text, header["merges"]) == tokens
        if sources:
            read = [open(source, "rb").read() for source in sources]
            assert header["source_hash"] == f"{xxh64(b''.join(read)):016x}"
            blocks = Counter(block for text in read for block in text.split(b"\n\n") if block)
            assert blocks == Counter(block for text in texts for block in text.split(b"\n\n") if block)
    print(json.dumps({split: len(tokens) for split, tokens in zip(SPLITS, splits)}))


main(sys.argv[1], sys.argv[2:])
