"""Checks deploy/kubernetes: each manifest must follow the API's schema, every reference must have a target, and the
pods must be as restricted as the image allows. check_helm.py runs kustomize itself."""

import pathlib
import sys

import kubernetes_validate
import yaml

from known_metrics import declared

FOLDER = pathlib.Path("deploy/kubernetes")
# The oldest supported release, and the newest one that the validator knows.
VERSIONS = ["1.29", kubernetes_validate.latest_version()]
# Custom resources have no schema here. kustomize's own files are checked below.
WITHOUT_SCHEMA = {"ServiceMonitor", "PrometheusRule"}
# The secrets that a site creates by README.md, with their keys.
SECRETS = {"padan-databases": {"registry-urls", "store-url", "database-ca.pem"}, "padan-owner": {"store-url"},
           "padan-operator": {"store-url"},
           "padan-keys": {"person-key", "template-keys", "audit-keys"}}

wrong, manifests, config_maps = [], {}, set()

for kustomization in sorted(FOLDER.glob("*/kustomization.yaml")):
    folder = kustomization.parent
    wanted = yaml.safe_load(kustomization.read_text())
    known = {"apiVersion", "kind", "labels", "resources", "configMapGenerator", "images"}
    wrong += [f"{kustomization}: this check does not support {key}" for key in wanted.keys() - known]
    for resource in wanted["resources"]:
        if not (folder / resource).exists():
            wrong.append(f"{kustomization}: {resource} does not exist")
    for file in folder.glob("*.yaml"):
        if file != kustomization and file.name not in wanted["resources"]:
            wrong.append(f"{kustomization}: {file.name} is not listed")
    for generator in wanted.get("configMapGenerator", []):
        config_maps.add(generator["name"])
        wrong += [f"{kustomization}: {name} does not exist" for name in generator["files"] if not (folder / name).exists()]
    for resource in wanted["resources"]:
        for manifest in yaml.safe_load_all((folder / resource).read_text()):
            manifests[(manifest["kind"], manifest["metadata"]["name"])] = manifest

for (kind, name), manifest in manifests.items():
    if kind in WITHOUT_SCHEMA:
        continue
    for version in VERSIONS:
        try:
            kubernetes_validate.validate(manifest, version, strict=True)
        except (kubernetes_validate.ValidationError, kubernetes_validate.SchemaNotFoundError) as error:
            wrong.append(f"{kind} {name}, Kubernetes {version}: {getattr(error, 'message', error)}")

deployment = manifests[("Deployment", "padan")]
labels = deployment["spec"]["template"]["metadata"]["labels"]
ports = {port["name"]: port["containerPort"] for port in deployment["spec"]["template"]["spec"]["containers"][0]["ports"]}


def selects(where, selector):
    # Kustomize adds part-of to the pods.
    if not selector.items() <= {**labels, "app.kubernetes.io/part-of": "padan"}.items():
        wrong.append(f"{where} selects none of the pods: {selector}")


selects("Deployment", deployment["spec"]["selector"]["matchLabels"])
selects("Service", manifests[("Service", "padan")]["spec"]["selector"])
selects("PodDisruptionBudget", manifests[("PodDisruptionBudget", "padan")]["spec"]["selector"]["matchLabels"])
policy = manifests[("NetworkPolicy", "padan")]["spec"]
selects("NetworkPolicy", policy["podSelector"]["matchLabels"])
service_ports = {port["name"]: port["targetPort"] for port in manifests[("Service", "padan")]["spec"]["ports"]}
wrong += [f"Service: the pod has no port {port}" for port in service_ports.values() if port not in ports]
opened = {port["port"] for rule in policy["ingress"] for port in rule["ports"]}
if opened != set(ports.values()):
    wrong.append(f"NetworkPolicy opens {opened}, the pod has {set(ports.values())}")
monitor = manifests[("ServiceMonitor", "padan")]["spec"]
wrong += [f"ServiceMonitor: the Service has no port {e['port']}" for e in monitor["endpoints"] if e["port"] not in service_ports]
scaler = manifests[("HorizontalPodAutoscaler", "padan")]["spec"]
target = scaler["scaleTargetRef"]
if (target["kind"], target["name"]) not in manifests:
    wrong.append("HorizontalPodAutoscaler: its target does not exist")
for metric in scaler["metrics"]:
    if metric["type"] == "Pods" and metric["pods"]["metric"]["name"] not in declared():
        wrong.append(f"HorizontalPodAutoscaler: there is no metric {metric['pods']['metric']['name']}")

for (kind, name), manifest in manifests.items():
    if kind not in ("Deployment", "Job", "CronJob"):
        continue
    job = manifest["spec"]["jobTemplate"] if kind == "CronJob" else manifest
    pod = job["spec"]["template"]["spec"]
    if not pod["securityContext"].get("runAsNonRoot") or pod.get("automountServiceAccountToken") is not False:
        wrong.append(f"{kind} {name}: its pods may run as root or call the cluster's API")
    for container in pod["containers"]:
        context = container["securityContext"]
        if context["allowPrivilegeEscalation"] or not context["readOnlyRootFilesystem"] or context["capabilities"]["drop"] != ["ALL"]:
            wrong.append(f"{kind} {name}: {container['name']} may gain privileges or write to its image")
        if not container["resources"].get("requests") or "memory" not in container["resources"].get("limits", {}):
            wrong.append(f"{kind} {name}: {container['name']} has no requests or no memory limit")
        for variable in container["env"]:
            reference = variable.get("valueFrom", {}).get("secretKeyRef")
            if reference and reference["key"] not in SECRETS.get(reference["name"], ()):
                wrong.append(f"{kind} {name}: there is no secret {reference['name']} with the key {reference['key']}")
        volumes = {volume["name"] for volume in pod["volumes"]}
        wrong += [f"{kind} {name}: there is no volume {m['name']}" for m in container["volumeMounts"] if m["name"] not in volumes]
    for volume in pod["volumes"]:
        for source in volume.get("projected", {}).get("sources", []):
            if "configMap" in source and source["configMap"]["name"] not in config_maps:
                wrong.append(f"{kind} {name}: there is no ConfigMap {source['configMap']['name']}")
            for item in source.get("secret", {}).get("items", []):
                if item["key"] not in SECRETS.get(source["secret"]["name"], ()):
                    wrong.append(f"{kind} {name}: there is no secret {source['secret']['name']} with the key {item['key']}")

for fault in wrong:
    print(fault, file=sys.stderr)
print(f"{len(manifests)} manifests, against Kubernetes {' and '.join(VERSIONS)}")
sys.exit(bool(wrong))
