"""Writes the golden safetensors files of this folder with the reference library.

    python3 -m venv venv && venv/bin/pip install safetensors==0.5.3
    venv/bin/python tests/golden/formats/make_golden.py tests/golden/formats

With --check FILE... it reads files that Attune wrote instead, and compares them
with what the reference would write for the same tensors, byte by byte.
"""

import json
import struct
import sys
from pathlib import Path

from safetensors import deserialize, serialize

# The names that serialize() takes for what deserialize() yields.
DTYPES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "I32": "int32",
          "I64": "int64", "U8": "uint8"}


def tensor(dtype, shape, size, seed):
    count = size
    for extent in shape:
        count *= extent
    # Bytes that are finite numbers of every dtype: no exponent is all ones.
    data = bytes((seed * 37 + i * 11) % 61 for i in range(count))
    return {"dtype": dtype, "shape": shape, "data": data}


def files():
    mixed = {
        "model.b.weight": tensor("float32", [2, 3], 4, 1),
        "model.a.weight": tensor("float32", [4], 4, 2),
        "half": tensor("float16", [3], 2, 3),
        "brain": tensor("bfloat16", [2, 2], 2, 4),
        "ids": tensor("int32", [5], 4, 5),
        "wide": tensor("float64", [1, 1, 2], 8, 6),
        "scalar": tensor("float32", [], 4, 7),
        "empty": tensor("float32", [0, 3], 4, 8),
        "ünïcode \"quoted\"\n": tensor("float32", [1], 4, 9),
    }
    yield "mixed.safetensors", mixed, {"format": "pt"}
    yield "no_tensors.safetensors", {}, {"format": "pt"}
    module = "base_model.model.model.layers.0.self_attn.q_proj"
    yield "adapter.safetensors", {
        f"{module}.lora_A.weight": tensor("float32", [2, 4], 4, 10),
        f"{module}.lora_B.weight": tensor("float32", [6, 2], 4, 11),
    }, {"format": "pt"}
    # Dtypes that Attune lists but does not hold.
    yield "foreign.safetensors", {
        "counter": tensor("int64", [1], 8, 12),
        "mask": tensor("uint8", [3], 1, 13),
        "weight": tensor("float32", [1], 4, 14),
    }, {"format": "pt"}


def check(path):
    raw = Path(path).read_bytes()
    length = struct.unpack("<Q", raw[:8])[0]
    metadata = json.loads(raw[8:8 + length])["__metadata__"]
    tensors = {name: {"dtype": DTYPES[t["dtype"]], "shape": t["shape"], "data": bytes(t["data"])}
               for name, t in deserialize(raw)}
    if bytes(serialize(tensors, metadata)) != raw:
        sys.exit(f"{path}: the reference writes other bytes")
    print(f"{path}: {len(tensors)} tensors, equal")


def main():
    if sys.argv[1] == "--check":
        if len(sys.argv) == 2:
            sys.exit("no files to check")
        for path in sys.argv[2:]:
            check(path)
        return
    for name, tensors, metadata in files():
        Path(sys.argv[1], name).write_bytes(bytes(serialize(tensors, metadata)))


main()
