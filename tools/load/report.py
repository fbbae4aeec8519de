"""Writes the report of `make load` from the files that scripts/load.sh has collected: a table, the goals, and a JSON
file.

    python3 tools/load/report.py FOLDER OUT.json

FOLDER has, for each scenario, the output of padan-load and padan-kernels and two readings of the service's metrics.
benches/README.md explains the fields of the JSON file.
"""

import json
import os
import re
import statistics
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path

SIZES = ["480x640", "1080x1440", "3024x4032"]
STEPS = ["decode", "detect", "align", "quality", "embed"]

MAX_RATIO = 1.10
MIN_FACTOR = 1.8
MAX_TAIL = 3.0
# The median latency of a single caller relative to the time of the steps of the pipeline.
MAX_ALONE = 1.15
# By model set, on the cpu device. The goals do not cover other models and devices.
MAX_MB = {"sface": 400.0, "mobilefacenet": 200.0}
MAX_READY_MS = 2000.0
# As a share of the memory, over the second half of a soak. A larger growth is not the noise of an allocator.
MAX_GROWTH = 0.02
# The operating system uses some CPU time for network and timers.
MAX_FOREIGN = 0.05


def read(path):
    return json.loads(path.read_text())


def metrics(path):
    """Every sample by its name and labels."""
    lines = (line.rsplit(" ", 1) for line in path.read_text().splitlines() if line and not line.startswith("#"))
    return {name: float(value) for name, value in lines}


def mean_ms(before, after, name, labels=""):
    """The mean of a histogram between two readings, in milliseconds."""
    grown = [after.get(f"{name}_{part}{labels}", 0) - before.get(f"{name}_{part}{labels}", 0) for part in ("sum", "count")]
    return round(1000 * grown[0] / grown[1], 3) if grown[1] else None


def answered(load):
    return load["requests"] - load["failed"]


def service_of(load):
    """The usage of the service, which is the first watched process."""
    return load["watched"][0]


def cpu_per_answer(load):
    return service_of(load)["cpu_seconds"] / answered(load)


def of_load(load):
    """The fields that closed and open loop have in common."""
    latency = load["latency_ms"]
    return {
        "per_second": round(load["per_second"], 2),
        "p50_ms": latency["p50"],
        "p90_ms": latency["p90"],
        "p99_ms": latency["p99"],
        "max_ms": latency["max"],
        "cpu_seconds": round(cpu_per_answer(load), 6),
        "requests": load["requests"],
        "errors": load["failed"],
    }


def scenario(folder, size):
    closed, opened = read(folder / f"{size}.closed.json"), read(folder / f"{size}.open.json")
    kernels = [read(path) for path in sorted(folder.glob(f"{size}.kernels-*.json"))]
    kernel = statistics.mean(run["cpu_seconds_per_image"] for run in kernels)
    service = service_of(closed)
    before, after = metrics(folder / f"{size}.before"), metrics(folder / f"{size}.after")
    step = "padan_verification_step_duration_seconds"
    figures = of_load(closed)
    open_loop = of_load(opened) | {
        "rate": float((folder / f"{size}.rate").read_text()),
        "p99_to_p50": round(opened["latency_ms"]["p99"] / opened["latency_ms"]["p50"], 2),
    }
    alone, steps = of_load(read(folder / f"{size}.alone.json")), read(folder / f"{size}.alone.kernels.json")["step_ms"]["all"]
    return figures | {
        "one_caller": alone | {"kernels_ms": round(steps, 3), "ratio": round(alone["p50_ms"] / steps, 3)},
        "kernel_cpu_seconds": round(kernel, 6),
        "ratio": round(figures["cpu_seconds"] / kernel, 3),
        "peak_mb": max(load["peak_mb"] for load in (service, service_of(opened))),
        "growth_mb_per_minute": service_of(opened)["growth_mb_per_minute"],
        "errors": closed["failed"] + opened["failed"] + alone["errors"],
        "open_loop": open_loop,
        "kernel_runs": [round(run["cpu_seconds_per_image"], 6) for run in kernels],
        "kernel_step_ms": {
            name: round(statistics.mean(run["step_ms"][name] for run in kernels), 3) for name in STEPS + ["all"]
        },
        "service_step_ms": {name: mean_ms(before, after, step, f'{{step="{name}"}}') for name in STEPS},
        "other_cpu_seconds": other_cpu(closed),
        "foreign_share": max(foreign_share(load) for load in (closed, opened)),
        "start_to_ready_ms": int((folder / f"{size}.ready_ms").read_text()),
    }


