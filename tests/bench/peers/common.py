"""What every peer shares: shapes, batches, adapter initialisation, timing and the one JSON line each run prints."""

import json
import pathlib
import resource
import sys
import time

import numpy as np

THREADS = 2
RANK = 8
ALPHA = 16.0
ADAMW = dict(lr=1e-4, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01)
# The seven linears of a Llama block, in the order the adapters are drawn.
LINEARS = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
           "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"]


def batch_ids(batch, seq, vocab):
    """Token ids [batch, seq + 1]: a fixed rule, so that every implementation can make the same batch.

    Columns 0..seq-1 are the input, columns 1..seq the targets: every position carries a label.
    """
    index = np.arange(batch * (seq + 1), dtype=np.int64)
    return ((7919 * index + 17) % vocab).reshape(batch, seq + 1)


def lora_init(config):
    """[(A [r, in], B [out, r])] per layer and linear, float32. B is zero, as an adapter starts."""
    rng = np.random.default_rng(1)
    out = []
    for _ in range(config["num_hidden_layers"]):
        for name in LINEARS:
            rows, columns = linear_shape(config, name)
            bound = 1.0 / np.sqrt(columns)
            a = rng.uniform(-bound, bound, (RANK, columns)).astype(np.float32)
            out.append((a, np.zeros((rows, RANK), np.float32)))
    return out


def linear_shape(config, name):
    """[out, in] of one of LINEARS."""
    dim, hidden = config["hidden_size"], config["intermediate_size"]
    if name in ("mlp.gate_proj", "mlp.up_proj"):
        return hidden, dim
    return (dim, hidden) if name == "mlp.down_proj" else (dim, dim)


def load_config(model):
    return json.loads((pathlib.Path(model) / "config.json").read_text())


def rope_tables(config, length):
    """cos and sin [length, head_dim / 2], float32."""
    head = config["hidden_size"] // config["num_attention_heads"]
    inverse = config["rope_theta"] ** (-np.arange(0, head, 2, dtype=np.float64) / head)
    angle = np.arange(length, dtype=np.float64)[:, None] * inverse
    return np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)


def read_safetensors(path):
    """{name: array} of one file; bfloat16 comes as uint16. Arrays are views of a copy-on-write mapping that nobody writes."""
    data = np.memmap(path, dtype=np.uint8, mode="c")
    size = int(data[:8].view("<u8")[0])
    header = json.loads(bytes(data[8:8 + size]))
    kinds = {"F32": np.float32, "BF16": np.uint16}
    out = {}
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            out[name] = data[8 + size + begin:8 + size + end].view(kinds[entry["dtype"]]).reshape(entry["shape"])
    return out


def time_steps(step, warmup, runs):
    """Milliseconds of each run after the warm-up, and what every call returned."""
    results = [step() for _ in range(warmup)]
    times = []
    for _ in range(runs):
        begin = time.perf_counter()
        results.append(step())
        times.append((time.perf_counter() - begin) * 1e3)
    return times, results


def resident_mib():
    """Peak resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def report(**fields):
    """The last line of standard output; run_all reads it and adds the memory it saw from outside."""
    print(json.dumps(fields))
    sys.stdout.flush()
