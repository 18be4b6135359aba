"""The Llama shape in PyTorch, by hand: no framework layers, frozen weights, LoRA fused into each linear's autograd node."""

import pathlib

import torch
import torch.nn.functional as F

import common

DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16}


def load(path, dtype):
    """{name: tensor}, sharing the file's pages where the types agree."""
    out = {}
    for name, array in common.read_safetensors(path).items():
        tensor = torch.from_numpy(array)
        tensor = tensor.view(torch.bfloat16) if array.dtype == "uint16" else tensor
        out[name] = tensor.to(dtype)
    return out


class Dense:
    """A frozen weight [out, in] as it lies in the file: y = x Wᵀ and, backwards, g W."""

    def __init__(self, weight, backward):
        self.weight = weight

    def forward(self, x):
        return F.linear(x, self.weight)

    def backward(self, g):
        return g @ self.weight


class Packed:
    """The same weight re-laid for oneDNN, once per direction: faster products for twice the memory."""

    def __init__(self, weight, backward):
        self.weight = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), None)
        self.transposed = None
        if backward:
            self.transposed = torch.ops.mkldnn._reorder_linear_weight(weight.t().contiguous(), None)

    def forward(self, x):
        return torch.ops.mkldnn._linear_pointwise(x, self.weight, None, "none", [], "")

    def backward(self, g):
        return torch.ops.mkldnn._linear_pointwise(g, self.transposed, None, "none", [], "")


LAYOUTS = {"dense": Dense, "packed": Packed}


class LoraLinear(torch.autograd.Function):
    """y = x Wᵀ + s (x Aᵀ) Bᵀ with W frozen. Keeps x and x Aᵀ only."""

    @staticmethod
    def forward(ctx, x, a, b, weight, scale):
        y = weight.forward(x)
        low = x @ a.t()
        y.addmm_(low, b.t(), alpha=scale)
        ctx.save_for_backward(x, low, a, b)
        ctx.weight, ctx.scale = weight, scale
        return y

    @staticmethod
    def backward(ctx, g):
        x, low, a, b = ctx.saved_tensors
        g_low = (g @ b).mul_(ctx.scale)
        g_a, g_b = g_low.t() @ x, (g.t() @ low).mul_(ctx.scale)
        g_x = None
        if ctx.needs_input_grad[0]:
            g_x = ctx.weight.backward(g).addmm_(g_low, a)
        return g_x, g_a, g_b, None, None


class HeadLoss(torch.autograd.Function):
    """Mean cross entropy of x Wᵀ against targets, and d/dx from the same pass: the logits are used up in place."""

    @staticmethod
    def forward(ctx, x, head, targets):
        logits = head.forward(x)
        wide = logits.float()
        lse = torch.logsumexp(wide, dim=-1, keepdim=True)
        loss = (lse - wide.gather(1, targets[:, None])).mean()
        probability = wide.sub_(lse).exp_()
        probability.scatter_add_(1, targets[:, None], torch.full_like(lse, -1.0))
        probability.mul_(1.0 / targets.numel())
        ctx.save_for_backward(head.backward(probability.to(x.dtype)))
        return loss

    @staticmethod
    def backward(ctx, g):
        return ctx.saved_tensors[0] * g.to(ctx.saved_tensors[0].dtype), None, None


def rms_norm(x, weight, eps):
    wide = x.float()
    return (wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + eps)).to(x.dtype) * weight


def rotate(q, k, cos, sin):
    """Rotate-half RoPE on [batch, heads, tokens, head]."""
    def one(x):
        low, high = x.chunk(2, dim=-1)
        return torch.cat([low * cos - high * sin, high * cos + low * sin], dim=-1)
    return one(q), one(k)


def swiglu(gate, up):
    return F.silu(gate) * up


class Llama:
    """The decoder without its adapter; `fuse` wraps the element-wise parts (identity or torch.compile)."""

    def __init__(self, model, dtype, layout, backward=True, fuse=lambda f: f):
        self.config = config = common.load_config(model)
        tensors = load(pathlib.Path(model) / "model.safetensors", dtype)
        self.heads = config["num_attention_heads"]
        self.eps = config["rms_norm_eps"]
        self.embedding = tensors["model.embed_tokens.weight"]
        make = LAYOUTS[layout]
        self.head = make(self.embedding, backward)
        self.norm = tensors["model.norm.weight"]
        self.layers = []
        for i in range(config["num_hidden_layers"]):
            block = f"model.layers.{i}."
            linears = [make(tensors.pop(f"{block}{name}.weight"), backward) for name in common.LINEARS]
            norms = [tensors[f"{block}{name}.weight"] for name in ("input_layernorm", "post_attention_layernorm")]
            self.layers.append((norms, linears))
        self.rms_norm, self.rotate, self.swiglu = fuse(rms_norm), fuse(rotate), fuse(swiglu)
        cos, sin = common.rope_tables(config, config["max_position_embeddings"])
        self.cos, self.sin = torch.from_numpy(cos).to(dtype), torch.from_numpy(sin).to(dtype)

    def hidden(self, ids, linear, attend):
        """Final-norm activations [batch * tokens, dim]. `linear(layer, index, x)`; `attend(layer, q, k, v)`."""
        batch, tokens = ids.shape
        x = F.embedding(ids.reshape(-1), self.embedding)
        for i, (norms, _) in enumerate(self.layers):
            h = self.rms_norm(x, norms[0], self.eps)
            q, k, v = (linear(i, j, h).view(batch, tokens, self.heads, -1).transpose(1, 2) for j in range(3))
            mixed = attend(i, q, k, v).transpose(1, 2).reshape(batch * tokens, -1)
            x = x + linear(i, 3, mixed)
            h = self.rms_norm(x, norms[1], self.eps)
            x = x + linear(i, 6, self.swiglu(linear(i, 4, h), linear(i, 5, h)))
        return self.rms_norm(x, self.norm, self.eps)