def foreign_share(load):
    """The share of the machine's CPU time used by programs other than service, load generator and PostgreSQL, or by
    other virtual machines."""
    known = sum(load["idle_seconds"]) + load["own_cpu_seconds"] + sum(used["cpu_seconds"] for used in load["watched"])
    return round(max(0.0, 1 - known / (len(load["idle_seconds"]) * load["seconds"])), 3)


def other_cpu(load):
    """The CPU seconds of load generator and PostgreSQL for one answer."""
    used = {"load_generator": load["own_cpu_seconds"], "postgres": load["watched"][1]["cpu_seconds"]}
    return {name: round(seconds / answered(load), 6) for name, seconds in used.items()}


def scaling(folder):
    """Verifications per CPU second available to the service, with one worker and with two."""
    runs = {}
    for name, workers in [("one_worker", 1), ("two_workers", 2)]:
        load = read(folder / f"workers-{workers}.json")
        # The CPU time that it used, and the idle time of its cores. Other programs used the rest.
        cores = (folder / f"workers-{workers}.cores").read_text().split(",")
        available = service_of(load)["cpu_seconds"] + sum(load["idle_seconds"][int(core)] for core in cores)
        runs[name] = {
            "cores": workers,
            "answered": answered(load),
            "cpu_seconds_available": round(available, 3),
            "cpu_seconds_used": service_of(load)["cpu_seconds"],
            "per_cpu_second_available": round(answered(load) / available, 3),
            "per_cpu_second_used": round(answered(load) / service_of(load)["cpu_seconds"], 3),
            "kernels_per_cpu_second": round(1 / read(folder / f"workers-{workers}.kernels.json")["cpu_seconds_per_image"], 3),
        }
    one, two = runs["one_worker"], runs["two_workers"]
    factors = {
        name: round(2 * two[field] / one[field], 3)
        for name, field in [
            ("factor", "per_cpu_second_available"),
            ("factor_used", "per_cpu_second_used"),
            ("factor_kernels", "kernels_per_cpu_second"),
        ]
    }
    return factors | runs


def fields(folder):
    """Verifications of text fields: the cost of a request without a photo."""
    load = read(folder / "fields.json")
    return of_load(load) | {"other_cpu_seconds": other_cpu(load)}


def soak(folder):
    load = read(folder / "soak.json")
    service = service_of(load)
    half_minutes = service["seconds"] / 60 / 2
    return of_load(load) | {
        "seconds": service["seconds"],
        "peak_mb": service["peak_mb"],
        "first_mb": service["first_mb"],
        "last_mb": service["last_mb"],
        "grown_mb_in_second_half": round(service["growth_mb_per_minute"] * half_minutes, 2),
    }


def machine(folder):
    processor = Path("/proc/cpuinfo").read_text()
    flags = set(re.search(r"^flags\s*:\s*(.*)$", processor, re.M).group(1).split()) if "flags" in processor else set()
    wanted = ["avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16"]
    model = re.search(r"^model name\s*:\s*(.*)$", processor, re.M)
    kernels = read(next(folder.glob("*.kernels*.json")))
    return {
        "processor": model.group(1) if model else os.uname().machine,
        "cores": len(os.sched_getaffinity(0)),
        "isa": [flag for flag in wanted if flag in flags],
        "runtime": Path(kernels["runtime_library"]).name,
        "device": kernels["device"],
        "precision": kernels["precision"],
        "model_set": kernels["model_set"],
        "commit": subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12"], capture_output=True, text=True, check=False
        ).stdout.strip(),
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def print_table(report):
    about = report["machine"]
    print(
        f"{about['processor']}, {about['cores']} cores, {' '.join(about['isa']) or 'no AVX2'}; {about['runtime']}, "
        f"{about['device']} in {about['precision']}, {about['model_set']}; {about['commit']}, {about['date']}\n"
    )
    head = ["", "/s", "p50 ms", "p90 ms", "p99 ms", "max ms", "CPU ms", "kernels", "ratio", "peak MB", "errors"]
    rows = [head]
    for name, row in report["scenarios"].items():
        rows.append([f"{name} closed"] + [f"{row[key]:.1f}" for key in ("per_second", "p50_ms", "p90_ms", "p99_ms", "max_ms")]
            + [f"{1000 * row['cpu_seconds']:.2f}", f"{1000 * row['kernel_cpu_seconds']:.2f}", f"{row['ratio']:.3f}",
               f"{row['peak_mb']:.0f}", str(row["errors"])])
        for kind, row in (("open", row["open_loop"]), ("one caller", row["one_caller"])):
            rows.append([f"{name} {kind}"] + [f"{row[key]:.1f}" for key in ("per_second", "p50_ms", "p90_ms", "p99_ms", "max_ms")]
                + [f"{1000 * row['cpu_seconds']:.2f}", "", "", "", ""])
    for name in ("fields", "soak"):
        if row := report.get(name):
            rows.append([name] + [f"{row[key]:.1f}" for key in ("per_second", "p50_ms", "p90_ms", "p99_ms", "max_ms")]
                + [f"{1000 * row['cpu_seconds']:.2f}", "", "", f"{row['peak_mb']:.0f}" if "peak_mb" in row else "", str(row["errors"])])
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    for row in rows:
        print("  ".join([row[0].ljust(widths[0])] + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]))
    print("\nmean of each step, ms: in the service, and in the bare pipeline")
    for name, row in report["scenarios"].items():
        steps = (f"{step} {row['service_step_ms'][step]:.2f} {row['kernel_step_ms'][step]:.2f}" for step in STEPS)
        print(f"{name:10} " + "   ".join(steps))


