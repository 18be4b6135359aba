#!/usr/bin/env python3
"""One full-parameter training step of GPT-2 124M in PyTorch: every weight trained, fused AdamW, every position labelled."""

import argparse
import pathlib

import torch
import torch.nn.functional as F

import common
import torch_model


class Trainer:
    def __init__(self, options):
        self.config = config = common.load_config(options.model)
        tensors = torch_model.load(pathlib.Path(options.model) / "model.safetensors", torch.float32)
        self.weights = {name: tensor.clone().requires_grad_() for name, tensor in tensors.items()}
        ids = torch.from_numpy(common.batch_ids(options.batch, options.seq, config["vocab_size"]))
        self.ids, self.targets = ids[:, :-1].contiguous(), ids[:, 1:].reshape(-1)
        self.optimizer = torch.optim.AdamW(self.weights.values(), fused=True, **common.ADAMW)
        self.forward = torch.compile(self.loss, dynamic=False) if options.compile == "whole" else self.loss

    def loss(self, ids, targets, w):
        config = self.config
        dim, heads, eps = config["n_embd"], config["n_head"], config["layer_norm_epsilon"]
        batch, tokens = ids.shape
        x = (F.embedding(ids, w["transformer.wte.weight"]) + w["transformer.wpe.weight"][:tokens]).view(batch * tokens, dim)

        def norm(h, name):
            return F.layer_norm(h, (dim,), w[f"{name}.weight"], w[f"{name}.bias"], eps)

        def linear(h, name):
            return torch.addmm(w[f"{name}.bias"], h, w[f"{name}.weight"])

        for i in range(config["n_layer"]):
            block = f"transformer.h.{i}."
            q, k, v = linear(norm(x, block + "ln_1"), block + "attn.c_attn").view(batch, tokens, 3, heads, -1).unbind(2)
            mixed = F.scaled_dot_product_attention(*(t.transpose(1, 2) for t in (q, k, v)), is_causal=True)
            x = x + linear(mixed.transpose(1, 2).reshape(batch * tokens, dim), block + "attn.c_proj")
            h = F.gelu(linear(norm(x, block + "ln_2"), block + "mlp.c_fc"), approximate="tanh")
            x = x + linear(h, block + "mlp.c_proj")
        return F.cross_entropy(F.linear(norm(x, "transformer.ln_f"), w["transformer.wte.weight"]), targets)

    def step(self):
        loss = self.forward(self.ids, self.targets, self.weights)
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=False)
        return loss.item()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--seq", type=int, default=256)
    parser.add_argument("--compile", choices=("none", "whole"), default="none")
    parser.add_argument("--warmup", type=int, default=2)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(common.THREADS)
    at_import = common.resident_mib()
    trainer = Trainer(options)
    times, losses = common.time_steps(trainer.step, options.warmup, options.runs)
    common.report(peer="pytorch", version=torch.__version__, ms=times, loss_first=losses[0], loss_last=losses[-1],
                  import_mib=at_import)


if __name__ == "__main__":
    main()
