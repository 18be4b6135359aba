#!/usr/bin/env python3
"""Writes the golden models of this directory: tiny random decoders, LoRA adapters, and what they must compute.

Each case is a Hugging Face model with random weights, saved as transformers saves it, a PEFT adapter saved as PEFT saves
it, and expected.safetensors with the logits, the loss and the gradients that the two libraries give. README.md names
every tensor. The arithmetic is float64 on float32 weights, rounded once when stored.

Usage: make_golden.py [--out DIR] [--check]     (versions in requirements.txt; --check compares instead of writing)
"""

import argparse
import contextlib
import json
import pathlib
import sys
import tempfile

import numpy as np
import torch
import torch.nn.functional as F
import transformers
from peft import LoraConfig, PeftModel, get_peft_model
from peft.utils import get_peft_model_state_dict
from safetensors.torch import load_file, save_file
from transformers.models.gpt2 import modeling_gpt2
from transformers.models.llama import modeling_llama
from transformers.models.qwen2 import modeling_qwen2
from transformers.models.qwen3 import modeling_qwen3

BATCH, TOKENS = 2, 24
PROMPT, GREEDY = 5, 16
IGNORED = -100
ADAMW = dict(lr=1e-2, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.01)
ADAMW_STEPS = 3
# A greedy token is golden only if no float32 implementation can argue about it.
MIN_MARGIN = 5e-3

LINEARS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]

# Odd vocabularies and widths that no vector length divides, so that kernels must handle their tails.
CASES = {
    "gpt2": dict(
        seed=11,
        config=transformers.GPT2Config(
            vocab_size=101, n_positions=64, n_embd=36, n_layer=2, n_head=4, n_inner=76,
            embd_pdrop=0.0, attn_pdrop=0.0, resid_pdrop=0.0, bos_token_id=0, eos_token_id=0),
        lora=dict(target_modules=["c_attn", "c_proj", "c_fc"], fan_in_fan_out=True),
        full=True),
    "llama": dict(
        seed=12,
        config=transformers.LlamaConfig(
            vocab_size=131, hidden_size=48, num_hidden_layers=2, num_attention_heads=6, num_key_value_heads=2,
            intermediate_size=66, max_position_embeddings=64, rms_norm_eps=1e-5, tie_word_embeddings=False,
            rope_parameters={"rope_type": "default", "rope_theta": 10000.0}, bos_token_id=1, eos_token_id=2),
        lora=dict(target_modules=LINEARS),
        full=True,
        old_spelling=True),
    "llama-tied": dict(
        seed=13,
        config=transformers.LlamaConfig(
            vocab_size=97, hidden_size=40, num_hidden_layers=2, num_attention_heads=5, num_key_value_heads=1,
            intermediate_size=72, max_position_embeddings=64, rms_norm_eps=1e-6, tie_word_embeddings=True,
            rope_parameters={"rope_type": "default", "rope_theta": 500000.0}, bos_token_id=1, eos_token_id=2),
        lora=dict(target_modules=LINEARS, use_rslora=True)),
    "qwen2": dict(
        seed=14,
        config=transformers.Qwen2Config(
            vocab_size=120, hidden_size=48, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
            intermediate_size=72, max_position_embeddings=64, rms_norm_eps=1e-6, tie_word_embeddings=False,
            rope_parameters={"rope_type": "default", "rope_theta": 1000000.0}, use_sliding_window=False,
            bos_token_id=1, eos_token_id=2),
        lora=dict(
            target_modules=LINEARS,
            rank_pattern={"q_proj": 2, "layers.1.mlp.down_proj": 7},
            alpha_pattern={"v_proj": 20, "layers.1.mlp.down_proj": 5})),
    "qwen3": dict(
        seed=15,
        config=transformers.Qwen3Config(
            vocab_size=113, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
            head_dim=16, intermediate_size=90, max_position_embeddings=64, rms_norm_eps=1e-6,
            tie_word_embeddings=True, rope_parameters={"rope_type": "default", "rope_theta": 1000000.0},
            use_sliding_window=False, bos_token_id=1, eos_token_id=2),
        lora=dict(target_modules="all-linear")),
}


class _Float64Torch:
    """The torch module with float32 renamed: the models' own casts "up to float32" then stay in float64."""

    float32 = torch.float64

    def __getattr__(self, name):
        return getattr(torch, name)


@contextlib.contextmanager
def widened_casts():
    modules = (modeling_gpt2, modeling_llama, modeling_qwen2, modeling_qwen3)
    for module in modules:
        module.torch = _Float64Torch()
    try:
        yield
    finally:
        for module in modules:
            module.torch = torch


