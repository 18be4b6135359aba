#!/usr/bin/env python3
"""One LoRA training step in JAX (XLA, CPU), compiled whole: the step of torch_train.py."""

import argparse
import pathlib

import jax
import jax.numpy as jnp
import numpy as np

import common

DTYPES = {"f32": jnp.float32, "bf16": jnp.bfloat16}


def load(path, dtype):
    out = {}
    for name, array in common.read_safetensors(path).items():
        tensor = jnp.asarray(np.asarray(array))
        if array.dtype == np.uint16:
            tensor = jax.lax.bitcast_convert_type(tensor, jnp.bfloat16)
        out[name] = tensor.astype(dtype)
    return out


def rms_norm(x, weight, eps):
    wide = x.astype(jnp.float32)
    return (wide * jax.lax.rsqrt(jnp.mean(wide * wide, -1, keepdims=True) + eps)).astype(x.dtype) * weight


def rotate(x, cos, sin):
    low, high = jnp.split(x, 2, axis=-1)
    return jnp.concatenate([low * cos - high * sin, high * cos + low * sin], axis=-1)


class Trainer:
    def __init__(self, options):
        self.config = config = common.load_config(options.model)
        self.dtype = DTYPES[options.precision]
        self.weights = load(pathlib.Path(options.model) / "model.safetensors", self.dtype)
        self.heads = config["num_attention_heads"]
        ids = common.batch_ids(options.batch, options.seq, config["vocab_size"]).astype(np.int32)
        self.inputs, self.targets = jnp.asarray(ids[:, :-1]), jnp.asarray(ids[:, 1:])
        cos, sin = common.rope_tables(config, options.seq)
        self.cos, self.sin = (jnp.asarray(t)[None, :, None, :].astype(self.dtype) for t in (cos, sin))
        self.factors = [jnp.asarray(f) for pair in common.lora_init(config) for f in pair]
        zeros = [jnp.zeros_like(f) for f in self.factors]
        self.moments = (zeros, [jnp.zeros_like(f) for f in self.factors], jnp.float32(0))
        self.compiled = jax.jit(self.update, donate_argnums=(1, 2))

    def loss(self, factors, w, inputs, targets):
        config = self.config
        eps, scale = config["rms_norm_eps"], common.ALPHA / common.RANK
        batch, tokens = inputs.shape
        x = w["model.embed_tokens.weight"][inputs]
        for i in range(config["num_hidden_layers"]):
            block = f"model.layers.{i}."

            def linear(index, h):
                a, b = (factors[2 * (7 * i + index) + k].astype(self.dtype) for k in range(2))
                return h @ w[f"{block}{common.LINEARS[index]}.weight"].T + (h @ a.T * scale) @ b.T

            h = rms_norm(x, w[block + "input_layernorm.weight"], eps)
            q, k, v = (linear(j, h).reshape(batch, tokens, self.heads, -1) for j in range(3))
            q, k = rotate(q, self.cos, self.sin), rotate(k, self.cos, self.sin)
            mixed = jax.nn.dot_product_attention(q, k, v, is_causal=True)
            x = x + linear(3, mixed.reshape(batch, tokens, -1))
            h = rms_norm(x, w[block + "post_attention_layernorm.weight"], eps)
            x = x + linear(6, jax.nn.silu(linear(4, h)) * linear(5, h))
        x = rms_norm(x, w["model.norm.weight"], eps)
        logits = (x @ w["model.embed_tokens.weight"].T).astype(jnp.float32)
        picked = jnp.take_along_axis(logits, targets[..., None], axis=-1)[..., 0]
        return jnp.mean(jax.nn.logsumexp(logits, axis=-1) - picked)

    def update(self, weights, factors, moments, inputs, targets):
        loss, grads = jax.value_and_grad(self.loss)(factors, weights, inputs, targets)
        (first, second), hyper = common.ADAMW["betas"], common.ADAMW
        means, squares, count = moments
        count = count + 1
        means = [first * m + (1 - first) * g for m, g in zip(means, grads)]
        squares = [second * s + (1 - second) * g * g for s, g in zip(squares, grads)]
        factors = [
            f * (1 - hyper["lr"] * hyper["weight_decay"])
            - hyper["lr"] * (m / (1 - first ** count)) / (jnp.sqrt(s / (1 - second ** count)) + hyper["eps"])
            for f, m, s in zip(factors, means, squares)]
        return loss, factors, (means, squares, count)

    def step(self):
        loss, self.factors, self.moments = self.compiled(self.weights, self.factors, self.moments, self.inputs, self.targets)
        jax.block_until_ready(self.factors)
        return float(loss)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--seq", type=int, default=256)
    parser.add_argument("--precision", choices=DTYPES, default="f32")
    parser.add_argument("--warmup", type=int, default=2)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    at_import = common.resident_mib()
    trainer = Trainer(options)
    times, losses = common.time_steps(trainer.step, options.warmup, options.runs)
    common.report(peer="jax", version=jax.__version__, ms=times, loss_first=losses[0], loss_last=losses[-1],
                  import_mib=at_import)


if __name__ == "__main__":
    main()
