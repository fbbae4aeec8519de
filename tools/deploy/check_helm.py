"""Checks the chart deploy/helm/padan with helm, and compares what it renders with what kustomize builds from
deploy/kubernetes: the same objects, up to the annotations and names that only one of the two tools adds."""

import pathlib
import re
import subprocess
import sys
import tempfile

import yaml

CHART = "deploy/helm/padan"
KUBERNETES = pathlib.Path("deploy/kubernetes").resolve()
EVERYTHING = "operations.enabled=true,ingress.enabled=true,monitoring.serviceMonitor=true,monitoring.rules=true," \
    "monitoring.dashboard=true"  # fmt: skip
# The schema of the values refuses these.
WRONG_VALUES = ["image.tag=a b", "autoscaling.minReplicas=0", "operations.keepAudit=forever", "unknown=1"]


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}:\n{done.stdout}{done.stderr}")
    return done.stdout


def normal(manifest):
    """A manifest without what only helm or only kustomize adds."""
    text = yaml.safe_dump(manifest)
    # Kustomize adds a hash to the names of the ConfigMaps that it generates.
    manifest = yaml.safe_load(re.sub(r"\b(padan-(?:operator-)?settings)-[a-z0-9]{10}\b", r"\1", text))
    for holder in (manifest, manifest.get("spec", {}).get("template", {})):
        annotations = holder.get("metadata", {}).get("annotations", {})
        for name in [name for name in annotations if name.startswith(("helm.sh/", "checksum/"))]:
            del annotations[name]
        if not annotations:
            holder.get("metadata", {}).pop("annotations", None)
    if manifest["kind"] == "ConfigMap":
        manifest["data"] = {name: text.strip() for name, text in manifest["data"].items()}
    # The label of a component's objects: kustomize adds it where the base is built with them.
    manifest["metadata"].get("labels", {}).pop("app.kubernetes.io/part-of", None)
    if not manifest["metadata"].get("labels"):
        manifest["metadata"].pop("labels", None)
    return manifest


def by_name(text):
    return {
        (manifest["kind"], manifest["metadata"]["name"]): manifest
        for manifest in map(normal, filter(None, yaml.safe_load_all(text)))
    }


def kustomized():
    """Everything in deploy/kubernetes, built by kustomize."""
    with tempfile.TemporaryDirectory(dir=".deps") as folder:
        there = pathlib.Path(folder).resolve()
        up = "../" * (len(there.relative_to(pathlib.Path.cwd().resolve()).parts)) + "deploy/kubernetes/"
        overlay = {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "resources": [up + name for name in ("base", "migrate", "operations")],
            "components": [up + name for name in ("monitoring", "ingress")],
        }
        (there / "kustomization.yaml").write_text(yaml.safe_dump(overlay))
        return by_name(run("kubectl", "kustomize", str(there)))


def main():
    run("helm", "lint", "--strict", CHART)
    rendered = by_name(run("helm", "template", "padan", CHART, "--set", EVERYTHING))
    built = kustomized()
    wrong = [f"{' '.join(key)} is only in one of chart and kustomization" for key in rendered.keys() ^ built.keys()]
    for key in rendered.keys() & built.keys():
        if rendered[key] != built[key]:
            ours, theirs = (yaml.safe_dump(one[key]).splitlines() for one in (rendered, built))
            first = next((pair for pair in zip(ours, theirs) if pair[0] != pair[1]), ("", "more lines"))
            wrong.append(f"{' '.join(key)} differs: chart {first[0]!r}, kustomization {first[1]!r}")
    for value in WRONG_VALUES:
        if subprocess.run(["helm", "template", "padan", CHART, "--set", value], capture_output=True).returncode == 0:
            wrong.append(f"the chart accepts {value}")
    for fault in wrong:
        print(fault, file=sys.stderr)
    print(f"{len(rendered)} objects of the chart equal those of kustomize")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