def randomize(model, rng):
    """Draws every weight so that activations neither vanish nor saturate, and no bias or norm weight is trivial."""
    for name, parameter in model.named_parameters():
        shape = tuple(parameter.shape)
        noise = rng.standard_normal(shape)
        if "norm" in name or ".ln_" in name:
            value = 0.3 * noise if name.endswith("bias") else 1.0 + 0.25 * noise
        elif name.endswith("bias"):
            value = 0.2 * noise
        elif "embed" in name or ".wte" in name or ".wpe" in name:
            value = 0.4 * noise
        else:
            # GPT-2 stores its projections [in, out], everything else is [out, in].
            fan_in = shape[0] if ".c_" in name else shape[1]
            value = 1.3 / np.sqrt(fan_in) * noise
        parameter.data.copy_(torch.from_numpy(value.astype(np.float32)))


def randomize_adapter(model, rng):
    """Both factors non-zero, so that both have gradients."""
    for name, parameter in model.named_parameters():
        if "lora_" not in name:
            continue
        rows, columns = parameter.shape
        scale = 1.0 / np.sqrt(columns) if "lora_A" in name else 0.4 / np.sqrt(columns)
        value = scale * rng.standard_normal((rows, columns))
        parameter.data.copy_(torch.from_numpy(value.astype(np.float32)))


def make_batch(vocab, rng):
    """Row 0: a masked prompt and one masked hole. Row 1: a masked tail, as padding leaves it."""
    ids = torch.from_numpy(rng.integers(0, vocab, size=(BATCH, TOKENS)))
    labels = ids.clone()
    labels[0, :9] = IGNORED
    labels[0, 15] = IGNORED
    labels[1, TOKENS - 5:] = IGNORED
    return ids, labels


def mean_loss(logits, labels):
    """Mean negative log-likelihood: the logits at t predict labels[t + 1]."""
    vocab = logits.shape[-1]
    return F.cross_entropy(logits[:, :-1].reshape(-1, vocab), labels[:, 1:].reshape(-1), ignore_index=IGNORED)


def greedy(model, prompt):
    """Greedy continuation and the smallest gap between the best and the second-best logit."""
    ids, margin = prompt.clone(), float("inf")
    for _ in range(GREEDY):
        with torch.no_grad():
            best = model(input_ids=ids[None], use_cache=False).logits[0, -1].topk(2)
        margin = min(margin, float(best.values[0] - best.values[1]))
        ids = torch.cat([ids, best.indices[:1]])
    return ids[len(prompt):], margin


def decisive_prompt(model, vocab, rng):
    """The first random prompt whose continuations, with and without the adapter, are clear-cut."""
    while True:
        prompt = torch.from_numpy(rng.integers(0, vocab, size=PROMPT))
        adapted, margin = greedy(model, prompt)
        with model.disable_adapter():
            base, base_margin = greedy(model, prompt)
        varied = min(len(set(adapted.tolist())), len(set(base.tolist()))) >= 6
        if min(margin, base_margin) >= MIN_MARGIN and varied and not torch.equal(adapted, base):
            return prompt, adapted, base


def lora_tensors(model):
    """Parameter objects by the names PEFT writes to adapter_model.safetensors."""
    return {n.replace(".default.", "."): p for n, p in model.named_parameters() if "lora_" in n}


def lora_expectations(model, ids, labels):
    out = {}
    with torch.no_grad(), model.disable_adapter():
        out["logits_base"] = model(input_ids=ids, use_cache=False).logits
    logits = model(input_ids=ids, use_cache=False).logits
    loss = mean_loss(logits, labels)
    loss.backward()
    out["logits"], out["loss"] = logits.detach(), loss.detach()
    for name, parameter in lora_tensors(model).items():
        if not (parameter.grad.abs().max() > 1e-4):
            raise SystemExit(f"{name}: gradient too small to test anything")
        out[f"grad.{name}"] = parameter.grad.clone()
    return out