def goals(report):
    """Each goal with the measured figure, the direction of its limit, and the limit."""
    about = report["machine"]
    max_mb = MAX_MB.get(about["model_set"]) if about["device"] == "cpu" else None
    for name, row in report.get("scenarios", {}).items():
        yield f"CPU time of a verification relative to the bare pipeline, {name}", row["ratio"], "<=", MAX_RATIO
        yield f"p99 relative to the median at 70 % of saturation, {name}", row["open_loop"]["p99_to_p50"], "<=", MAX_TAIL
        yield f"median latency of one caller relative to the bare pipeline, {name}", row["one_caller"]["ratio"], "<=", MAX_ALONE
        if max_mb:
            yield f"peak memory, {name}, MB", row["peak_mb"], "<=", max_mb
    if found := report.get("scaling"):
        yield "two workers relative to one, per available CPU second", found["factor"], ">=", MIN_FACTOR
    if found := report.get("start_to_ready_ms"):
        yield "start to ready, the slowest, ms", found, "<=", MAX_READY_MS
    if found := report.get("soak"):
        if max_mb:
            yield "peak memory, soak, MB", found["peak_mb"], "<=", max_mb
        grown = found["grown_mb_in_second_half"] / found["peak_mb"]
        yield "growth of memory in the second half of the soak, as a share", round(grown, 4), "<=", MAX_GROWTH


def main(folder, out):
    report = {"machine": machine(folder)}
    if (folder / "soak.json").exists():
        report["soak"] = soak(folder)
    report["scenarios"] = {size: scenario(folder, size) for size in SIZES if (folder / f"{size}.closed.json").exists()}
    if report["scenarios"]:
        report["start_to_ready_ms"] = max(row["start_to_ready_ms"] for row in report["scenarios"].values())
        report["fields"] = fields(folder)
        report["scaling"] = scaling(folder)
    report["goals"] = [
        {"goal": goal, "figure": figure, "limit": f"{sign} {limit:g}", "kept": figure <= limit if sign == "<=" else figure >= limit}
        for goal, figure, sign, limit in goals(report)
    ]
    print_table(report)
    print()
    foreign = max((row["foreign_share"] for row in report["scenarios"].values()), default=0.0)
    if foreign > MAX_FOREIGN:
        print(f"other programs used up to {100 * foreign:.0f} % of the machine: measure again when nothing else runs on it\n")
    if found := report.get("scaling"):
        print(
            f"answers per available CPU second: one worker {found['one_worker']['per_cpu_second_available']:.1f}, "
            f"two {found['two_workers']['per_cpu_second_available']:.1f}; two workers relative to one, per used CPU second: "
            f"{found['factor_used']:.2f}, and in the bare pipeline: {found['factor_kernels']:.2f}\n"
        )
    for goal in report["goals"]:
        print(f"{'met   ' if goal['kept'] else 'MISSED'}  {goal['goal']}: {goal['figure']:g} ({goal['limit']})")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
