#!/usr/bin/env python3
"""One LoRA training step in PyTorch: r = 8 on all seven linears of each block, AdamW, every position labelled."""

import argparse

import torch
import torch.nn.functional as F

import common
import torch_model


class Trainer:
    def __init__(self, options):
        dtype = torch_model.DTYPES[options.precision]
        fuse = (lambda f: torch.compile(f, dynamic=False)) if options.compile == "parts" else (lambda f: f)
        self.model = torch_model.Llama(options.model, dtype, options.layout, fuse=fuse)
        config = self.model.config
        ids = torch.from_numpy(common.batch_ids(options.batch, options.seq, config["vocab_size"]))
        self.ids, self.targets = ids[:, :-1].contiguous(), ids[:, 1:].reshape(-1)
        self.cos, self.sin = self.model.cos[:options.seq], self.model.sin[:options.seq]
        self.dtype = dtype
        # Master copies stay float32; bf16 runs cast them once a step.
        self.factors = [torch.from_numpy(f).requires_grad_() for pair in common.lora_init(config) for f in pair]
        self.optimizer = torch.optim.AdamW(self.factors, fused=True, **common.ADAMW)
        whole = options.compile == "whole"
        self.forward = torch.compile(self.loss, dynamic=False) if whole else self.loss

    def loss(self, ids, targets, factors):
        scale = common.ALPHA / common.RANK
        cast = [f.to(self.dtype) for f in factors]

        def linear(layer, index, x):
            at = 2 * (7 * layer + index)
            return torch_model.LoraLinear.apply(x, cast[at], cast[at + 1], self.model.layers[layer][1][index], scale)

        def attend(_, q, k, v):
            q, k = self.model.rotate(q, k, self.cos, self.sin)
            return F.scaled_dot_product_attention(q, k, v, is_causal=True)

        return torch_model.HeadLoss.apply(self.model.hidden(ids, linear, attend), self.model.head, targets)

    def step(self):
        loss = self.forward(self.ids, self.targets, self.factors)
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=False)
        return loss.item()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--seq", type=int, default=256)
    parser.add_argument("--precision", choices=torch_model.DTYPES, default="f32")
    parser.add_argument("--layout", choices=torch_model.LAYOUTS, default="dense")
    parser.add_argument("--compile", choices=("none", "parts", "whole"), default="none")
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
