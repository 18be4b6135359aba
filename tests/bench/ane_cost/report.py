"""Prints what the fit found."""
import math

import model

COLUMNS = (("floor_seconds", "floor, us", 1e6), ("matrix_rate", "conv, TF", 1e-12),
           ("product_rate", "matmul, TF", 1e-12),
           ("elementwise_rate", "elements, G/s", 1e-9),
           ("weight_bandwidth", "weights, GB/s", 1e-9),
           ("surface_bandwidth", "surfaces, GB/s", 1e-9), ("compile_seconds", "compile, ms", 1e3),
           ("load_seconds", "load, ms", 1e3), ("active_watts", "W", 1),
           ("host_rate", "host, TF", 1e-12), ("host_bandwidth", "host, GB/s", 1e-9))


def constants(names, chips, borrowed):
    print("Constants; ~ is borrowed from the pooled fit.\n")
    print("| chip |" + "".join(f" {title} |" for _, title, _ in COLUMNS))
    print("|---" * (len(COLUMNS) + 1) + "|")
    for chip in names:
        cells = [f"{'~' if key in borrowed[chip] else ''}{chips[chip][key] * scale:.3g}"
                 for key, _, scale in COLUMNS]
        print(f"| {chip} | " + " | ".join(cells) + " |")
    print()


def table(chips, rows):
    print("| chip | kind | what | published | predicted | factor | split |")
    print("|---|---|---|---|---|---|---|")
    for row in rows:
        predicted = model.predict(chips[row.chip], row)
        scale, unit = (1e3, "ms") if row.unit == "s" else (1, row.unit)
        print(f"| {row.chip} | {row.kind} | {row.what} | {row.published * scale:.4g} {unit} | "
              f"{predicted * scale:.4g} {unit} | {predicted / row.published:.2f} | "
              f"{row.split if model.stage_of(row) != 'none' else 'shown'} |")
    print()


def quantile(values, part):
    """The smallest value that at least this part of all does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(part * len(ordered)) - 1)]


def line(title, chips, rows):
    cells = []
    for split in ("fit", "check"):
        errors = [abs(model.error(chips[row.chip], row)) for row in rows if row.split == split]
        if not errors:
            cells += ["0", "-", "-"]
            continue
        cells += [str(len(errors)), f"{math.exp(quantile(errors, 0.5)):.2f}",
                  f"{math.exp(quantile(errors, 0.9)):.2f}"]
    return f"| {title} | " + " | ".join(cells) + " |"


def summary(names, chips, uncertainty, rows):
    head = "| rows fitted | median | 90 % | rows kept back | median | 90 % |"
    timed = [row for row in rows if model.stage_of(row) == "time"]
    print("| chip " + head + " uncertainty |")
    print("|---" * 8 + "|")
    for chip in names:
        print(line(chip, chips, [row for row in timed if row.chip == chip]) +
              f" {uncertainty[chip]:.2f} |")
    print(line("all", chips, timed) + " |")
    print("\n| kind " + head)
    print("|---" * 7 + "|")
    for kind in dict.fromkeys(row.kind for row in rows):
        print(line(kind, chips, [row for row in rows
                                 if row.kind == kind and model.stage_of(row) != "none"]))
