"""report.py FOLDER : prints the figures that scripts/peer.sh has collected, as a table with their ratios, and writes
them to benches/out/peer.json.

FOLDER has the files NAME.ROUND.json, the output of padan-load, and NAME.steps.json."""

import json
import platform
import statistics
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

NAMES = {
    "padan": "Padan",
    "careful": "FastAPI, careful",
    "prepared": "FastAPI, careful, with the model that Padan prepared",
    "usual": "FastAPI, the usual way",
}
OUT = Path(__file__).resolve().parents[1] / "out" / "peer.json"


def machine():
    """The processor, and whether it has instructions for bf16 or for sums of products of bytes (VNNI)."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    values = dict(line.replace("\t", "").split(":", 1) for line in lines if ":" in line)
    flags = (values.get("flags") or values.get("Features") or "").split()
    short = any(flag in flags for flag in ("avx512_bf16", "amx_bf16", "bf16", "avx512_vnni"))
    name = values.get("model name", "").strip() or platform.machine()
    return {"processor": name, "short_formats": short, "avx512": "avx512f" in flags}


def figures(runs):
    """The means of several runs, and their peak memory."""
    mean = lambda of: statistics.mean(of(run) for run in runs)  # noqa: E731
    return {
        "per_second": round(mean(lambda run: run["per_second"]), 2),
        "p50_ms": round(mean(lambda run: run["latency_ms"]["p50"]), 1),
        "p99_ms": round(mean(lambda run: run["latency_ms"]["p99"]), 1),
        "cpu_ms": round(
            1000 * sum(run["watched"][0]["cpu_seconds"] for run in runs) / sum(run["requests"] for run in runs), 2
        ),
        "cores": round(mean(lambda run: run["watched"][0]["cpu_seconds"] / run["watched"][0]["seconds"]), 2),
        "peak_mb": round(max(run["watched"][0]["peak_mb"] for run in runs), 1),
    }


def main():
    folder, runs, steps = Path(sys.argv[1]), {}, {}
    for name in NAMES:
        runs[name] = [json.loads(file.read_text()) for file in sorted(folder.glob(f"{name}.[0-9]*.json"))]
        if any(run["failed"] for run in runs[name]):
            sys.exit(f"requests to {name} failed: {runs[name]}")
        if (file := folder / f"{name}.steps.json").exists():
            steps[name] = json.loads(file.read_text())
    runs = {name: list_of_runs for name, list_of_runs in runs.items() if list_of_runs}
    summary = {name: figures(list_of_runs) for name, list_of_runs in runs.items()}
    where = machine()
    print(f"{where['processor']}, {'with' if where['short_formats'] else 'without'} bf16 or VNNI; "
          f"{len(runs['padan'])} rounds, selfies of 1080 x 1440")  # fmt: skip
    print(f"\n{'':54}{'/s':>9}{'p50 ms':>8}{'p99 ms':>8}{'CPU ms':>8}{'cores':>7}{'PSS MB':>8}{'Padan CPU':>11}")
    for name, of in summary.items():
        print(f"{NAMES[name]:54}{of['per_second']:9.1f}{of['p50_ms']:8.0f}{of['p99_ms']:8.0f}{of['cpu_ms']:8.2f}"
              f"{of['cores']:7.2f}{of['peak_mb']:8.0f}{summary['padan']['cpu_ms'] / of['cpu_ms']:10.2f}x")  # fmt: skip
    print("\nCPU time of a verification, in ms")
    for name, of in steps.items():
        rest = summary[name]["cpu_ms"] - sum(of.values())
        print(f"{NAMES[name]:54}" + ", ".join(f"{step} {ms:.1f}" for step, ms in (of | {"other": rest}).items()))
    padan, careful, prepared, usual = (summary[name] for name in ("padan", "careful", "prepared", "usual"))
    careful_goal, prepared_goal = (0.5, 0.7) if where["short_formats"] else (0.7, 0.9)
    goals = [
        ("CPU time relative to FastAPI, careful", padan["cpu_ms"] / careful["cpu_ms"], careful_goal),
        ("CPU time relative to the same with Padan's model", padan["cpu_ms"] / prepared["cpu_ms"], prepared_goal),
        ("CPU time relative to FastAPI, the usual way", padan["cpu_ms"] / usual["cpu_ms"], 1 / 6),
        ("memory relative to FastAPI, careful", padan["peak_mb"] / careful["peak_mb"], 1),
        ("p99 relative to FastAPI, careful", padan["p99_ms"] / careful["p99_ms"], 1),
    ]
    print()
    for what, ratio, limit in goals:
        print(f"{what}: {ratio:.3f}, goal at most {limit:.3f}: {'met' if ratio <= limit else 'missed'}")
    OUT.parent.mkdir(exist_ok=True)
    goals = [{"what": what, "ratio": ratio, "goal": limit} for what, ratio, limit in goals]
    packages = ("fastapi", "uvicorn", "onnxruntime", "opencv-python-headless", "numpy", "asyncpg")
    commit = subprocess.run(["git", "describe", "--always", "--dirty", "--abbrev=12"], capture_output=True, text=True, check=False)
    where |= {
        "commit": commit.stdout.strip(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {package: version(package) for package in packages},
    }
    report = {"machine": where, "summary": summary, "goals": goals, "steps_ms": steps, "runs": runs}
    OUT.write_text(json.dumps(report, indent=2) + "\n")


main()
