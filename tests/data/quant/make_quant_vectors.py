#!/usr/bin/env python3
"""Makes the golden vectors of this folder: blocks of every tensor type and what they decode to.

The decoded values come from the Python package `gguf` (the reference readers of ggml-org), not from Facet.
Needs: pip install gguf==0.19.0 numpy. Writes vectors.json and vectors.bin beside itself, always the same bytes.
"""

import json
import pathlib

import gguf
import numpy as np
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType as T

# For each type: how many blocks, and the byte offsets of its f16 fields.
TYPES = {
    T.F32: (256, []), T.F16: (1024, []), T.BF16: (1024, []),
    T.Q4_0: (48, [0]), T.Q4_1: (48, [0, 2]), T.Q5_0: (48, [0]), T.Q5_1: (48, [0, 2]),
    T.Q8_0: (48, [0]), T.IQ4_NL: (48, [0]), T.MXFP4: (128, []),
    T.Q2_K: (16, [80, 82]), T.Q3_K: (16, [108]), T.Q4_K: (16, [0, 2]), T.Q5_K: (16, [0, 2]),
    T.Q6_K: (16, [208]), T.IQ4_XS: (16, [0]),
}

# f16 scales that every type meets, as bits: 1, -1, 0, -0, the largest, its negative, the smallest
# subnormal, the largest subnormal, the smallest normal; random finite ones follow.
SCALES = [0x3C00, 0xBC00, 0x0000, 0x8000, 0x7BFF, 0xFBFF, 0x0001, 0x83FF, 0x0400]

# The first blocks are filled with one byte, for the corners of every packed field.
FILLS = [0x00, 0xFF, 0x80, 0x7F, 0x0F, 0xF0, 0x55, 0xAA]


def random_scale(rng):
    return rng.integers(0, 2) << 15 | rng.integers(0, 0x7C00)


def finite_words(rng, count, exponent_mask, dtype):
    """Random bit patterns of a plain type, infinities and NaN left out (their payload is not compared)."""
    words = rng.integers(0, 1 << 8 * dtype().itemsize, count, dtype=np.uint64).astype(dtype)
    words[words & exponent_mask == exponent_mask] = 0
    return words.view(np.uint8)


def make_blocks(rng, kind, count, scale_offsets):
    size = GGML_QUANT_SIZES[kind][1]
    if kind == T.F32:
        return finite_words(rng, count, 0x7F800000, np.uint32).reshape(count, size)
    if kind == T.F16:
        return finite_words(rng, count, 0x7C00, np.uint16).reshape(count, size)
    if kind == T.BF16:
        return finite_words(rng, count, 0x7F80, np.uint16).reshape(count, size)
    blocks = rng.integers(0, 256, (count, size), dtype=np.uint8)
    for row, fill in enumerate(FILLS):
        blocks[row] = fill
    if kind == T.MXFP4:
        blocks[:, 0] = np.arange(count) * 2  # every other exponent, 0 to 254
        blocks[-1, 0] = 255
        blocks[-2, 0] = 1
    for place, offset in enumerate(scale_offsets):
        for row in range(count):
            bits = SCALES[(row + place) % len(SCALES)] if row < 9 else random_scale(rng)
            blocks[row, offset:offset + 2] = [bits & 255, bits >> 8]
    return blocks


def main():
    folder = pathlib.Path(__file__).parent
    rng = np.random.default_rng(20261124)
    index, data = [], b""
    for kind, (count, scale_offsets) in TYPES.items():
        blocks = make_blocks(rng, kind, count, scale_offsets)
        with np.errstate(over="ignore", invalid="ignore"):
            values = gguf.quants.dequantize(blocks, kind)
        values = np.ascontiguousarray(values, dtype="<f4")
        assert values.size == count * GGML_QUANT_SIZES[kind][0]
        index.append({"type": kind.name, "blocks": count, "blocks_offset": len(data),
                      "values_offset": len(data) + blocks.nbytes})
        data += blocks.tobytes() + values.tobytes()
    (folder / "vectors.bin").write_bytes(data)
    rows = ",\n".join("  " + json.dumps(row) for row in index)
    (folder / "vectors.json").write_text("[\n" + rows + "\n]\n")


main()
