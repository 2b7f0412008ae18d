#!/usr/bin/env python3
"""Rewrites an F32 GGUF file with its matrices in BF16, if that loses nothing; else it refuses.

    python3 make_bf16.py in-F32.gguf out-BF16.gguf      (needs the packages gguf and numpy)
"""
import sys

import gguf
import numpy as np


def main(source, target):
    reader = gguf.GGUFReader(source)
    architecture = reader.fields["general.architecture"].contents()
    writer = gguf.GGUFWriter(target, architecture)
    for key, field in reader.fields.items():
        if key.startswith("GGUF.") or key == "general.architecture":
            continue
        value = field.contents()
        if key == "general.file_type":
            value = 32  # mostly BF16
        writer.add_key_value(key, value, field.types[0], field.types[-1] if len(field.types) > 1 else None)
    for tensor in reader.tensors:
        data = np.array(tensor.data)
        if len(tensor.shape) == 1 or "ffn_gate_inp" in tensor.name:
            writer.add_tensor(tensor.name, data)
            continue
        bits = data.view(np.uint32)
        if (bits & 0xFFFF).any():
            sys.exit(f"{tensor.name}: BF16 does not hold its values")
        writer.add_tensor(tensor.name, (bits >> 16).astype(np.uint16).view(np.uint8).reshape(*data.shape[:-1], -1),
                          raw_dtype=gguf.GGMLQuantizationType.BF16)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


main(*sys.argv[1:])
