"""Draws deploy/grafana/padan.dashboard.json as SVG, from the data of a Prometheus server and without Grafana.

    python3 tools/deploy/render_dashboard.py http://127.0.0.1:9090 MINUTES > docs/dashboard.svg

It runs the panels' queries and draws each panel at its position. It supports only the types of panels that the
dashboard uses.
"""

import json
import math
import pathlib
import sys
import time
import urllib.parse
import urllib.request
from xml.sax.saxutils import escape

CELL, LINE, GAP = 62, 30, 6
COLOURS = ["#7eb26d", "#eab839", "#6ed0e0", "#ef843c", "#e24d42", "#5195ce", "#ba43a9", "#b7a7e5", "#508642", "#cca300",
           "#447ebc", "#c15c17"]
INK, DIM, PANEL, PAGE = "#d8d9da", "#8e8e93", "#1f2024", "#111217"
NAMED = {"green": "#73bf69", "orange": "#ff9830", "red": "#f2495c", "transparent": "none"}

prometheus, minutes = sys.argv[1].rstrip("/"), float(sys.argv[2])
end = time.time()
start = end - minutes * 60
step = max(2, round(minutes * 60 / 120))
drawn = []


def query_prometheus(path, **parameters):
    with urllib.request.urlopen(f"{prometheus}/api/v1/{path}?{urllib.parse.urlencode(parameters)}") as answer:
        return json.load(answer)["data"]["result"]


def plain(expression):
    for name, value in {"$job": ".*", "$instance": ".*", "$__rate_interval": "1m"}.items():
        expression = expression.replace(name, value)
    return expression


def over_time(target, step=step):
    """Returns each series with its legend: [(legend, labels, [(time, value)])]."""
    found = []
    for series in query_prometheus("query_range", query=plain(target["expr"]), start=start, end=end, step=step):
        points = [(at, float(value)) for at, value in series["values"]]
        points = [(at, value) for at, value in points if math.isfinite(value)]
        if points:
            found.append((legend(target, series["metric"]), series["metric"], points))
    return found


def legend(target, labels):
    text = target.get("legendFormat", "")
    for label, value in labels.items():
        text = text.replace("{{" + label + "}}", value)
    return text or "value"


def shown(value, unit):
    if unit == "percentunit":
        return f"{value * 100:.3g} %"
    if unit == "s":
        if abs(value) >= 86400:
            return f"{value / 86400:.3g} d"
        if abs(value) >= 60:
            return f"{value / 60:.3g} min"
        return f"{value * 1000:.3g} ms" if abs(value) < 1 else f"{value:.3g} s"
    factors = [(2**30, " GiB"), (2**20, " MiB"), (2**10, " KiB")] if unit == "bytes" else [(1e9, "G"), (1e6, "M"), (1e3, "k")]
    for factor, name in factors:
        if abs(value) >= factor:
            return f"{value / factor:.3g}{name}"
    per_second = {"reqps": " req/s", "cps": " /s", "wps": " /s", "percent": " %", "bytes": " B"}
    return f"{value:.3g}{per_second.get(unit, '')}"


def text(x, y, words, size=11, colour=INK, anchor="start", weight="normal"):
    drawn.append(f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size}" fill="{colour}" text-anchor="{anchor}" '
                 f'font-weight="{weight}">{escape(str(words))}</text>')


def rect(x, y, w, h, colour, opacity=1.0):
    drawn.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(w, 0):.1f}" height="{max(h, 0):.1f}" fill="{colour}" '
                 f'fill-opacity="{opacity:.2f}"/>')


def no_data(x, y, w, h):
    text(x + w / 2, y + h / 2 + 8, "no data", 12, DIM, "middle")


def axes(x, y, w, h, top, unit):
    for part in range(5):
        height = y + h - h * part / 4
        rect(x, height, w, 0.6, "#33353b")
        text(x - 4, height + 4, shown(top * part / 4, unit), 9, DIM, "end")
    for part in range(5):
        at = time.strftime("%H:%M", time.gmtime(start + (end - start) * part / 4))
        text(x + w * part / 4, y + h + 12, at, 9, DIM, "middle")


def timeseries(panel, x, y, w, h):
    defaults = panel["fieldConfig"]["defaults"]
    lines = [line for target in panel["targets"] for line in over_time(target)]
    if not lines:
        return no_data(x, y, w, h)
    stacked = defaults["custom"]["stacking"]["mode"] == "normal"
    below = {}
    if stacked:
        piled = []
        for name, labels, points in lines:
            floor = [(at, below.get(at, 0.0)) for at, _ in points]
            for at, value in points:
                below[at] = below.get(at, 0.0) + value
            piled.append((name, floor, [(at, below[at]) for at, _ in points]))
        lines = piled
    else:
        lines = [(name, None, points) for name, _, points in lines]
    top = defaults.get("max") or max(value for _, _, points in lines for _, value in points) * 1.05 or 1.0
    legends = 1 + (len(lines) > 4) if len(lines) > 1 or lines[0][0] != "value" else 0
    left, upper, width, height = x + 52, y + 28, w - 62, h - 50 - 15 * legends
    axes(left, upper, width, height, top, defaults["unit"])

    def place(point):
        at, value = point
        return f"{left + width * (at - start) / (end - start):.1f},{upper + height - height * min(value, top) / top:.1f}"

    for number, (_, floor, points) in enumerate(lines):
        colour = COLOURS[number % len(COLOURS)]
        path = " ".join(map(place, points))
        if stacked:
            drawn.append(f'<polygon points="{path} {" ".join(map(place, reversed(floor)))}" fill="{colour}" fill-opacity="0.45"/>')
        drawn.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.3"/>')
    for limit in defaults.get("thresholds", {}).get("steps", []):
        if limit["value"] and limit["value"] < top:
            rect(left, upper + height - height * limit["value"] / top, width, 1, NAMED[limit["color"]])
    shown_at, row = left - 40, 0
    for number, (name, _, _) in enumerate(lines):
        name = name[:34]
        room = 18 + 6.2 * len(name)
        if shown_at + room > x + w:
            row, shown_at = row + 1, left - 40
        if row >= legends:
            text(x + w - 8, y + h - 4, "...", 10, DIM, "end")
            break
        line = y + h - 6 - 14 * (legends - 1 - row)
        rect(shown_at, line - 8, 9, 9, COLOURS[number % len(COLOURS)])
        text(shown_at + 12, line, name, 10)
        shown_at += room


