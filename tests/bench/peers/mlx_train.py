#!/usr/bin/env python3
"""One LoRA training step in MLX on the CPU, compiled: the step of torch_train.py."""

import argparse
import pathlib
from functools import partial

import mlx.core as mx
import mlx.optimizers as optim
import numpy as np

import common

DTYPES = {"f32": mx.float32, "bf16": mx.bfloat16}


def load(path, dtype):
    out = {}
    for name, array in common.read_safetensors(path).items():
        tensor = mx.array(np.asarray(array))
        out[name] = (tensor.view(mx.bfloat16) if array.dtype == np.uint16 else tensor).astype(dtype)
    mx.eval(out)
    return out


class Trainer:
    def __init__(self, options):
        self.config = config = common.load_config(options.model)
        self.dtype = DTYPES[options.precision]
        # MLX has no fast bfloat16 product on a CPU: widening the operands to float32 for it is many times quicker.
        self.product = self.dtype if options.product == "native" else mx.float32
        self.weights = load(pathlib.Path(options.model) / "model.safetensors", self.dtype)
        self.heads = config["num_attention_heads"]
        ids = mx.array(common.batch_ids(options.batch, options.seq, config["vocab_size"]).astype(np.int32))
        self.inputs, self.targets = ids[:, :-1], ids[:, 1:]
        self.factors = [mx.array(f) for pair in common.lora_init(config) for f in pair]
        hyper = dict(common.ADAMW)
        self.optimizer = optim.AdamW(hyper["lr"], list(hyper["betas"]), hyper["eps"], hyper["weight_decay"], bias_correction=True)
        self.optimizer.init({"factors": self.factors})
        self.state = [self.factors, self.optimizer.state]
        gradient = mx.value_and_grad(self.loss)

        @partial(mx.compile, inputs=self.state, outputs=self.state)
        def step(inputs, targets):
            loss, grads = gradient(self.state[0], inputs, targets)
            self.state[0] = self.optimizer.apply_gradients({"factors": grads}, {"factors": self.state[0]})["factors"]
            return loss

        self.compiled = step

    def times(self, x, weight):
        return (x.astype(self.product) @ weight.astype(self.product).T).astype(self.dtype)

    def loss(self, factors, inputs, targets):
        config, w = self.config, self.weights
        eps, scale = config["rms_norm_eps"], common.ALPHA / common.RANK
        head = config["hidden_size"] // self.heads
        batch, tokens = inputs.shape
        x = w["model.embed_tokens.weight"][inputs]
        for i in range(config["num_hidden_layers"]):
            block = f"model.layers.{i}."

            def linear(index, h):
                a, b = factors[2 * (7 * i + index)], factors[2 * (7 * i + index) + 1]
                low = self.times(h, a) * scale
                return self.times(h, w[f"{block}{common.LINEARS[index]}.weight"]) + self.times(low, b)

            def split(h):
                return h.reshape(batch, tokens, self.heads, head).transpose(0, 2, 1, 3)

            h = mx.fast.rms_norm(x, w[block + "input_layernorm.weight"], eps)
            q, k, v = (split(linear(j, h)) for j in range(3))
            q, k = (mx.fast.rope(t, head, traditional=False, base=config["rope_theta"], scale=1.0, offset=0) for t in (q, k))
            mixed = mx.fast.scaled_dot_product_attention(q, k, v, scale=head ** -0.5, mask="causal")
            x = x + linear(3, mixed.transpose(0, 2, 1, 3).reshape(batch, tokens, -1))
            h = mx.fast.rms_norm(x, w[block + "post_attention_layernorm.weight"], eps)
            gate = linear(4, h)
            x = x + linear(6, gate * mx.sigmoid(gate) * linear(5, h))
        x = mx.fast.rms_norm(x, w["model.norm.weight"], eps)
        logits = self.times(x, w["model.embed_tokens.weight"]).astype(mx.float32)
        picked = mx.take_along_axis(logits, targets[..., None], axis=-1).squeeze(-1)
        return mx.mean(mx.logsumexp(logits, axis=-1) - picked)

    def step(self):
        loss = self.compiled(self.inputs, self.targets)
        mx.eval(loss, self.state)
        return loss.item()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--seq", type=int, default=256)
    parser.add_argument("--precision", choices=DTYPES, default="f32")
    parser.add_argument("--product", choices=("native", "f32"), default="f32")
    parser.add_argument("--warmup", type=int, default=2)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    mx.set_default_device(mx.cpu)
    at_import = common.resident_mib()
    trainer = Trainer(options)
    times, losses = common.time_steps(trainer.step, options.warmup, options.runs)
    common.report(peer="mlx", version=mx.__version__, ms=times, loss_first=losses[0], loss_last=losses[-1],
                  import_mib=at_import)


if __name__ == "__main__":
    main()
