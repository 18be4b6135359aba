"""The formulas of adapters/ane/cost/cost.cc, and the work in a published shape."""
import dataclasses
import math
import pathlib

FITTED = ("floor_seconds", "matrix_rate", "product_rate", "elementwise_rate",
          "weight_bandwidth", "surface_bandwidth")


@dataclasses.dataclass
class Row:
    number: int
    chip: str
    kind: str
    what: str
    shape: dict
    published: float
    unit: str
    source: str
    split: str
    note: str


@dataclasses.dataclass
class Work:
    matrix: float = 0
    product: float = 0
    elementwise: float = 0
    weights: float = 0
    surfaces: float = 0
    internal: float = 0
    live: float = 0


def group_of(row):
    """Rows of a group are counted together for the split."""
    if row.kind in ("watts", "joules"):
        return "energy"
    return row.kind if row.kind in ("compile", "load", "host", "int8") else "time"


def stage_of(row):
    """Which constants a row is evidence of."""
    if row.shape.get("copied") or row.shape.get("scalar"):
        return "none"
    return group_of(row)


def parse_shape(text):
    form, *words = text.split()
    shape = {"form": form}
    for word in words:
        key, _, value = word.partition("=")
        shape[key] = float(value) if value else True
    return shape


def read(path):
    rows = []
    lines = [line for line in pathlib.Path(path).read_text().splitlines()
             if line and not line.startswith("#")]
    for line in lines[1:]:
        chip, kind, what, shape, published, unit, source, split, note = line.split("\t")
        rows.append(Row(len(rows) + 1, chip, kind, what, parse_shape(shape), float(published),
                        unit, source, split, note))
    counts = {}
    for row in rows:
        group = group_of(row)
        key = (group, row.chip if group == "time" else "")
        counts[key] = counts.get(key, 0) + 1
        wanted = "check" if counts[key] % 3 == 0 else "fit"
        if row.split != wanted:
            raise SystemExit(f"fit: row {row.number} ({row.what}) is '{row.split}', "
                             f"the rule of the file's header says '{wanted}'")
    return rows


def convolutions(shape):
    n, s = shape.get("n", 1), shape["s"]
    inner, outer = shape.get("in", shape.get("c")), shape.get("out", shape.get("c"))
    layer = inner * outer * shape.get("bits", 16) / 8
    return Work(matrix=2 * n * inner * outer * s,
                weights=layer if shape.get("aliased") else n * layer,
                surfaces=(inner + outer) * s * shape.get("io", 2),
                internal=(n - 1) * outer * s * 4, live=(inner + outer) * s * 2)


def products(shape):
    m, k, n, count = shape["m"], shape["k"], shape["n"], shape.get("count", 1)
    flops = 2 * m * k * n * count
    return Work(matrix=flops, product=flops, live=(m * k + k * n + m * n) * 2,
                surfaces=count * (m * k + k * n + m * n) * shape.get("io", 2))


def layers(shape):
    """Llama layers with heads of 64, as maderix/ANE splits them: the forward returns
    what its backward reads, which has no gradients of weights."""
    n, d, h, s = shape["n"], shape["d"], shape["h"], shape["s"]
    heads = max(1, round(d / 64))
    passes = 2 if shape.get("backward") else 1
    linear = 4 * d * d + 3 * d * h
    attention = 14 * s * s * d if shape.get("backward") else 4 * s * s * d
    scores = heads * s * s
    if shape.get("backward"):
        surfaces = n * (25 * d + 7 * h + 4 * heads * s) * s * 2
    else:
        surfaces = shape["evals"] * 2 * d * s * 2
    return Work(matrix=n * (passes * 2 * linear * s + attention), product=n * attention,
                elementwise=n * passes * ((10 * d + 3 * h) * s + 7 * scores),
                weights=n * passes * linear * 2, surfaces=surfaces,
                internal=n * passes * ((10 * d + 5 * h) * s + 4 * scores) * 4,
                live=max((d + 3 * h) * s, 2 * scores + 4 * d * s) * 2)


def work_of(shape):
    form = shape["form"]
    if form == "conv":
        return convolutions(shape)
    if form == "matmul":
        return products(shape)
    if form == "layers":
        return layers(shape)
    if form == "stream":
        return Work(matrix=shape["weights"] * shape.get("s", 1), weights=shape["weights"])
    if form == "elementwise":
        n = shape["n"]
        return Work(elementwise=n * shape["passes"],
                    surfaces=n * (shape.get("inputs", 1) + 1) * shape.get("io", 2),
                    internal=n * (shape["passes"] - 1) * 4, live=n * 4)
    raise SystemExit(f"fit: no such shape: {form}")


def outside(chip, work):
    """The part of the working set that does not fit on the chip."""
    return max(0.0, 1 - chip["onchip_bytes"] / work.live) if work.live else 0.0


def arithmetic_seconds(chip, work):
    slow = work.product * outside(chip, work)
    return ((work.matrix - slow) / chip["matrix_rate"] + slow / chip["product_rate"] +
            work.elementwise / chip["elementwise_rate"])


def seconds(chip, row):
    work = work_of(row.shape)
    streamed = work.weights + work.internal * outside(chip, work)
    moving = (streamed / chip["weight_bandwidth"] +
              work.surfaces / chip["surface_bandwidth"])
    return (chip["floor_seconds"] * row.shape.get("evals", 1) +
            max(arithmetic_seconds(chip, work), moving))


def joules(chip, row):
    work = work_of(row.shape)
    moved = work.weights + work.surfaces + work.internal * outside(chip, work)
    return (chip["floor_seconds"] * row.shape.get("evals", 1) * chip["floor_watts"] +
            arithmetic_seconds(chip, work) * chip["active_watts"] +
            moved * chip["joules_per_byte"])


def predict(chip, row):
    """What the model says for a row, in the row's unit."""
    kind, shape = row.kind, row.shape
    if kind == "int8":
        return chip["int8_factor"]
    if kind == "compile":
        return chip["compile_seconds"] + shape["weights"] * chip["compile_seconds_per_byte"]
    if kind == "load":
        return chip["load_seconds"]
    if kind == "host":
        return max(shape["flops"] / chip["host_rate"], shape["bytes"] / chip["host_bandwidth"])
    if kind == "joules":
        return joules(chip, row)
    if kind == "watts":
        return joules(chip, row) / seconds(chip, row)
    return seconds(chip, row)


def error(chip, row):
    """How far off, as the logarithm of the factor."""
    return math.log(predict(chip, row) / row.published)
