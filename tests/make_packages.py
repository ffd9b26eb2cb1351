"""Builds six small .debs laid out like those that scripts/corpus.sh fetches, with seeded pseudo-English inside, and checks
what scripts/extract.py makes of them.

    make_packages.py build FOLDER SCRIPTS     FOLDER/<package>_<version>_all.deb, versions as in SCRIPTS/corpus.sha256
    make_packages.py check STREAM.jsonl       a line for each check: 1 or 0, and what it shows"""

import gzip
import json
import os
import random
import re
import struct
import subprocess
import sys
import tempfile
import zlib

rng = random.Random(1)
WORDS = ["".join(rng.choice("aeioulnrstdm") for _ in range(rng.randint(2, 9))) for _ in range(3000)]


def sentence():
    return " ".join(rng.choice(WORDS) for _ in range(rng.randint(9, 16))).capitalize() + "."


def paragraph():
    return " ".join(sentence() for _ in range(4))


def put(root, path, data):
    path = os.path.join(root, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data if isinstance(data, bytes) else data.encode())


def anarchism(root):
    repeat = paragraph()
    for section in range(12):
        body = "".join(f"<p>{paragraph()} [<b>Op. Cit.</b>, p. 17] {paragraph()}</p>\n" for _ in range(80))
        put(root, f"usr/share/doc/anarchism/html/sec{section:02}.html",
            f"<html><head><title>HEADTITLE</title></head><body><h1>SECTIONTITLE {section}</h1>"
            f"<ul><li><a href='x'>NAVIGATION</a></li><li><a href='y'>NAVIGATION too</a></li></ul>"
            f"<p>Se&eacute;n &amp; <i>kept</i> marker sentence of the section number {section}, long enough to be prose.</p>"
            f"<p>{repeat} Marker of a repeat, revised for section {section}.</p>{body}"
            f'<div id="book-navigation-1"><a href="z">NAVIGATION onwards, which is long enough to be prose.</a></div></body></html>')
    put(root, "usr/share/doc/anarchism/html/links.html", f"<p>LINKPAGE {paragraph()}</p>")
    put(root, "usr/share/doc/anarchism/markdown/sec00.md", "MARKDOWNCOPY " + paragraph())


def austen(root):
    records = b""
    for book in ("FIRST NOVEL", "SECOND NOVEL"):
        lines = [book, "", "by NOBODY", "", "VOLUME I", ""]
        for chapter in range(6):
            lines += [f"CHAPTER {'I' * (chapter % 3 + 1)}", ""]
            for _ in range(40):
                text = paragraph().split(" ")
                text[3] = f"_{text[3]}_"
                lines += [" ".join(text[:20]), " ".join(text[20:]), ""]
        lines += ["FINIS"]
        body = b"".join(b"\0\4\0\t" + struct.pack(">I", len(line)) + line.encode() for line in lines)
        packed = zlib.compress(b"X\n\0\0\0\3\0\4\2\1\0\3\5\0\0\0\0\5UTF-8\0\0\0\x10" + struct.pack(">I", len(lines)) + body)
        records += struct.pack(">I", len(packed)) + packed
    put(root, "usr/lib/R/site-library/janeaustenr/data/Rdata.rdb", records)


def sword(root, folder, extra):
    for testament in ("ot", "nt"):
        blocks = ["<div type=\"book\"/>FRONTMATTER "]
        for chapter in range(1, 61):
            verses = "".join(
                f'<div sID="g{i}" type="x-p"/>{extra}<w lemma="strong:H{i}">The</w> <w>man</w><note placement="foot">FOOTNOTE</note>,'
                f" {paragraph()} <div eID=\"g{i}\" type=\"x-p\"/>" for i in range(6))
            blocks.append(f'<chapter n="{chapter}" osisID="Gen.{chapter}" sID="Gen.{chapter}"/><title>TITLE</title>{verses}'
                          f'<chapter eID="Gen.{chapter}"/>')
        index = packed = b""
        for block in blocks:
            data = zlib.compress(block.encode())
            index += struct.pack("<III", len(packed), len(data), len(block))
            packed += data
        put(root, f"{folder}/{testament}.bzs", index)
        put(root, f"{folder}/{testament}.bzz", packed)


