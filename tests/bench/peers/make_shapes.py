#!/usr/bin/env python3
"""Writes the benchmark models: random weights in the shapes of docs/performance.md, as Hugging Face directories.

Usage: make_shapes.py DIR [SHAPE ...]     SHAPE: 110M 42M 15M gpt2-124M (default: all)

DIR/<shape>-f32 and DIR/<shape>-bf16 hold config.json and model.safetensors; the bf16 weights are the f32 weights rounded
to nearest even. Needs numpy only. A directory that is complete is left alone.
"""

import json
import pathlib
import sys

import numpy as np

LLAMAS = {
    "110M": dict(hidden_size=768, num_hidden_layers=12, num_attention_heads=12, intermediate_size=2048,
                 max_position_embeddings=1024),
    "42M": dict(hidden_size=512, num_hidden_layers=8, num_attention_heads=8, intermediate_size=1376,
                max_position_embeddings=1024),
    "15M": dict(hidden_size=288, num_hidden_layers=6, num_attention_heads=6, intermediate_size=768,
                max_position_embeddings=256),
}
VOCAB = 32000


def llama_config(shape):
    return dict(
        architectures=["LlamaForCausalLM"], model_type="llama", vocab_size=VOCAB, rms_norm_eps=1e-5, rope_theta=10000.0,
        hidden_act="silu", tie_word_embeddings=True, bos_token_id=1, eos_token_id=2, attention_bias=False,
        mlp_bias=False, num_key_value_heads=shape["num_attention_heads"], **shape)


def llama_tensors(config):
    """(name, shape, standard deviation); 0 stands for a norm weight."""
    dim, hidden = config["hidden_size"], config["intermediate_size"]
    yield "model.embed_tokens.weight", (config["vocab_size"], dim), 0.05
    for i in range(config["num_hidden_layers"]):
        block = f"model.layers.{i}."
        yield block + "input_layernorm.weight", (dim,), 0
        for name in ("q", "k", "v", "o"):
            yield f"{block}self_attn.{name}_proj.weight", (dim, dim), dim ** -0.5
        yield block + "post_attention_layernorm.weight", (dim,), 0
        yield block + "mlp.gate_proj.weight", (hidden, dim), dim ** -0.5
        yield block + "mlp.up_proj.weight", (hidden, dim), dim ** -0.5
        yield block + "mlp.down_proj.weight", (dim, hidden), hidden ** -0.5
    yield "model.norm.weight", (dim,), 0


def gpt2_config():
    return dict(
        architectures=["GPT2LMHeadModel"], model_type="gpt2", vocab_size=50257, n_positions=1024, n_embd=768, n_layer=12,
        n_head=12, n_inner=None, activation_function="gelu_new", layer_norm_epsilon=1e-5, attn_pdrop=0.0, embd_pdrop=0.0,
        resid_pdrop=0.0, tie_word_embeddings=True, bos_token_id=50256, eos_token_id=50256)


def gpt2_tensors(config):
    dim = config["n_embd"]
    yield "transformer.wte.weight", (config["vocab_size"], dim), 0.05
    yield "transformer.wpe.weight", (config["n_positions"], dim), 0.02
    for i in range(config["n_layer"]):
        block = f"transformer.h.{i}."
        for norm in ("ln_1", "ln_2"):
            yield f"{block}{norm}.weight", (dim,), 0
            yield f"{block}{norm}.bias", (dim,), 0.02
        for name, rows, columns in (("attn.c_attn", dim, 3 * dim), ("attn.c_proj", dim, dim),
                                    ("mlp.c_fc", dim, 4 * dim), ("mlp.c_proj", 4 * dim, dim)):
            yield f"{block}{name}.weight", (rows, columns), rows ** -0.5
            yield f"{block}{name}.bias", (columns,), 0.02
    yield "transformer.ln_f.weight", (dim,), 0
    yield "transformer.ln_f.bias", (dim,), 0.02


def values(shape, deviation, rng):
    if deviation == 0:
        return np.ones(shape, np.float32)
    return rng.standard_normal(shape, dtype=np.float32) * np.float32(deviation)


def to_bf16(array):
    bits = array.view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def write_header(file, tensors, dtype):
    width, offset, header = (4 if dtype == "F32" else 2), 0, {"__metadata__": {"format": "pt"}}
    for name, shape, _ in tensors:
        size = width * int(np.prod(shape))
        header[name] = dict(dtype=dtype, shape=list(shape), data_offsets=[offset, offset + size])
        offset += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    file.write(len(text).to_bytes(8, "little") + text)


def write_model(root, name, config, tensors):
    homes = {"F32": root / f"{name}-f32", "BF16": root / f"{name}-bf16"}
    if all((home / "config.json").exists() for home in homes.values()):
        return
    rng = np.random.default_rng(7)
    files = {}
    for dtype, home in homes.items():
        home.mkdir(parents=True, exist_ok=True)
        files[dtype] = open(home / "model.safetensors", "wb")
        write_header(files[dtype], tensors, dtype)
    for _, shape, deviation in tensors:
        array = values(shape, deviation, rng)
        files["F32"].write(array.tobytes())
        files["BF16"].write(to_bf16(array).tobytes())
    for dtype, home in homes.items():
        files[dtype].close()
        # Written last: its presence says that the weights are complete.
        kind = "float32" if dtype == "F32" else "bfloat16"
        (home / "config.json").write_text(json.dumps(dict(config, torch_dtype=kind), indent=2) + "\n")
    count = sum(int(np.prod(shape)) for _, shape, _ in tensors)
    print(f"{name}: {len(tensors)} tensors, {count / 1e6:.1f} M parameters")


def main():
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    root, wanted = pathlib.Path(sys.argv[1]), sys.argv[2:] or [*LLAMAS, "gpt2-124M"]
    for name in wanted:
        if name == "gpt2-124M":
            write_model(root, name, gpt2_config(), list(gpt2_tensors(gpt2_config())))
        elif name in LLAMAS:
            config = llama_config(LLAMAS[name])
            write_model(root, name, config, list(llama_tensors(config)))
        else:
            raise SystemExit(f"{name}: not one of {', '.join([*LLAMAS, 'gpt2-124M'])}")


if __name__ == "__main__":
    main()
