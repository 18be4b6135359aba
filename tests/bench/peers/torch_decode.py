#!/usr/bin/env python3
"""Greedy decoding in PyTorch: prefill of a prompt, then one token at a time over a static key/value cache."""

import argparse
import time

import torch
import torch.nn.functional as F

import common
import torch_model

PROMPT = 8


class Decoder:
    def __init__(self, options, length):
        dtype = torch_model.DTYPES[options.precision]
        self.model = torch_model.Llama(options.model, dtype, options.layout, backward=False)
        config = self.model.config
        head = config["hidden_size"] // self.model.heads
        self.caches = [torch.zeros(2, 1, self.model.heads, length, head, dtype=dtype) for _ in self.model.layers]
        self.slots = torch.arange(length)
        self.one = torch.compile(self.next, dynamic=False) if options.compile else self.next

    def linear(self, layer, index, x):
        return self.model.layers[layer][1][index].forward(x)

    def prefill(self, ids):
        """The token after the prompt. Only the last position meets the head."""
        tokens = ids.shape[1]
        cos, sin = self.model.cos[:tokens], self.model.sin[:tokens]

        def attend(layer, q, k, v):
            q, k = self.model.rotate(q, k, cos, sin)
            self.caches[layer][0, :, :, :tokens], self.caches[layer][1, :, :, :tokens] = k, v
            return F.scaled_dot_product_attention(q, k, v, is_causal=True)

        return self.model.head.forward(self.model.hidden(ids, self.linear, attend)[-1:]).argmax(-1, keepdim=True)

    def next(self, token, position, past):
        """The token after `token` at `position`; `past` is a bucket of the cache that holds it."""
        cos, sin = (t.index_select(0, position) for t in (self.model.cos, self.model.sin))
        visible = (self.slots[:past] <= position)[None, None, None]

        def attend(layer, q, k, v):
            q, k = self.model.rotate(q, k, cos, sin)
            self.caches[layer][0].index_copy_(2, position, k)
            self.caches[layer][1].index_copy_(2, position, v)
            keys, values = self.caches[layer][0][:, :, :past], self.caches[layer][1][:, :, :past]
            return F.scaled_dot_product_attention(q, keys, values, attn_mask=visible)

        return self.model.head.forward(self.model.hidden(token, self.linear, attend)).argmax(-1, keepdim=True)

    def generate(self, prompt, count):
        token, start = self.prefill(prompt), prompt.shape[1]
        out, begin = [], time.perf_counter()
        for i in range(count):
            past = -(-(start + i + 1) // 64) * 64
            token = self.one(token, torch.tensor([start + i]), past)
            out.append(token)
        return time.perf_counter() - begin, [int(t) for t in out]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--precision", choices=torch_model.DTYPES, default="f32")
    parser.add_argument("--layout", choices=torch_model.LAYOUTS, default="dense")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--prefill", type=int, default=256)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--warmup", type=int, default=1)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(common.THREADS)
    torch.set_grad_enabled(False)
    at_import = common.resident_mib()
    decoder = Decoder(options, max(options.prefill, -(-(PROMPT + options.tokens) // 64) * 64))
    vocab = decoder.model.config["vocab_size"]
    long = torch.from_numpy(common.batch_ids(1, options.prefill - 1, vocab))
    short = torch.from_numpy(common.batch_ids(1, PROMPT - 1, vocab))
    prefill_ms, _ = common.time_steps(lambda: decoder.prefill(long), options.warmup, options.runs)
    runs = [decoder.generate(short, options.tokens) for _ in range(options.warmup + options.runs)]
    seconds = [s for s, _ in runs[options.warmup:]]
    common.report(peer="pytorch", version=torch.__version__, decode_tokens_per_s=[options.tokens / s for s in seconds],
                  prefill_tokens_per_s=[options.prefill / ms * 1e3 for ms in prefill_ms], ids=runs[-1][1][:16],
                  import_mib=at_import)


if __name__ == "__main__":
    main()
