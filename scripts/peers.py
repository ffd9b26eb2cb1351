#!/usr/bin/env python3
"""rung, PyTorch and OpenBLAS side by side: what scripts/bench_peers.sh runs.

The rivals take turns in short rounds, so that what else the machine does hits all of them; figures are medians. PyTorch
trains two models of the same size, on one thread: the very block of model/model.h, and a block in the style of GPT-2 (layer
norms with gain and bias, biases, learned positions, GELU). It runs as it was installed, and with every setting that makes
it faster on this machine, of which the best one counts. A process for each setting stays up: imports are not timed.

    peers.py --rung ./rung         the table
    peers.py --check               is the first block really that of model/model.h? against tests/data
    peers.py --worker --threads 1  answers requests, a line of JSON each (what the table's maker starts)
"""

import argparse
import json
import math
import os
import pathlib
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
HEAD = 16
LADDER = [(16, 2, 512), (32, 3, 512), (64, 4, 1024), (128, 5, 2048), (256, 6, 4096)]  # width, depth, tokens a step

# ------------------------------------------------------------------------------------------------------ the two models ---


def rung_block():
    """The block of model/model.h, as few calls as PyTorch allows: each costs microseconds, which small models feel."""
    import torch
    from torch.nn import functional as F

    class Rms(torch.autograd.Function):
        @staticmethod
        def forward(context, x):
            r = x.square().mean(-1, keepdim=True).add_(1e-6).rsqrt_()
            y = x * r
            context.save_for_backward(y, r)
            return y

        @staticmethod
        def backward(context, dy):
            y, r = context.saved_tensors
            return torch.addcmul(dy, y, (dy * y).mean(-1, keepdim=True), value=-1).mul_(r)

    rms = Rms.apply

    def table(vocab, width, depth):
        """(name, shape, deviation) of every parameter."""
        rows = [("embedding", (vocab, width), 1)]
        for layer in range(depth):
            at = f"blocks.{layer}."
            rows += [
                (at + "attention.qkv", (3 * width, width), width**-0.5),
                (at + "attention.out", (width, width), 0),
                (at + "mlp.in", (4 * width, width), width**-0.5),
                (at + "mlp.out", (width, 4 * width), 0),
            ]
        return rows + [("head", (vocab, width), 0)]

    def loss_maker(vocab, context, width, depth):
        heads = width // HEAD
        angle = torch.outer(torch.arange(context).float(), 1e4 ** (-torch.arange(HEAD // 2).float() / (HEAD // 2)))
        cosine, sine = (f(angle).view(1, context, 1, 1, HEAD // 2) for f in (torch.cos, torch.sin))
        future = torch.full((context, context), -math.inf).triu(1)

        def loss(parameters, tokens):
            batch = tokens.shape[0]
            x = rms(F.embedding(tokens[:, :-1], parameters[0]))
            for layer in range(depth):
                qkv_weight, out_weight, in_weight, mlp_out_weight = parameters[1 + 4 * layer : 5 + 4 * layer]
                qkv = F.linear(rms(x), qkv_weight).view(batch, context, 3, heads, HEAD)
                qk = rms(qkv[:, :, :2])
                a, b = qk[..., : HEAD // 2], qk[..., HEAD // 2 :]
                qk = torch.cat([a * cosine - b * sine, a * sine + b * cosine], -1)
                q, k = qk.permute(2, 0, 3, 1, 4).reshape(2, batch * heads, context, HEAD)
                v = qkv[:, :, 2].transpose(1, 2).reshape(batch * heads, context, HEAD)
                p = torch.baddbmm(future, q, k.transpose(1, 2), alpha=1.44 / math.sqrt(HEAD)).softmax(-1)
                mixed = torch.bmm(p, v).view(batch, heads, context, HEAD).transpose(1, 2).reshape(batch, context, width)
                x = torch.add(x, F.linear(mixed, out_weight), alpha=2 / depth)
                x = torch.add(x, F.linear(F.linear(rms(x), in_weight).relu_().square(), mlp_out_weight), alpha=2 / depth)
            logits = F.linear(rms(x), parameters[-1])
            return F.cross_entropy(logits.view(-1, vocab), tokens[:, 1:].reshape(-1))

        return loss

    return table, loss_maker


def gpt2_block():
    """Radford et al. 2019, with heads of the same width; embedding and head untied, like rung's."""
    import torch
    from torch.nn import functional as F

    def table(vocab, width, depth, context):
        rows = [("tokens", (vocab, width), 0.02), ("positions", (context, width), 0.02)]
        for layer in range(depth):
            deep = 0.02 / math.sqrt(2 * depth)
            rows += [("gain", (width,), None), ("bias", (width,), 0), ("qkv", (3 * width, width), 0.02)]
            rows += [("bias", (3 * width,), 0), ("out", (width, width), deep), ("bias", (width,), 0)]
            rows += [("gain", (width,), None), ("bias", (width,), 0), ("in", (4 * width, width), 0.02)]
            rows += [("bias", (4 * width,), 0), ("out", (width, 4 * width), deep), ("bias", (width,), 0)]
        return rows + [("gain", (width,), None), ("bias", (width,), 0), ("head", (vocab, width), 0)]

    def loss_maker(vocab, context, width, depth):
        heads = width // HEAD
        future = torch.full((context, context), -math.inf).triu(1)

        def loss(parameters, tokens):
            batch = tokens.shape[0]
            x = F.embedding(tokens[:, :-1], parameters[0]) + parameters[1]
            for layer in range(depth):
                g1, b1, wqkv, bqkv, wo, bo, g2, b2, w1, c1, w2, c2 = parameters[2 + 12 * layer : 14 + 12 * layer]
                qkv = F.linear(F.layer_norm(x, (width,), g1, b1), wqkv, bqkv).view(batch, context, 3, heads, HEAD)
                q, k, v = qkv.permute(2, 0, 3, 1, 4).reshape(3, batch * heads, context, HEAD)
                p = torch.baddbmm(future, q, k.transpose(1, 2), alpha=1 / math.sqrt(HEAD)).softmax(-1)
                mixed = torch.bmm(p, v).view(batch, heads, context, HEAD).transpose(1, 2).reshape(batch, context, width)
                x = x + F.linear(mixed, wo, bo)
                h = F.linear(F.layer_norm(x, (width,), g2, b2), w1, c1)
                x = x + F.linear(F.gelu(h, approximate="tanh"), w2, c2)
            x = F.layer_norm(x, (width,), parameters[-3], parameters[-2])
            return F.cross_entropy(F.linear(x, parameters[-1]).view(-1, vocab), tokens[:, 1:].reshape(-1))

        return loss

    return table, loss_maker


# ---------------------------------------------------------------------------------------------------------- the worker ---


class Training:
    def __init__(self, block, vocab, context, width, depth, batch):
        import torch

        torch.manual_seed(1)
        table, loss_maker = rung_block() if block == "same" else gpt2_block()
        rows = table(vocab, width, depth) if block == "same" else table(vocab, width, depth, context)
        self.parameters = [
            (torch.ones(size) if deviation is None else torch.randn(size) * deviation).requires_grad_()
            for _, size, deviation in rows
        ]
        self.loss = loss_maker(vocab, context, width, depth)
        self.tokens = lambda: torch.randint(vocab, (batch, context + 1))
        self.optimizer = torch.optim.AdamW(self.parameters, lr=1e-3, foreach=True)
        self.count = batch * context

    def step(self):
        loss = self.loss(self.parameters, self.tokens())
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        return loss


def work():
    """A request: {"block", "shape": [...], "seconds", "cpu_time"}. A new shape or block makes a new model."""
    import torch

    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    key, training, first_loss = None, None, None
    for line in sys.stdin:
        request = json.loads(line)
        wanted = (request["block"], tuple(request["shape"]))
        if key != wanted:
            key, training = wanted, None
            training = Training(request["block"], *request["shape"])
            first_loss = training.step().item()
            training.step()
        clock = time.process_time if request["cpu_time"] else time.perf_counter
        begin, steps = clock(), 0
        while steps == 0 or clock() - begin < request["seconds"]:
            training.step()
            steps += 1
        rate = steps * training.count / (clock() - begin)
        print(json.dumps({"tokens_per_second": rate, "first_loss": first_loss}), flush=True)


class Worker:
    def __init__(self, name, environment):
        self.name = name
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--worker"],
            env=os.environ | {"OMP_NUM_THREADS": "1"} | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, **request):
        print(json.dumps(request), file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        if not answer:
            sys.exit(f"error: the PyTorch process '{self.name}' ended; see its message above")
        return json.loads(answer)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def settings():
    """Environments that may make PyTorch faster, the one as installed first. Debian's build takes its matrix products from
    OpenBLAS, whose version does not know newer processors, and its other loops in AVX2 unless told otherwise; glibc gives
    the memory of every large tensor back to the system, to be zeroed again a moment later."""
    keep = {"MALLOC_MMAP_THRESHOLD_": str(1 << 30), "MALLOC_TRIM_THRESHOLD_": str(1 << 31), "MALLOC_TOP_PAD_": str(1 << 26)}
    choices = {"as installed": {}, "malloc": keep}
    if " avx512f " in pathlib.Path("/proc/cpuinfo").read_text():
        wide = {"ATEN_CPU_CAPABILITY": "avx512", "OPENBLAS_CORETYPE": "SkylakeX"}
        choices["AVX-512"] = wide
        choices["malloc, AVX-512"] = keep | wide
    return choices


# --------------------------------------------------------------------------------------------------------------- check ---


def check():
    """Loss and every gradient of the reference vectors, which another implementation made in double precision."""
    import struct

    import numpy
    import torch

    sys.path.insert(0, str(HERE.parent / "tests" / "reference"))
    import make_vectors

    table, loss_maker = rung_block()
    for name, (shape, scales) in make_vectors.CASES.items():
        raw = (HERE.parent / "tests" / "data" / f"reference-{name}.safetensors").read_bytes()
        length = struct.unpack("<Q", raw[:8])[0]
        header = json.loads(raw[8 : 8 + length])

        def stored(tensor):
            entry = header[tensor]
            begin, end = (8 + length + offset for offset in entry["data_offsets"])
            kind = {"F32": "<f4", "I32": "<i4"}[entry["dtype"]]
            return torch.tensor(numpy.frombuffer(raw[begin:end], kind).reshape(entry["shape"]).copy())

        vocab, context, width, depth = (shape[key] for key in ("vocab", "context", "width", "depth"))
        rows = table(vocab, width, depth)
        parameters = []
        for number, (tensor, size, _) in enumerate(rows):
            scale = scales[tensor.split(".", 2)[-1] if tensor.startswith("blocks.") else tensor]
            values = make_vectors.parameter(number, size[0] * size[1], scale).reshape(size)
            parameters.append(torch.tensor(values, dtype=torch.float32, requires_grad=True))
        loss = loss_maker(vocab, context, width, depth)(parameters, stored("tokens").long())
        loss.backward()
        expected = float(header["__metadata__"]["loss"])
        worst = max(
            ((p.grad - stored("gradient." + row[0])).norm() / stored("gradient." + row[0]).norm()).item()
            for p, row in zip(parameters, rows)
        )
        print(f"{name}: loss {loss.item():.6f}, expected {expected:.6f}; gradients differ by {worst:.1e} at most")
        if not (abs(loss.item() - expected) < 1e-5 and worst < 1e-4):
            sys.exit("error: this is not the block of model/model.h")


# ----------------------------------------------------------------------------------------------------------- the table ---


def run_rung(options, arguments, environment=None):
    command = [options.rung, "bench", *arguments, "--rounds", "3", "--seconds", str(options.seconds / 3), "--json"]
    if options.cpu_time:
        command.append("--cpu-time")
    done = subprocess.run(
        command, env=os.environ | (environment or {}), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    if done.returncode:
        sys.exit(f"error: {' '.join(command)} failed with exit code {done.returncode}; run it to see why")
    return json.loads(done.stdout)


def close_to_ln_v(who, loss, vocab):
    if abs(loss - math.log(vocab)) > 1e-4:
        sys.exit(f"error: {who}: the first loss is {loss:.6f}, expected ln {vocab} = {math.log(vocab):.6f}")


def measure(options, workers, products, rung):
    width, depth, tokens = rung
    batch = max(1, tokens // options.context)
    shape = [options.vocab, options.context, width, depth, batch]
    names = ["width", "depth", "context", "batch", "vocab"]
    values = [width, depth, options.context, batch, options.vocab]
    arguments = ["step", *(word for name, value in zip(names, values) for word in ("--" + name, str(value)))]
    ours, peak, rates, product_rates = [], [], {}, {}

    # One round of each setting that is not counted, so that only the best one is measured in all rounds.
    chosen = {}
    for block in ("same", "gpt2"):
        trial = {}
        for worker in workers:
            answer = worker.ask(block=block, shape=shape, seconds=options.seconds, cpu_time=options.cpu_time)
            close_to_ln_v(f"PyTorch, {worker.name}", answer["first_loss"], options.vocab)
            trial[worker.name] = answer["tokens_per_second"]
        chosen[block] = max(trial, key=trial.get)

    for _ in range(options.rounds):
        answer = run_rung(options, arguments)
        close_to_ln_v("rung", answer["first_loss"], options.vocab)
        ours.append(answer["tokens_per_second"])
        peak.append(answer["peak_gflops"])
        flops = answer["gflops"] * 1e9 / answer["tokens_per_second"]
        for block in ("same", "gpt2"):
            for worker in workers:
                if worker.name not in (chosen[block], workers[0].name):
                    continue
                answer = worker.ask(block=block, shape=shape, seconds=options.seconds, cpu_time=options.cpu_time)
                rates.setdefault((block, worker.name), []).append(answer["tokens_per_second"])
        for name, environment in products.items():
            answer = run_rung(options, ["product", "--size", str(options.size)], environment)
            product_rates.setdefault(name, []).append(answer["gflops"])

    row = dict(zip(names, values), flops_per_token=flops, peak_gflops=statistics.median(peak))
    row["rung"] = statistics.median(ours)
    for block in ("same", "gpt2"):
        plain = statistics.median(rates[block, workers[0].name])
        best = max(plain, statistics.median(rates[block, chosen[block]]))
        row[block] = {"installed": plain, "best": best, "setting": chosen[block]}
    row["product_gflops"] = {name: statistics.median(values) for name, values in product_rates.items()}
    return row


def show_head(options, workers):
    about = json.loads(subprocess.run([options.rung, "doctor", "--json", "--seconds", "0.2"], stdout=subprocess.PIPE).stdout)
    import torch

    print(f"{about['cpu']}; {about['system']}; rung {about['version']}; PyTorch {torch.__version__}; {about['blas']}")
    clock = "each process's own clock" if options.cpu_time else "the clock on the wall"
    print(
        f"one thread; medians of {options.rounds} rounds by {clock}; V = {options.vocab}, T = {options.context}; tokens a "
        "second for models, part of the peak for sgemm; PyTorch as installed, and with the best of these settings:"
    )
    for name, environment in settings().items():
        print(f"  {name}: {' '.join(f'{key}={value}' for key, value in environment.items()) or '(no environment)'}")
    print()
    columns = ["width", "depth", "tokens a step", "rung, tokens/s", "of peak"]
    for block in ("PyTorch", "GPT-2 block"):
        columns += [f"{block}, best setting", "rung is", f"{block}, as installed", "rung is"]
    columns += ["sgemm, best setting", "rung is", "sgemm, as installed", "rung is"]
    print("| " + " | ".join(columns) + " |")
    print("|--:" * len(columns) + "|")


def show(row):
    gflops = row["rung"] * row["flops_per_token"] * 1e-9
    cells = [row["width"], row["depth"], row["batch"] * row["context"], f"{row['rung']:.0f}", f"{gflops / row['peak_gflops']:.3f}"]
    for block in ("same", "gpt2"):
        for kind in ("best", "installed"):
            cells += [f"{row[block][kind]:.0f}", f"{row['rung'] / row[block][kind]:.2f}x"]
    product = row["product_gflops"]
    for rate in (max(product.values()), product["as installed"]):
        cells += [f"{rate / row['peak_gflops']:.3f}", f"{gflops / rate:.2f}x"]
    print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


def compare(options):
    rungs = LADDER
    if options.widths:
        wanted = [int(width) for width in options.widths.split(",")]
        rungs = [rung for rung in LADDER if rung[0] in wanted]
        if len(rungs) != len(wanted):
            sys.exit(f"error: --widths is {options.widths}; the ladder has {', '.join(str(rung[0]) for rung in LADDER)}")
    workers = [Worker(name, environment) for name, environment in settings().items()]
    products = {"as installed": {}}
    if "AVX-512" in settings():
        products["SkylakeX"] = {"OPENBLAS_CORETYPE": "SkylakeX"}
    show_head(options, workers)
    rows = []
    for rung in rungs:
        rows.append(measure(options, workers, products, rung))
        show(rows[-1])
    for worker in workers:
        worker.close()
    print()
    for row in rows:
        print(
            f"width {row['width']}: best settings: {row['same']['setting']}, GPT-2 block: {row['gpt2']['setting']}; "
            + ", ".join(f"sgemm {name} {rate:.1f} GF/s" for name, rate in row["product_gflops"].items())
            + f"; peak {row['peak_gflops']:.1f}"
        )
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(rows, indent=1) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rung", default="./rung", help="the program")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.3, help="of each rival in a round; at least one step")
    parser.add_argument("--cpu-time", action="store_true", help="by the processes' own clocks, for busy machines")
    parser.add_argument("--widths", help="such as 16,64: only these rungs")
    parser.add_argument("--context", type=int, default=256)
    parser.add_argument("--vocab", type=int, default=96)
    parser.add_argument("--size", type=int, default=2048, help="of the matrices that OpenBLAS multiplies")
    parser.add_argument("--json", help="write the rows to this file as well")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--check", action="store_true", help="compare the block with the reference vectors")
    options = parser.parse_args()
    if options.worker:
        work()
    elif options.check:
        check()
    else:
        compare(options)


if __name__ == "__main__":
    main()
