"""The metrics listed in deploy/prometheus/metrics.txt, and a check of the expressions that use them."""

import pathlib
import re

LIST = pathlib.Path("deploy/prometheus/metrics.txt")
SOURCE = pathlib.Path("crates/http-api/src/metrics.rs")
SERIES = {"counter": [""], "gauge": [""], "histogram": ["_bucket", "_sum", "_count"]}

# A name, optionally followed by a selector. Only names with these prefixes are metrics.
REFERENCE = re.compile(r"\b((?:padan|process|job)[a-z0-9_:]*|up)\b(?:\s*\{([^}]*)\})?")
MATCHER = re.compile(r'([a-zA-Z_]\w*)\s*(?:=~|!~|!=|=)\s*"(?:[^"\\]|\\.)*"')
# Labels that Prometheus and the rules add.
EVERYWHERE = {"job", "instance"}


def declared():
    """Every metric with its labels: {"padan_ready": ("gauge", {"component"})}."""
    found = {}
    for line in LIST.read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        kind, name, labels = re.fullmatch(r"(\w+)\s+(\w+)(?:\{([\w,]+)\})?", line).groups()
        found[name] = (kind, set(labels.split(",")) if labels else set())
    return found


def declared_in_source():
    """Every metric that the service's source declares, in the form of `declared`. The Prometheus library adds the
    metrics of the process."""
    kinds = {"Counter": "counter", "Gauge": "gauge", "Histogram": "histogram"}
    found = {}
    for kind, name, labels in re.findall(
        r': (?:Int)?(Counter|Gauge|Histogram)(?:Vec)? = "(padan_\w+)",\s*\[([^\]]*)\](?: in \w+)?;', SOURCE.read_text()
    ):
        found[name] = (kinds[kind], set(re.findall(r"\w+", labels)))
    return found


def series():
    """Every name that an expression can use, with its metric and labels."""
    names = {"up": ("up", set())}
    for name, (kind, labels) in declared().items():
        for suffix in SERIES[kind]:
            names[name + suffix] = (name, labels | ({"le"} if suffix == "_bucket" else set()))
    return names


def without_strings(expression):
    """The expression with empty strings, so that their contents are not taken for names."""
    return re.sub(r'"(?:[^"\\]|\\.)*"', '""', expression)


def faults_and_metrics(expression, recorded=()):
    """Returns the faults in the names and labels of an expression, and the metrics that it uses."""
    names, wrong, used = series(), [], set()
    for match in REFERENCE.finditer(without_strings(expression)):
        name, selector = match.group(1), match.group(2)
        if name in EVERYWHERE or name in recorded:
            continue
        if name not in names:
            wrong.append(f"{name} is neither a metric in {LIST} nor a recording rule")
            continue
        metric, labels = names[name]
        used.update({metric} - {"up"})
        for label, _ in [(m.group(1), m) for m in MATCHER.finditer(selector or "")]:
            if label not in labels | EVERYWHERE:
                wrong.append(f"{name} has no label {label}")
    return wrong, used
