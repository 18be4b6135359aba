#!/usr/bin/env python3
"""One LoRA training step in MNN on the CPU, float32: the step of torch_train.py with MNN's own Adam."""

import argparse
import pathlib

import MNN
import MNN.expr as expr
import MNN.nn as nn
import MNN.optim as optim
import numpy as np

import common


def constant(array):
    if array.dtype == np.int32:
        return expr.const(array.tolist(), list(array.shape), expr.NCHW, expr.int)
    return expr.const(np.ascontiguousarray(array), list(array.shape), expr.NCHW)


class Llama(nn.Module):
    def __init__(self, options):
        super().__init__()
        self.config = config = common.load_config(options.model)
        tensors = common.read_safetensors(pathlib.Path(options.model) / "model.safetensors")
        # A plain dictionary hides the frozen weights from Module, which would train them.
        self.frozen = {name: constant(array) for name, array in tensors.items()}
        cos, sin = common.rope_tables(config, options.seq)
        self.cos, self.sin = ((constant(t[None, None])) for t in (cos, sin))
        hidden = np.triu(np.full((options.seq, options.seq), -1e9, np.float32), 1)
        self.mask = constant(hidden[None, None])
        self.factors = []
        for pair in common.lora_init(config):
            for factor in pair:
                variable = constant(factor)
                variable.fix_as_trainable()
                self._add_parameter(variable)
                self.factors.append(variable)

    def norm(self, x, name):
        mean = expr.reduce_mean(expr.square(x), [-1], True)
        return x * expr.rsqrt(mean + expr.scalar(self.config["rms_norm_eps"])) * self.frozen[name]

    def rotate(self, x):
        low, high = expr.split(x, 2, -1)
        return expr.concat([low * self.cos - high * self.sin, high * self.cos + low * self.sin], -1)

    def linear(self, layer, index, x):
        at = 2 * (7 * layer + index)
        weight = self.frozen[f"model.layers.{layer}.{common.LINEARS[index]}.weight"]
        low = expr.matmul(x, self.factors[at], False, True) * expr.scalar(common.ALPHA / common.RANK)
        return expr.matmul(x, weight, False, True) + expr.matmul(low, self.factors[at + 1], False, True)

    def loss(self, inputs, targets):
        config = self.config
        (batch, tokens), dim, heads = inputs.shape, config["hidden_size"], config["num_attention_heads"]
        embedding = self.frozen["model.embed_tokens.weight"]

        def rows(ids):
            return expr.gather(embedding, constant(ids.reshape(-1).astype(np.int32)))

        def split(h):
            return expr.transpose(expr.reshape(h, [batch, tokens, heads, dim // heads]), [0, 2, 1, 3])

        x = rows(inputs)
        for i in range(config["num_hidden_layers"]):
            h = self.norm(x, f"model.layers.{i}.input_layernorm.weight")
            q, k, v = (split(self.linear(i, j, h)) for j in range(3))
            scores = expr.matmul(self.rotate(q), self.rotate(k), False, True) * expr.scalar((dim // heads) ** -0.5)
            mixed = expr.matmul(expr.softmax(scores + self.mask, -1), v)
            x = x + self.linear(i, 3, expr.reshape(expr.transpose(mixed, [0, 2, 1, 3]), [batch * tokens, dim]))
            h = self.norm(x, f"model.layers.{i}.post_attention_layernorm.weight")
            gate = self.linear(i, 4, h)
            x = x + self.linear(i, 6, gate * expr.sigmoid(gate) * self.linear(i, 5, h))
        x = self.norm(x, "model.norm.weight")
        logits = expr.matmul(x, embedding, False, True)
        # The target's logit is a dot product of two rows; no one-hot matrix is needed. Logits of these models are small.
        sums = expr.log(expr.reduce_sum(expr.exp(logits), [-1], False))
        return expr.reduce_mean(sums - expr.reduce_sum(x * rows(targets), [-1], False))


class Trainer:
    def __init__(self, options):
        expr.lazy_eval(True)
        expr.set_thread_number(common.THREADS)
        self.model = Llama(options)
        self.model.train(True)
        hyper = common.ADAMW
        self.optimizer = optim.ADAM(self.model, hyper["lr"], hyper["betas"][0], hyper["betas"][1], hyper["weight_decay"],
                                    hyper["eps"], optim.Regularization_Method.L2)
        ids = common.batch_ids(options.batch, options.seq, self.model.config["vocab_size"])
        self.inputs, self.targets = ids[:, :-1], ids[:, 1:]

    def step(self):
        loss = self.model.loss(self.inputs, self.targets)
        value = float(loss.read())
        self.optimizer.step(loss)
        return value


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--seq", type=int, default=256)
    parser.add_argument("--warmup", type=int, default=2)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    at_import = common.resident_mib()
    trainer = Trainer(options)
    times, losses = common.time_steps(trainer.step, options.warmup, options.runs)
    common.report(peer="mnn", version=MNN.version(), ms=times, loss_first=losses[0], loss_last=losses[-1],
                  import_mib=at_import)


if __name__ == "__main__":
    main()
