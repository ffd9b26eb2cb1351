#!/usr/bin/env python3
"""Makes a synthetic lab folder in the formats of docs/formats.md: losses from a known law, with seeded noise.

    make_lab.py OUT [--rungs 5] [--horizons 7] [--rows 80] [--source text|markov] [--unfinished] [--hostile]
                    [--without fit.json,corpus.json,...]

The tests of `rung report` draw it; nothing here is measured. The fit that is written is the law itself, and the residuals
are the noise, so a reader of the page knows what it must show."""
import argparse
import hashlib
import json
import math
import os
import random
import shutil

LAW = {"E": 1.21, "A": 9.6, "B": 58.0, "alpha": 0.322, "beta": 0.357}
NOISE = 0.003
SHAPES = [(16, 1), (32, 2), (48, 3), (64, 4), (96, 4), (128, 5), (176, 5), (224, 6)]
CONTEXT, VOCAB, BATCH = 128, 96, 1024
BYTES_PER_TOKEN = 1.0
HOSTILE = "</script><script>document.title='owned'</script> \"quotes\" 'single' & <b>bold</b> <!-- \u2028 \x07 {{data}}"


def law(n, d):
    return LAW["E"] + LAW["A"] * n ** -LAW["alpha"] + LAW["B"] * d ** -LAW["beta"]


def trunk_loss(n, tokens):
    """At a constant rate: above the annealed law, and ln V at the start."""
    annealed = law(n, tokens + 3000) * 1.03 + 0.02
    return min(math.log(VOCAB), annealed)


class Rung:
    def __init__(self, width, depth):
        self.width, self.depth = width, depth
        self.n = 12 * depth * width**2
        self.forward = 2 * self.n + 2 * VOCAB * width + 4 * depth * width * (CONTEXT + 1) / 2
        self.train = 3 * self.forward