def jargon(root):
    entries = "".join(
        f"   :entry {i}: /pronounced/, n.\n\n   {paragraph()[:70]}\n   {paragraph()} See {{crosslink}}.\n\n" for i in range(500))
    put(root, "usr/share/doc/jargon-text/jargon.txt.gz", gzip.compress(
        f"CONTENTS\n\nChapter\u00a01.\u00a0Essays\n\n   {paragraph()}\n\nGlossary\n\n{entries}\nBibliography\n\nBOOKLIST".encode(), mtime=0))


def cfi(root):
    for chapter in range(1, 9):
        body = "".join(f"<p>{paragraph()}<sup>7</sup><br><br>{paragraph()} W\xe5tz.</p>" for _ in range(35))
        put(root, f"usr/share/doc/cfi-en/html/ch{chapter}web.htm",
            (f"<html><title>Chapter</title><p><a href='i'>INDEX</a></p>{body}"
             "<p>Design and formatting by NOBODY, which is long enough to be taken for prose.</p></html>").encode("latin-1"))


MAKERS = {
    "anarchism": anarchism,
    "cfi-en": cfi,
    "jargon-text": jargon,
    "r-cran-janeaustenr": austen,
    "sword-comm-mhcc": lambda root: sword(root, "usr/share/sword/modules/comments/zcom/mhcc", "<hi>Verses 1-8</hi>"),
    "sword-text-web": lambda root: sword(root, "usr/share/sword/modules/texts/ztext/web", ""),
}


def build(folder, scripts):
    with open(os.path.join(scripts, "corpus.sha256"), encoding="ascii") as file:
        versions = dict(re.findall(r"debian-12 package (\S+) (\S+)", file.read()))
    for package, maker in MAKERS.items():
        with tempfile.TemporaryDirectory() as root:
            os.chmod(root, 0o755)
            maker(root)
            put(root, "DEBIAN/control", f"Package: {package}\nVersion: {versions[package]}\nArchitecture: all\n"
                "Maintainer: nobody <nobody@localhost>\nDescription: test\n")
            subprocess.run(["dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "-b", root,
                            f"{folder}/{package}_{versions[package]}_all.deb"], check=True, stdout=subprocess.DEVNULL)


def check(path):
    with open(path, encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    text = "\n\n".join(row["text"] for row in rows)
    paragraphs = text.split("\n\n")
    by_source = {source: [row for row in rows if row["source"] == source] for source in MAKERS}
    order = [row["source"] for row in rows]

    def report(good, what):
        print(int(good), what)

    report(all(by_source.values()), "every package has documents")
    report(not re.search(r"[A-Z]{4,}", text), "no navigation, titles, footnotes, front matter, book list or second copy")
    report("<" not in text and "&" not in text.replace(" & ", ""), "no markup")
    report(sum(p.startswith("Seén & kept marker") for p in paragraphs) == 12, "entities decoded, inline tags removed, sections kept")
    report("Op. Cit" not in text and "Verses 1" not in text, "no page references, no verse labels")
    report("_" not in text and "Wåtz." in text and "Wåtz.7" not in text, "no emphasis marks, latin-1 decoded, no footnote marks")
    report(text.count("The man, ") == 2 * 2 * 60 * 6, "every verse once, footnote gone without a trace")
    report("entry 7: " in text and "/pronounced/" not in text and "See crosslink." in text, "lexicon entries with their headwords")
    report(all("\n" not in p and p == p.strip() and "  " not in p for p in paragraphs), "a paragraph is one line")
    report(text.count("Marker of a repeat") == 1, "a passage that was revised and repeated stands once")
    sizes = [len(row["text"]) for row in rows]
    report(max(sizes) < 41000 and sum(size < 6000 for size in sizes) <= len(MAKERS), "documents are of sensible size")
    report(len(by_source["anarchism"]) == 24, "long sections are cut in two")
    switches = sum(a != b for a, b in zip(order, order[1:]))
    report(switches > len(rows) / 2, "sources are mixed")


if __name__ == "__main__":
    {"build": build, "check": check}[sys.argv[1]](*sys.argv[2:])