def heatmap(panel, x, y, w, h):
    bands = sorted((float(labels["le"]), dict(points)) for _, labels, points in over_time(panel["targets"][0], 2 * step))
    if not bands:
        return no_data(x, y, w, h)
    moments = sorted({at for _, points in bands for at in points})
    counts = [{at: points.get(at, 0) - (bands[n - 1][1].get(at, 0) if n else 0) for at in moments}
              for n, (_, points) in enumerate(bands)]
    most = max(max(row.values()) for row in counts) or 1
    left, upper, width, height = x + 52, y + 28, w - 62, h - 50
    band = height / len(bands)
    for number, row in enumerate(counts):
        for at, count in row.items():
            if count > 0:
                rect(left + width * (at - start) / (end - start), upper + height - band * (number + 1),
                     width * 2 * step / (end - start) + 0.5, band, "#5794f2", 0.15 + 0.85 * math.sqrt(count / most))
    unit = panel["options"]["yAxis"]["unit"]
    for number in range(0, len(bands), max(1, len(bands) // 6)):
        if math.isfinite(bands[number][0]):
            text(left - 4, upper + height - band * (number + 1) + 4, shown(bands[number][0], unit), 9, DIM, "end")
    for part in range(5):
        at = time.strftime("%H:%M", time.gmtime(start + (end - start) * part / 4))
        text(left + width * part / 4, upper + height + 12, at, 9, DIM, "middle")


def now(target):
    return [(legend(target, s["metric"]), s["metric"], float(s["value"][1]))
            for s in query_prometheus("query", query=plain(target["expr"]), time=end)]


def colour_of(value, steps):
    return [NAMED[limit["color"]] for limit in steps if limit["value"] is None or value >= limit["value"]][-1]


def stat(panel, x, y, w, h):
    defaults = panel["fieldConfig"]["defaults"]
    values = [value for _, _, value in now(panel["targets"][0]) if math.isfinite(value)]
    if not values:
        return no_data(x, y, w, h)
    text(x + w / 2, y + h / 2 + 22, shown(values[0], defaults["unit"]), 30,
         colour_of(values[0], defaults["thresholds"]["steps"]), "middle", "bold")


def bargauge(panel, x, y, w, h):
    defaults = panel["fieldConfig"]["defaults"]
    values = now(panel["targets"][0])
    if not values:
        return no_data(x, y, w, h)
    for number, (name, _, value) in enumerate(values[:8]):
        line = y + 40 + 22 * number
        text(x + 10, line + 11, name, 11)
        rect(x + 150, line, w - 230, 14, "#33353b")
        rect(x + 150, line, (w - 230) * min(value / defaults["max"], 1), 14, colour_of(value, defaults["thresholds"]["steps"]))
        text(x + w - 10, line + 11, shown(value, defaults["unit"]), 11, anchor="end")


def table(panel, x, y, w, h):
    columns = panel["transformations"][1]["options"]["include"]["names"]
    rows = {}
    for target in panel["targets"]:
        for _, labels, _ in now(target):
            rows.setdefault(labels["instance"], {}).update(labels)
    for number, column in enumerate(columns):
        text(x + 12 + number * (w - 20) / len(columns), y + 42, column, 11, DIM, weight="bold")
        for line, row in enumerate(rows.values()):
            text(x + 12 + number * (w - 20) / len(columns), y + 62 + 18 * line, row.get(column, ""), 11)


dashboard = json.loads(pathlib.Path("deploy/grafana/padan.dashboard.json").read_text())
DRAW = {"timeseries": timeseries, "heatmap": heatmap, "stat": stat, "bargauge": bargauge, "table": table}
bottom = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in dashboard["panels"])
for panel in dashboard["panels"]:
    place = panel["gridPos"]
    x, y, w, h = place["x"] * CELL + GAP, place["y"] * LINE + GAP, place["w"] * CELL - GAP, place["h"] * LINE - GAP
    if panel["type"] == "row":
        text(x + 4, y + 18, panel["title"], 15, INK, weight="bold")
        continue
    rect(x, y, w, h, PANEL)
    text(x + 8, y + 17, panel["title"], 12, INK, weight="bold")
    DRAW[panel["type"]](panel, x, y, w, h)
width, height = 24 * CELL + GAP, bottom * LINE + GAP
print(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
      f'font-family="Inter, Helvetica, Arial, sans-serif">')
print(f'<rect width="{width}" height="{height}" fill="{PAGE}"/>')
print("\n".join(drawn))
print("</svg>")