def shapes(count):
    known = SHAPES[:count]
    for i in range(len(known), count):
        known.append((16 * (i + 4), 3 + i // 2))
    return [Rung(*s) for s in known]


def identifier(*parts):
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def write_json(path, value):
    with open(path, "w", encoding="utf-8") as out:
        json.dump(value, out, indent=1, ensure_ascii=False)
        out.write("\n")


MACHINE = {
    "cpu": "Example CPU @ 2.80GHz", "vector_unit": "avx512f", "cores": 2, "memory": 2.5e10, "system": "Linux 6.1 x86_64",
    "compiler": "gcc 12.2.0", "blas": "OpenBLAS 0.3.21 pthread SkylakeX", "version": "1.0",
}


def config(rung, tokens, seed):
    return {
        "width": rung.width, "depth": rung.depth, "context": CONTEXT, "tokens": tokens, "batch": BATCH // CONTEXT,
        "rate": 0.004, "embed_rate": 10, "batch_power": 0.5, "beta1": 0.9, "beta2_tokens": 5e5, "epsilon": 1e-12,
        "clip": 1, "decay": 0, "warmup_tokens": 2e5, "cooldown": 0.2, "eval_tokens": 262144, "evals": 40, "epochs": 1,
        "seed": seed,
    }


def write_run(lab, rung, identity, kind, status, tokens, seed, result, rows):
    folder = os.path.join(lab, "runs", identity)
    os.makedirs(folder)
    record = {
        "format": 1, "id": identity, "kind": kind, "status": status, "config": config(rung, tokens, seed),
        "corpus": {"path": "demo.corpus", "hash": "00000000deadbeef", "description": "example"},
        "shape": {
            "vocab": VOCAB, "N": rung.n, "N_matmul": rung.n + VOCAB * rung.width, "N_all": rung.n + 2 * VOCAB * rung.width,
            "parameters": {"embedding": VOCAB * rung.width, "attention": rung.n // 3, "mlp": rung.n - rung.n // 3,
                           "head": VOCAB * rung.width},
            "forward_flops": rung.forward, "train_flops": rung.train,
        },
        "machine": MACHINE,
    }
    if result:
        record["result"] = result
    write_json(os.path.join(folder, "run.json"), record)
    with open(os.path.join(folder, "log.jsonl"), "w", encoding="utf-8") as log:
        for row in rows:
            log.write(json.dumps(row) + "\n")


def curve(rung, first, last, count, loss_at, noise):
    """Rows between two token counts, evenly spaced in the log; three of four carry no evaluation."""
    rows, seen = [], set()
    for i in range(count):
        tokens = first * (last / first) ** (i / max(count - 1, 1))
        step = max(1, round(tokens / BATCH))
        if step in seen:
            continue
        seen.add(step)
        value = loss_at(step * BATCH)
        evaluated = len(rows) % 4 == 0 or i == count - 1
        rows.append({
            "step": step, "tokens": step * BATCH, "rate": 0.004, "loss": value * (1 + noise.gauss(0, 0.01)),
            "gradient_norm": 0.4, "held_out": value * (1 + noise.gauss(0, 0.001)) if evaluated else None,
            "held_out_error": 0.004 if evaluated else None,
        })
    return rows


def result_of(rung, tokens, loss, bits_per_byte, diverged=False):
    return {
        "steps": tokens // BATCH, "tokens": tokens, "loss": "nan" if diverged else loss, "loss_error": 0.004,
        "bits_per_byte": "nan" if math.isnan(bits_per_byte) else bits_per_byte, "train_loss": loss - 0.01,
        "clipped": 0.01, "flops": rung.train * tokens, "seconds": rung.train * tokens / 4e10,
        "trained_tokens": tokens * 0.2, "tokens_per_second": 4e10 / rung.train, "gflops": 40.0, "peak_gflops": 120.0,
        "peak_fraction": 0.33, "memory_bytes": 5e7, "weights_hash": "0123456789abcdef", "diverged": diverged,
    }


COLUMNS = ("id width depth context vocab batch_tokens seed N N_matmul N_all D steps C C_6ND loss loss_error "
           "bits_per_byte fit reason").split()


def solve3(matrix, right):
    """Gaussian elimination for the parabolas."""
    rows = [list(m) + [r] for m, r in zip(matrix, right)]
    for i in range(3):
        pivot = max(range(i, 3), key=lambda k: abs(rows[k][i]))
        rows[i], rows[pivot] = rows[pivot], rows[i]
        for k in range(3):
            if k != i:
                factor = rows[k][i] / rows[i][i]
                rows[k] = [a - factor * b for a, b in zip(rows[k], rows[i])]
    return [rows[i][3] / rows[i][i] for i in range(3)]


def parabola(points):
    xs = [math.log(p["N"]) for p in points]
    ys = [p["loss"] for p in points]
    center = sum(xs) / len(xs)
    power = [sum((x - center) ** k for x in xs) for k in range(5)]
    right = [sum(y * (x - center) ** k for x, y in zip(xs, ys)) for k in range(3)]
    c0, c1, c2 = solve3([[power[i + j] for j in range(3)] for i in range(3)], right)
    return [c0 - c1 * center + c2 * center**2, c1 - 2 * c2 * center, c2]


def isoflop(rungs, used, noise):
    low, high = min(p["C_6ND"] for p in used) * 12, max(p["C_6ND"] for p in used) / 3
    out = []
    for i in range(5):
        budget = low * (high / low) ** (i / 4)
        points = []
        for rung in rungs:
            d = budget / (6 * rung.n)
            if 8e4 <= d <= 2e7:
                points.append({"N": rung.n, "D": d, "loss": law(rung.n, d) * (1 + noise.gauss(0, NOISE))})
        if len(points) < 3:
            continue
        c0, c1, c2 = parabola(points)
        best = math.exp(-c1 / (2 * c2)) if c2 > 0 else 0
        edge = not points[0]["N"] < best < points[-1]["N"]
        minimum = None if edge else {"N": best, "D": budget / (6 * best), "loss": c0 - c1**2 / (4 * c2)}
        out.append({"C": budget, "points": points, "parabola": [c0, c1, c2], "minimum": minimum, "edge": edge})
    return out


def straight(xs, ys):
    mx, my = sum(xs) / len(xs), sum(ys) / len(ys)
    slope = sum((x - mx) * (y - my) for x, y in zip(xs, ys)) / sum((x - mx) ** 2 for x in xs)
    rms = math.sqrt(sum((y - my - slope * (x - mx)) ** 2 for x, y in zip(xs, ys)) / len(xs))
    return my - slope * mx, slope, rms


def single_laws(used):
    laws = []
    for x, pick in (("N", "D"), ("D", "N"), ("C", None)):
        if pick:
            top = max(p[pick] for p in used)
            chosen = [p for p in used if p[pick] == top]
        else:
            chosen, best = [], math.inf
            for p in sorted(used, key=lambda p: p["C"]):
                if p["loss"] < best:
                    best = p["loss"]
                    chosen.append(p)
        for form, e in (("power", 0.0), ("power+E", LAW["E"] * 1.02)):
            k, slope, rms = straight([math.log(p[x]) for p in chosen], [math.log(p["loss"] - e) for p in chosen])
            laws.append({
                "x": x, "form": form, "parameters": {"E": e, "k": math.exp(k), "exponent": -slope},
                "intervals": {"E": [e * 0.9, e * 1.08], "exponent": [-slope * 0.8, -slope * 1.25]}, "rms": rms,
                "points": len(chosen),
            })
    return laws


def allocation(low, high):
    alpha, beta = LAW["alpha"], LAW["beta"]
    a = beta / (alpha + beta)
    g = (alpha * LAW["A"] / (beta * LAW["B"])) ** (1 / (alpha + beta))
    table, c = [], 10 ** math.floor(math.log10(low))
    while c <= high * 1000:
        n, d = g * (c / 6) ** a, (c / 6) ** (1 - a) / g
        table.append({
            "C": c, "N": n, "D": d, "D_per_N": d / n, "loss": law(n, d), "N_interval": [n * 0.7, n * 1.4],
            "D_interval": [d * 0.7, d * 1.4], "D_per_N_interval": [d / n * 0.5, d / n * 2],
        })
        c *= 10
    return {"a": a, "b": 1 - a, "G": g, "table": table}


def fit(rungs, points, noise):
    used = [p for p in points if p["fit"] == 1]
    alpha, beta, e = LAW["alpha"], LAW["beta"], LAW["E"]
    residuals, objective = [], 0.0
    for p in used:
        predicted = law(p["N"], p["D"])
        r = math.log(p["loss"] / predicted)
        objective += r * r / 2 if abs(r) <= 1e-3 else 1e-3 * (abs(r) - 5e-4)
        residuals.append({"id": p["id"], "N": p["N"], "D": p["D"], "C": p["C"], "loss": p["loss"],
                          "loss_error": p["loss_error"], "predicted": predicted, "residual": r})
    top = max(p["N"] for p in used)
    prediction = []
    for p in used:
        if p["N"] == top:
            predicted = law(p["N"], p["D"]) * 1.004
            prediction.append({"id": p["id"], "N": p["N"], "D": p["D"], "loss": p["loss"], "predicted": predicted,
                               "interval": [predicted * 0.99, predicted * 1.012], "error": predicted / p["loss"] - 1,
                               "baseline": predicted * 1.021})
    cheap, dear = min(p["C"] for p in used), max(p["C"] for p in used)
    both = alpha * beta / (alpha + beta)
    curve_of_e = [{"E": e * (0.7 + 0.6 * i / 40), "objective": objective * (1 + 40 * ((0.7 + 0.6 * i / 40) - 1) ** 2)}
                  for i in range(41)]
    return {
        "format": 1, "law": "chinchilla", "points": {"used": len(used), "left_out": len(points) - len(used), "rungs": len(rungs)},
        "parameters": dict(LAW), "objective": objective, "converged": True,
        "columns": {"N": "N", "D": "D", "C": "C", "loss": "loss"},
        "identified": {name: True for name in [*LAW, "a"]}, "rms": NOISE,
        "bootstrap": {"method": "simulated", "replicates": 1000, "seed": 1, "level": 0.9},
        "certificate": {"starts": 256, "agreeing": 251, "gradient": 3.1e-12, "condition": 14.2},
        "intervals": {"E": [e - 0.11, e + 0.07], "A": [5.1, 19.0], "B": [24.0, 155.0], "alpha": [alpha - 0.05, alpha + 0.06],
                      "beta": [beta - 0.04, beta + 0.06], "a": [0.47, 0.58]},
        "allocation": allocation(cheap, dear),
        "halving": {"N": {"factor": 2 ** (1 / alpha), "interval": [6.1, 12.8]},
                    "D": {"factor": 2 ** (1 / beta), "interval": [5.3, 8.9]},
                    "C": {"factor": 2 ** (1 / both), "interval": [38.0, 91.0]}},
        "profile_E": {"interval": [e - 0.11, e + 0.07], "threshold": objective * 0.3, "curve": curve_of_e},
        "laws": single_laws(used), "isoflop": isoflop(rungs, used, noise), "residuals": residuals,
        "prediction": {"N": top, "error": sum(abs(p["error"]) for p in prediction) / len(prediction),
                       "worst": max(abs(p["error"]) for p in prediction), "baseline_error": 0.0238, "covered": len(prediction),
                       "points": prediction},
        "warnings": [{"code": "few_rungs", "text": "Five rungs: the interval of E rests on few independent trunks."}],
        "text": "The loss that more parameters can remove falls as N to the power -0.322 (90 % interval 0.272 to 0.382).\n"
                "Beyond the range that was measured the fitted curve is a guess.\n"
                "What to keep in mind:\nFive rungs: the interval of E rests on few independent trunks.",
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out")
    parser.add_argument("--rungs", type=int, default=5)
    parser.add_argument("--horizons", type=int, default=7)
    parser.add_argument("--rows", type=int, default=80, help="lines of a trunk's log")
    parser.add_argument("--source", choices=("text", "markov"), default="text")
    parser.add_argument("--unfinished", action="store_true", help="the largest rung is still running, nothing is fitted")
    parser.add_argument("--hostile", action="store_true", help="markup, quotes and control characters wherever text goes")
    parser.add_argument("--without", default="", help="files of the lab to leave away, separated by commas")
    options = parser.parse_args()
    noise = random.Random(1)
    lab = options.out
    shutil.rmtree(lab, ignore_errors=True)
    os.makedirs(os.path.join(lab, "runs"))
    rungs = shapes(options.rungs)
    horizons = [131072 * 2**i for i in range(min(options.horizons, 7))]
    while len(horizons) < options.horizons:  # many runs: more horizons inside the same range
        horizons = sorted(set(horizons + [round(131072 * 64 ** noise.random() / BATCH) * BATCH]))
    points = []
    for rung in rungs:
        running = options.unfinished and rung is rungs[-1]
        trunk = identifier("trunk", rung.width, rung.depth)
        end = int(horizons[-1] * (0.3 if running else 0.8))
        write_run(lab, rung, trunk, "trunk", "running" if running else "done", horizons[-1], 1, None,
                  curve(rung, BATCH, end, options.rows, lambda t, n=rung.n: trunk_loss(n, t), noise))
        for d in horizons:
            if running and d > horizons[1]:
                continue
            identity = identifier("run", rung.width, rung.depth, d)
            loss = law(rung.n, d) * (1 + noise.gauss(0, NOISE))
            diverged = rung is rungs[1] and d == horizons[min(3, len(horizons) - 1)]
            start = trunk_loss(rung.n, 0.8 * d)

            def annealing(t, d=d, start=start, loss=loss):
                return start + (loss - start) * math.sqrt(min(max((t / d - 0.8) / 0.2, 0), 1))

            no_bits = options.source == "markov" or diverged
            bits_per_byte = math.nan if no_bits else loss / math.log(2) / BYTES_PER_TOKEN
            write_run(lab, rung, identity, "run", "diverged" if diverged else "done", d, 1,
                      result_of(rung, d, loss, bits_per_byte, diverged),
                      curve(rung, int(0.8 * d), d, max(8, options.rows // 5), annealing, noise))
            reason = "diverged" if diverged else "short" if d // BATCH < 200 else ""
            points.append({
                "id": identity, "width": rung.width, "depth": rung.depth, "context": CONTEXT, "vocab": VOCAB,
                "batch_tokens": BATCH, "seed": 1, "N": rung.n, "N_matmul": rung.n + VOCAB * rung.width,
                "N_all": rung.n + 2 * VOCAB * rung.width, "D": d, "steps": d // BATCH, "C": rung.train * d,
                "C_6ND": 6 * rung.n * d, "loss": math.nan if diverged else loss, "loss_error": 0.004,
                "bits_per_byte": bits_per_byte,
                "fit": 0 if reason else 1, "reason": reason,
            })
    text = options.source == "text"
    files = {
        "plan.json": {"name": "example", "rungs": [{"width": r.width, "depth": r.depth, "horizons": horizons, "seeds": [1]} for r in rungs]},
        "corpus.json": {
            "path": "demo.corpus", "tokenizer": "char" if text else "symbols", "vocab": VOCAB, "hash": "00000000deadbeef",
            "source_hash": "00000000feedface",
            "description": HOSTILE if options.hostile else "English prose" if text else "Markov source of order 1, 96 symbols",
            "train": {"tokens": 20000000, "bytes": 20000000 if text else 0, "documents": 912},
            "held_out": {"tokens": 1000000, "bytes": 1000000 if text else 0, "documents": 44},
            "entropy": {"unigram": 3.05, "bigram": 2.42, "rate": "nan" if text else 1.19},
            "compressors": [{"name": "zstd -19", "alone": 2.61, "after_train": 2.32},
                            {"name": "xz -9e", "alone": 2.48, "after_train": 2.21}] if text else [],
        },
        "samples.json": {
            "id": points[-1]["id"], "width": rungs[-1].width, "depth": rungs[-1].depth, "tokens": horizons[-1],
            "temperature": 0.8, "prompt": HOSTILE if options.hostile else "The old man looked at the sea and",
            "generated": HOSTILE if options.hostile else " said the word of the house that he had been a little the "
            "stood of the morning, and the\nman was so the long to be the same.",
            "held_out": HOSTILE if options.hostile else " thought how strange it was that it had once seemed wide to "
            "him.\nHe had crossed it as a boy, in his father's boat.",
        },
    }
    left_away = options.without.split(",")
    if not options.unfinished and "fit.json" not in left_away:
        files["fit.json"] = fit(rungs, points, noise)
    for name, value in files.items():
        if name not in left_away:
            write_json(os.path.join(lab, name), value)
    if "points.csv" not in left_away:
        with open(os.path.join(lab, "points.csv"), "w", encoding="utf-8") as out:
            out.write(",".join(COLUMNS) + "\n")
            for p in points:
                out.write(",".join(str(p[c]) for c in COLUMNS) + "\n")
    if "runs" in left_away:
        shutil.rmtree(os.path.join(lab, "runs"))


main()
