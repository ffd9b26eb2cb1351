#!/usr/bin/env python3
"""Unpacked Debian packages to clean English prose: one JSON object a line, {"source", "title", "text"}.

    extract.py FOLDER > prose.jsonl        FOLDER/<package>/ is what dpkg-deb -x made of each package

Markup, navigation, tables of contents, verse numbers, footnote marks, page references and repeated passages go;
paragraphs stay, with a blank line between them. The bytes depend on the packages alone: HTML is read with regular expressions because
html.parser changes with Python's security updates. Documents stand in the order of a hash of their text, so that any
prefix of the stream is a fair mixture of all sources."""

import gzip
import hashlib
import html
import json
import os
import re
import signal
import struct
import sys
import zlib

SHORTEST = 6_000  # characters; shorter sections are joined to the ones after them
LONGEST = 40_000  # longer ones are cut, between paragraphs, into parts of about equal size


def fail(message):
    sys.exit(f"extract.py: error: {message}")


def read_bytes(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as problem:
        fail(f"{problem}; the package has another layout than the one this script knows")


def listing(folder):
    try:
        return sorted(os.listdir(folder))
    except OSError as problem:
        fail(f"{problem}; the package has another layout than the one this script knows")


def tidy(text):
    """One paragraph on one line: single spaces, no control characters, soft hyphens or zero-width marks."""
    text = re.sub("[\u00ad\u200b-\u200f\u2028-\u202e\u2060\ufeff]", "", text)
    return re.sub(r"[\s\x00-\x1f\x7f-\x9f]+", " ", text).strip()


def is_prose(text, shortest):
    """Sentences, as opposed to headings, lists of links, tables and numbers."""
    letters = sum(c.isalpha() or c == " " for c in text)
    return len(text) >= shortest and letters >= 0.85 * len(text) and re.search(r"[a-z,;][.!?:;,]|[.!?]['\"\u2019\u201d)]", text)


def strip_tags(fragment):
    return tidy(html.unescape(re.sub(r"<[^>]*>", "", fragment)))


# ------------------------------------------------------------------------------------------------------------- HTML ---

BLOCK = r"p|div|li|ul|ol|dl|dt|dd|h[1-6]|blockquote|table|tbody|tr|td|th|center|hr|body|html"


def html_blocks(page):
    """(tag that opened it, text) of every block of a page; a double <br> also starts one."""
    page = re.sub(r"<!--.*?-->|<!doctype[^>]*>|<(script|style|head)\b.*?</\1\s*>", " ", page, flags=re.S | re.I)
    page = re.sub(r"\s+", " ", page)
    # A list item that is nothing but a link belongs to a table of contents.
    page = re.sub(r"<li\b[^>]*>\s*<a\b[^>]*>(?:(?!</a>).)*</a>\s*(?=</?(?:li|ul|ol)\b)", " ", page, flags=re.I)
    page = re.sub(r"<br\b[^>]*>\s*(?:<br\b[^>]*>\s*)+", "<p>", page, flags=re.I)
    page = re.sub(r"<br\b[^>]*>", " ", page, flags=re.I)
    tag = ""
    for piece in re.split(rf"(</?(?:{BLOCK})\b[^>]*>)", page, flags=re.I):
        boundary = re.fullmatch(rf"</?({BLOCK})\b[^>]*>", piece, flags=re.I)
        if boundary:
            tag = "" if piece.startswith("</") else boundary[1].lower()
        else:
            text = strip_tags(piece)
            if text:
                yield tag, text


# ------------------------------------------------------------------------------------------------------ the sources ---
# Each yields (title of a section, its paragraphs) in reading order.


def anarchism(root):
    """An Anarchist FAQ: long political essays. The package's second copy, in Markdown, is left alone."""
    folder = os.path.join(root, "usr/share/doc/anarchism/html")
    no_prose = {"alinks", "arlinks", "links", "biblio", "new", "index", "pdf", "quotes", "book", "contact", "translations"}
    reference = re.compile(r"\s*\[[^\[\]]*(?:\bpp?\.\s*\d|\bOp\.\s*Cit|\bIbid)[^\[\]]*\]", re.I)
    # The appendices repeat much of the FAQ's sections in older words: read them last, so that the repeats are dropped.
    for name in sorted(listing(folder), key=lambda name: (name.startswith("append"), name)):
        if not name.endswith(".html") or name[:-5] in no_prose:
            continue
        page = read_bytes(os.path.join(folder, name)).decode()
        page = re.sub(r'<div id="book-navigation.*', "", page, flags=re.S)
        title, paragraphs = name, []
        for tag, text in html_blocks(page):
            if tag in ("h1", "h2", "h3"):
                yield title, paragraphs
                title, paragraphs = text, []
                continue
            text = reference.sub("", text)
            if is_prose(text, 60):
                paragraphs.append(text)
        yield title, paragraphs


def austen(root):
    """Six novels: an R package's database of [size][zlib stream], each holding a vector of strings, one a line."""
    data = read_bytes(os.path.join(root, "usr/lib/R/site-library/janeaustenr/data/Rdata.rdb"))
    heading = re.compile(r"(?:CHAPTER|Chapter) (?:[IVXLC]+|\d+)\.?$")
    position = 0
    while position < len(data):
        inflate = zlib.decompressobj()
        record = inflate.decompress(data[position + 4 :])
        position = len(data) - len(inflate.unused_data)
        lines, at = [], record.index(b"\x00\x00\x00\x10") + 8  # type STRSXP, then the number of strings
        while record[at : at + 2] == b"\x00\x04":  # type CHARSXP with its encoding, length, bytes
            (length,) = struct.unpack(">I", record[at + 4 : at + 8])
            lines.append(record[at + 8 : at + 8 + length].decode())
            at += 8 + length
        book, chapter, paragraphs = lines[0].title(), 0, []
        for block in re.split(r"\n\s*\n", "\n".join(lines)):
            text = tidy(block)
            if heading.match(text):
                if chapter:
                    yield f"{book}, chapter {chapter}", paragraphs
                chapter, paragraphs = chapter + 1, []
            elif chapter and text and not re.match(r"(VOLUME [IVX]+|FINIS|THE END|End of .*)\.?$", text, re.I):
                paragraphs.append(re.sub(r"\b_|_\b|_(?=\W|$)|(?<=\W)_", "", text))
        yield f"{book}, chapter {chapter}", paragraphs


def sword_stream(prefix):
    """All blocks of a SWORD module in order: .bzs holds (offset, packed size, size), .bzz the zlib streams."""
    index, packed = read_bytes(prefix + ".bzs"), read_bytes(prefix + ".bzz")
    blocks = []
    for offset, size, _ in struct.iter_unpack("<III", index):
        if size:
            blocks.append(zlib.decompress(packed[offset : offset + size]))
    return b"".join(blocks).decode()


def sword_chapters(folder, without):
    """Chapters of a module in OSIS markup, less the elements named in `without`."""
    for testament in ("ot", "nt"):
        text = sword_stream(os.path.join(folder, testament))
        for element in without:
            text = re.sub(rf"<{element}\b[^>]*[^/]>.*?</{element}>|<{element}>.*?</{element}>", " ", text, flags=re.S)
        # What stands between chapters is a book's front matter: names, licence, introduction.
        for name, body in re.findall(r'<chapter\b[^>]*\bosisID="([^"]+)"[^>]*/>(.*?)<chapter\b[^>]*\beID=', text, re.S):
            paragraphs = []
            for piece in re.split(r'<div\b[^>]*type="x-p"\s*/>|<lg\b[^>]*/>|<lb\b[^>]*/>|<item\b[^>]*>', body):
                paragraph = strip_tags(re.sub(r"<l\b[^>]*>", " ", piece))
                if paragraph:
                    paragraphs.append(re.sub(r" ([,.;:!?\u2019\u201d])", r"\1", paragraph))
            yield name.replace(".", " "), paragraphs


def web_bible(root):
    """World English Bible: scripture in modern English."""
    folder = os.path.join(root, "usr/share/sword/modules/texts/ztext")
    modules = listing(folder)
    if len(modules) != 1:
        fail(f"{folder}: found {modules}, expected one module")
    return sword_chapters(os.path.join(folder, modules[0]), ("note", "title", "speaker"))


def henry(root):
    """Matthew Henry's concise commentary: expository prose of 1706. Outlines (tables) and verse labels are left out."""
    folder = os.path.join(root, "usr/share/sword/modules/comments/zcom/mhcc")
    for title, paragraphs in sword_chapters(folder, ("note", "title", "table", "hi")):
        yield title, [paragraph for paragraph in paragraphs if is_prose(paragraph, 100)]  # some outlines are no tables


def jargon(root):
    """The Jargon File: essays on hackers' language, then a lexicon; entries become "headword: definition"."""
    path = os.path.join(root, "usr/share/doc/jargon-text/jargon.txt.gz")
    text = gzip.decompress(read_bytes(path)).decode()
    body = re.search(r"\nChapter\s1\.\s.*(?=\nBibliography\n)", text, re.S)
    if not body:
        fail(f"{path}: found no 'Chapter 1.' before 'Bibliography'")
    title, paragraphs, headword = "Introduction", [], ""
    for block in re.split(r"\n\s*\n", body[0]):
        block = tidy(re.sub(r"^\s*\u2022", "", block))
        if re.match(r"(Chapter \d+|Appendix [A-Z])\. |Glossary$", block):
            yield title, paragraphs
            title, paragraphs, headword = block, [], ""
            continue
        entry = re.match(r":([^:/]+):(?: /.*| [a-z ,.&]*)?$", block)
        if entry:
            headword = entry[1]
            continue
        block = re.sub(r"\{([^{}]*)\}", r"\1", block)
        if is_prose(block, 60) and "\u2502" not in block:  # the bar of a table
            paragraphs.append(f"{headword}: {block}" if headword else block)
            headword = ""
        if title == "Glossary" and sum(map(len, paragraphs)) > 20_000:
            yield title, paragraphs
            paragraphs = []
    yield title, paragraphs


def cfi(root):
    """Computers, phreaking and electronic culture of the 80s and 90s: a history, translated from Swedish."""
    folder = os.path.join(root, "usr/share/doc/cfi-en/html")
    for name in listing(folder):
        if not re.match(r"(ch\d+web|preface|ottoen)\.htm$", name):
            continue
        page = read_bytes(os.path.join(folder, name)).decode("latin-1")
        page = re.sub(r"<sup\b.*?</sup\s*>", "", page, flags=re.S | re.I)
        title = re.search(r"<title>(.*?)</title>", page, re.S | re.I)
        paragraphs = [re.sub(r"^\d+\. ", "", text) for _, text in html_blocks(page) if is_prose(text, 60)]
        yield tidy(title[1]) if title else name, [p for p in paragraphs if not p.startswith("Design and formatting")]


SOURCES = {
    "anarchism": anarchism,
    "cfi-en": cfi,
    "jargon-text": jargon,
    "r-cran-janeaustenr": austen,
    "sword-comm-mhcc": henry,
    "sword-text-web": web_bible,
}

# -------------------------------------------------------------------------------------------------------- documents ---


def fresh(paragraphs, seen):
    """The paragraphs that are text and mostly new. `seen` holds a quarter of all runs of twelve words so far; a
    paragraph with half of its runs there is a repeat (quoted twice, or revised), and would leak into held-out text."""
    for paragraph in paragraphs:
        words = paragraph.split()
        runs = {zlib.crc32(" ".join(words[i : i + 12]).encode()) for i in range(len(words) - 11)}
        runs = {run for run in runs if run % 4 == 0}
        repeated = len(runs & seen)
        seen |= runs
        if runs and 2 * repeated >= len(runs):
            continue
        if re.search("[A-Za-z]", paragraph) and not re.search(r"://|www\.|\w@\w", paragraph):
            yield paragraph


def documents(sections):
    """Sections of sensible size: (title, text)."""
    seen, first, held = set(), None, []
    for title, paragraphs in sections:
        paragraphs = list(fresh(paragraphs, seen))
        if paragraphs and not held:
            first = title
        held += paragraphs
        if sum(map(len, held)) >= SHORTEST:
            yield from cut(first, held)
            held = []
    if held:
        yield from cut(first, held)


def cut(title, paragraphs):
    total = sum(map(len, paragraphs))
    parts = -(-total // LONGEST)
    done, part, held = 0, 1, []
    for paragraph in paragraphs:
        held.append(paragraph)
        done += len(paragraph)
        if done >= total * part / parts:
            yield (f"{title}, part {part}" if parts > 1 else title), "\n\n".join(held)
            held = []
            while done >= total * part / parts:
                part += 1


def main():
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it without a traceback
    if len(sys.argv) != 2:
        sys.exit("usage: extract.py FOLDER > prose.jsonl")
    keyed = {}
    for source, reader in SOURCES.items():
        sizes = []
        for title, text in documents(reader(os.path.join(sys.argv[1], source))):
            line = json.dumps({"source": source, "title": title, "text": text}, ensure_ascii=False)
            keyed[hashlib.sha256(text.encode()).digest()] = line
            sizes.append(len(text))
        if sum(sizes) < 100_000:
            fail(f"{source}: only {sum(sizes)} characters of prose found; the package has changed its layout")
        print(f"{source:20} {len(sizes):5} documents {sum(sizes) / 1e6:6.2f} MB", file=sys.stderr)
    with open(sys.stdout.fileno(), "w", encoding="utf-8", newline="\n", closefd=False) as out:
        for key in sorted(keyed):
            out.write(keyed[key] + "\n")


if __name__ == "__main__":
    main()
