"""Writes the objects of deploy/kubernetes/monitoring that hold the Prometheus rules and the Grafana dashboard.

    python3 tools/deploy/monitoring_objects.py            writes the files
    python3 tools/deploy/monitoring_objects.py --check    fails if a file is not current
"""

import json
import pathlib
import sys
import textwrap

FOLDER = pathlib.Path("deploy/kubernetes/monitoring")
RULES = [pathlib.Path("deploy/prometheus") / name for name in ("recording.rules.yml", "alerts.rules.yml")]
DASHBOARD = pathlib.Path("deploy/grafana/padan.dashboard.json")
ORIGIN = "# Written by `make reference` from {}. Change that, not this file.\n"


def groups(file):
    """The groups of a rules file, without its head."""
    return file.read_text().split("\ngroups:\n", 1)[1].rstrip("\n")


def rules():
    head = ORIGIN.format("deploy/prometheus") + textwrap.dedent("""\
        apiVersion: monitoring.coreos.com/v1
        kind: PrometheusRule
        metadata:
          name: padan
          labels: { app.kubernetes.io/name: padan }
        spec:
          groups:
        """)
    return head + "\n".join(textwrap.indent(groups(file), "  ") for file in RULES) + "\n"


def dashboard():
    head = ORIGIN.format(DASHBOARD) + textwrap.dedent("""\
        apiVersion: v1
        kind: ConfigMap
        metadata:
          name: padan-dashboard
          # Grafana's sidecar loads the dashboards of ConfigMaps with this label.
          labels: { app.kubernetes.io/name: padan, grafana_dashboard: "1" }
        data:
          padan.dashboard.json: |
        """)
    # Compact: an object of Kubernetes may have a megabyte, and `kubectl apply` keeps a second copy in an annotation of
    # at most 256 kB.
    text = json.dumps(json.loads(DASHBOARD.read_text()), ensure_ascii=False, separators=(",", ":"))
    return head + textwrap.indent(text, "    ") + "\n"


if __name__ == "__main__":
    stale = []
    for name, text in {"prometheusrule.yaml": rules(), "dashboard.yaml": dashboard()}.items():
        file = FOLDER / name
        if "--check" not in sys.argv[1:]:
            file.write_text(text)
        elif not file.exists() or file.read_text() != text:
            stale.append(str(file))
    if stale:
        sys.exit(f"{', '.join(stale)}: not current, run `make reference`")
