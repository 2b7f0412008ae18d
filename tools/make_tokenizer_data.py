#!/usr/bin/env python3
"""Writes tests/data/demo-vocab.gguf and tests/data/demo-tokenizer-cases.json.

    pip install tokenizers==0.23.3
    tools/make_tokenizer_data.py DEMO.gguf DEMO_HF/tokenizer.json tests/data

The vocabulary is the tokenizer part of the demo model's own file; the ids are those that Hugging Face's library gives
with the demo's tokenizer.json, for the texts of tokenizer-cases.json (specials parsed) and for lines of conversation.
"""
import json
import pathlib
import struct
import sys

import tokenizers

KEYS = ["general.architecture", "tokenizer.ggml.model", "tokenizer.ggml.tokens", "tokenizer.ggml.merges"]
STRING, ARRAY = 8, 9
FORMATS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}

CONVERSATIONS = [
    "<bos><|turn>user\nWhat is the capital of Romania, please?<turn|>\n<|turn>model\nThe capital of Romania is Bucharest.",
    "<bos><|turn>system\n<|think|>\n<turn|>\n<|turn>user\nElla is 13. How old is Peter?<turn|>\n<|turn>model\n",
    "<|channel>thought\nElla is 13. Peter is older, so 13 + 16 = 29.\n<channel|>Peter is 29 years old.<turn|>\n",
    '<|tool_call>call:get_weather{city:<|"|>Paris<|"|>,days:3}<tool_call|><|tool_response>',
    "<|image><|image|><|image|><image|>\n\nHow many red balls?<turn|>\n",
    "Near a big garden lived a young tiger named Alice.\n\n\n    She jumped    from a big stone!\r\n\tEnd",
]


def read_metadata(data):
    at = 8

    def take(form):
        nonlocal at
        values = struct.unpack_from("<" + form, data, at)
        at += struct.calcsize("<" + form)
        return values[0] if len(values) == 1 else values

    def value(kind):
        nonlocal at
        if kind == STRING:
            size = take("Q")
            at += size
            return data[at - size : at]
        if kind == ARRAY:
            element, count = take("IQ")
            return [value(element) for _ in range(count)]
        return take(FORMATS[kind])

    _, count = take("QQ")
    return {value(STRING).decode(): value(take("I")) for _ in range(count)}


def string(text):
    return struct.pack("<Q", len(text)) + text


def vocabulary_file(metadata):
    out = b"GGUF" + struct.pack("<IQQ", 3, 0, len(KEYS))
    for key in KEYS:
        out += string(key.encode())
        if isinstance(metadata[key], list):
            out += struct.pack("<IIQ", ARRAY, STRING, len(metadata[key])) + b"".join(map(string, metadata[key]))
        else:
            out += struct.pack("<I", STRING) + string(metadata[key])
    return out


def main():
    gguf, tokenizer_json, folder = map(pathlib.Path, sys.argv[1:])
    (folder / "demo-vocab.gguf").write_bytes(vocabulary_file(read_metadata(gguf.read_bytes())))
    texts = [(f"conversation_{i}", text) for i, text in enumerate(CONVERSATIONS)]
    texts += [(case["name"], case["text"]) for case in json.loads((folder / "tokenizer-cases.json").read_text())["encode"]]
    tokenizer = tokenizers.Tokenizer.from_file(str(tokenizer_json))
    cases = [
        {"name": name, "text": text, "ids": tokenizer.encode(text, add_special_tokens=False).ids}
        for name, text in texts
        if "\u2581" not in text
    ]
    lines = ",\n".join(json.dumps(case, ensure_ascii=False, separators=(",", ":")) for case in cases)
    (folder / "demo-tokenizer-cases.json").write_text(f"[\n{lines}\n]\n")


main()
