#!/usr/bin/env python3
"""An independent PyTorch implementation of the block, in double precision, and the vectors it gives.

    /usr/bin/python3 tests/reference/make_vectors.py tests/data       (Debian: python3-torch; seconds)

Written from the formulas in model/model.h, not from the C code: autograd makes the gradients, the rotation is a product
of complex numbers, attention is one masked softmax. tests/test_reference.c compares; it needs no PyTorch.

Each file is a safetensors file (8 bytes of header length, a JSON header, raw little-endian data) with
    tokens            I32 (B,T+1)
    logits            F32 (B,T,V)
    gradient.<name>   F32, one per tensor of the model's table
and in the header's metadata the shape, the loss and the scales of the parameters. The parameters are not stored: both sides
compute them from `parameter`, exactly, in every tensor non-zero (zero output projections would hide most errors)."""

import json
import math
import struct
import sys

import numpy
import torch

HEAD = 16
SCALES = {"embedding": 2**0, "attention.qkv": 2**-2, "attention.out": 2**-2, "mlp.in": 2**-2, "mlp.out": 2**-3, "head": 2**-1}
# Files as large as they need to be: odd sizes; L = 3 and L = 1 tell 2/L from 1; T = 70 and B T = 140 pass the blocks of
# 64 queries and 128 rows of logits; three heads; and numbers so small that the norms see their epsilon.
CASES = {
    "small": (dict(vocab=17, context=9, width=32, depth=3, batch=3), SCALES),
    "wide": (dict(vocab=96, context=70, width=48, depth=1, batch=2), SCALES),
    "faint": (dict(vocab=11, context=6, width=16, depth=2, batch=4), SCALES | {"embedding": 2**-9, "attention.qkv": 2**-10}),
}


def parameter(tensor, count, scale):
    """Elements 0..count-1 of tensor number `tensor` in the table: a hash of both numbers, made a multiple of 2^-15 in
    [-scale, scale). Exact in single precision when scale is a power of two."""
    h = numpy.arange(count, dtype=numpy.uint32) * numpy.uint32(2654435761) + numpy.uint32((tensor * 2246822519 + 374761393) % 2**32)
    h ^= h >> numpy.uint32(15)
    h *= numpy.uint32(2246822519)
    h ^= h >> numpy.uint32(13)
    h *= numpy.uint32(3266489917)
    h ^= h >> numpy.uint32(16)
    return ((h >> numpy.uint32(16)).astype(numpy.float64) - 32768) / 32768 * scale


def tensor_table(vocab, width, depth):
    """(name, shape) in the order of the model's table."""
    rows = [("embedding", (vocab, width))]
    for layer in range(depth):
        rows += [
            (f"blocks.{layer}.attention.qkv", (3 * width, width)),
            (f"blocks.{layer}.attention.out", (width, width)),
            (f"blocks.{layer}.mlp.in", (4 * width, width)),
            (f"blocks.{layer}.mlp.out", (width, 4 * width)),
        ]
    return rows + [("head", (vocab, width))]


def rms(x):
    return x * torch.rsqrt(x.pow(2).mean(dim=-1, keepdim=True) + 1e-6)


def rotate(x):
    """(B,T,H,16): element i and i+8 are the real and imaginary part of a number that turns by t theta^(-i/8)."""
    context = x.shape[1]
    angle = torch.outer(torch.arange(context, dtype=torch.float64), 1e4 ** (-torch.arange(HEAD // 2, dtype=torch.float64) / (HEAD // 2)))
    turned = torch.complex(x[..., : HEAD // 2], x[..., HEAD // 2 :]) * torch.polar(torch.ones_like(angle), angle)[None, :, None, :]
    return torch.cat([turned.real, turned.imag], dim=-1)


def logits_of(weights, tokens, depth):
    """(B,T) tokens to (B,T,V)."""
    batch, context = tokens.shape
    width = weights["embedding"].shape[1]
    past = torch.ones(context, context, dtype=torch.bool).tril()
    x = rms(weights["embedding"][tokens])
    for layer in range(depth):
        block = {name.split(".", 2)[2]: value for name, value in weights.items() if name.startswith(f"blocks.{layer}.")}
        qkv = torch.einsum("btd,cd->btc", rms(x), block["attention.qkv"])
        q, k, v = (part.reshape(batch, context, width // HEAD, HEAD) for part in qkv.split(width, dim=-1))
        scores = torch.einsum("bthi,bshi->bhts", rotate(rms(q)), rotate(rms(k))) * (1.44 / math.sqrt(HEAD))
        weight = scores.masked_fill(~past, -math.inf).softmax(dim=-1)
        mixed = torch.einsum("bhts,bshi->bthi", weight, v).reshape(batch, context, width)
        x = x + 2 / depth * torch.einsum("btc,dc->btd", mixed, block["attention.out"])
        hidden = torch.einsum("btd,cd->btc", rms(x), block["mlp.in"]).relu().square()
        x = x + 2 / depth * torch.einsum("btc,dc->btd", hidden, block["mlp.out"])
    return torch.einsum("btd,vd->btv", rms(x), weights["head"])


def write_safetensors(path, tensors, metadata):
    header, blobs, offset = {"__metadata__": metadata}, [], 0
    for name, array in tensors.items():
        kind = {"float32": "F32", "int32": "I32"}[array.dtype.name]
        blob = array.astype(array.dtype.newbyteorder("<")).tobytes()
        header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": [offset, offset + len(blob)]}
        offset += len(blob)
        blobs.append(blob)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(blobs))


def main(folder):
    for name, (shape, scales) in CASES.items():
        vocab, context, width, depth, batch = shape.values()
        weights = {}
        for number, (tensor, size) in enumerate(tensor_table(vocab, width, depth)):
            scale = scales[tensor.split(".", 2)[-1] if tensor.startswith("blocks.") else tensor]
            values = parameter(number, size[0] * size[1], scale).reshape(size)
            weights[tensor] = torch.tensor(values, dtype=torch.float64, requires_grad=True)
        generator = numpy.random.Generator(numpy.random.PCG64(1))
        tokens = torch.tensor(generator.integers(0, vocab, (batch, context + 1)))
        logits = logits_of(weights, tokens[:, :-1], depth)
        loss = torch.nn.functional.cross_entropy(logits.reshape(-1, vocab), tokens[:, 1:].reshape(-1))
        loss.backward()
        tensors = {"tokens": tokens.numpy().astype("int32"), "logits": logits.detach().numpy().astype("float32")}
        for tensor, value in weights.items():
            tensors[f"gradient.{tensor}"] = value.grad.numpy().astype("float32")
        metadata = {key: repr(value) for key, value in shape.items()}
        metadata |= {f"scale.{key}": repr(value) for key, value in scales.items()}
        metadata |= {"loss": repr(loss.item()), "made_by": f"tests/reference/make_vectors.py, PyTorch {torch.__version__}"}
        write_safetensors(f"{folder}/reference-{name}.safetensors", tensors, metadata)
        print(f"{name}: loss {loss.item():.6f}, ln V {math.log(vocab):.6f}")
        for tensor, value in weights.items():
            print(f"    {tensor:24} largest gradient {value.grad.abs().max():.2e}")


if __name__ == "__main__":
    main(sys.argv[1])