def adamw_expectations(model, ids, labels):
    """Full-batch AdamW on the adapter; losses[i] is the loss before step i. Leaves the model changed."""
    tensors = lora_tensors(model)
    optimizer = torch.optim.AdamW(tensors.values(), **ADAMW)
    losses = []
    for _ in range(ADAMW_STEPS):
        optimizer.zero_grad()
        loss = mean_loss(model(input_ids=ids, use_cache=False).logits, labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    out = {f"adamw3.{name}": parameter.detach().clone() for name, parameter in tensors.items()}
    out["adamw3_losses"] = torch.stack(losses)
    return out


def full_expectations(model, ids, labels):
    """Gradients of every base parameter, no adapter attached."""
    loss = mean_loss(model(input_ids=ids, use_cache=False).logits, labels)
    loss.backward()
    out = {f"full_grad.{name}": parameter.grad.clone() for name, parameter in model.named_parameters()}
    out["full_loss"] = loss.detach()
    return out


def require_close(what, got, want, tolerance):
    got, want = got.detach().double(), want.detach().double()
    error = float((got - want).abs().max() / want.abs().max())
    if not error <= tolerance:
        raise SystemExit(f"{what}: relative error {error:.3g}, allowed {tolerance:.3g}")


def cross_check(directory, expected, ids, labels):
    """The saved files, loaded by the unmodified libraries in float32 with their own loss, say the same."""
    base = transformers.AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32)
    model = PeftModel.from_pretrained(base, directory / "adapter", is_trainable=True)
    result = model(input_ids=ids, labels=labels, use_cache=False)
    result.loss.backward()
    require_close(f"{directory.name} logits", result.logits, expected["logits"], 2e-5)
    require_close(f"{directory.name} loss", result.loss, expected["loss"], 2e-6)
    for name, parameter in lora_tensors(model).items():
        require_close(f"{directory.name} grad.{name}", parameter.grad, expected[f"grad.{name}"], 1e-4)


def write_old_spelling(directory):
    """Keeps what transformers 5 wrote as config.v5.json and respells config.json as transformers 4 wrote it."""
    path = directory / "config.json"
    config = json.loads(path.read_text())
    path.rename(directory / "config.v5.json")
    rope = config.pop("rope_parameters")
    config["rope_theta"], config["rope_scaling"] = rope["rope_theta"], None
    config["torch_dtype"] = config.pop("dtype")
    config["transformers_version"] = "4.44.0"
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def save_model(model, directory):
    model.save_pretrained(directory)
    (directory / "generation_config.json").unlink(missing_ok=True)


def save_adapter(model, directory):
    model.save_pretrained(directory)
    (directory / "README.md").unlink(missing_ok=True)
    saved = load_file(directory / "adapter_model.safetensors")
    if set(saved) != set(get_peft_model_state_dict(model)) or set(saved) != set(lora_tensors(model)):
        raise SystemExit(f"{directory}: tensor names differ from the names of the gradients")


def stored(tensor):
    kind = torch.int32 if not tensor.is_floating_point() else torch.float32
    return tensor.to(kind).contiguous()


def make_case(name, case, out):
    directory = out / name
    directory.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(case["seed"])
    torch.manual_seed(case["seed"])
    config = case["config"]
    config._attn_implementation = "sdpa"
    base = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    randomize(base, rng)
    save_model(base, directory)
    if case.get("old_spelling"):
        write_old_spelling(directory)
    ids, labels = make_batch(config.vocab_size, rng)
    expected = {"input_ids": ids, "labels": labels}
    with widened_casts():
        base.double()
        if case.get("full"):
            expected |= full_expectations(base, ids, labels)
            base.zero_grad(set_to_none=True)
        base.float()
    lora = LoraConfig(r=4, lora_alpha=8, lora_dropout=0.0, bias="none", task_type="CAUSAL_LM", **case["lora"])
    model = get_peft_model(base, lora)
    randomize_adapter(model, rng)
    save_adapter(model, directory / "adapter")
    with widened_casts():
        model.double()
        expected |= lora_expectations(model, ids, labels)
        prompt, adapted, plain = decisive_prompt(model, config.vocab_size, rng)
        expected |= {"prompt": prompt, "greedy": adapted, "greedy_base": plain}
        expected |= adamw_expectations(model, ids, labels)
    cross_check(directory, expected, ids, labels)
    save_file({k: stored(v) for k, v in sorted(expected.items())}, directory / "expected.safetensors")
    print(f"{name}: loss {float(expected['loss']):.4f}, logits up to {float(expected['logits'].abs().max()):.1f}, "
          f"AdamW losses {[round(float(x), 4) for x in expected['adamw3_losses']]}, greedy {adapted.tolist()}")


def compare(fresh, committed):
    """Same tensors, same numbers up to the last bits (torch sums in another order on another machine)."""
    files = sorted(p.relative_to(fresh) for p in fresh.rglob("*.safetensors"))
    for file in files:
        got, want = load_file(committed / file), load_file(fresh / file)
        if set(got) != set(want):
            raise SystemExit(f"{file}: committed and regenerated files hold different tensors")
        for name, tensor in want.items():
            require_close(f"{file} {name}", got[name], tensor, 1e-6)
    print(f"{len(files)} files agree")


def main():
    here = pathlib.Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, default=here)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    with contextlib.ExitStack() as stack:
        out = options.out
        if options.check:
            out = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for name, case in CASES.items():
            make_case(name, case, out)
        if options.check:
            compare(out, here)


if __name__ == "__main__":
    sys.exit(main())
