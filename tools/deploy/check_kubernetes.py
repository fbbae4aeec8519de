"""Looks at deploy/kubernetes: does each manifest follow the API's schema, does every reference lead somewhere, and are the
pods as closed as the image promises? kustomize itself is not run."""

import pathlib
import sys

import kubernetes_validate
import yaml

from known_metrics import declared

FOLDER = pathlib.Path("deploy/kubernetes")
# The oldest release whose API is used, and the newest one that is known here.
VERSIONS = ["1.29", kubernetes_validate.latest_version()]
# Custom resources have no schema here, and kustomize's own files are looked at below.
WITHOUT_SCHEMA = {"ServiceMonitor"}
# What README.md tells a site to make, with the keys in it.
SECRETS = {"padan-databases": {"registry-urls", "store-url"}, "padan-owner": {"store-url"},
           "padan-keys": {"person-key", "template-keys", "audit-keys"}}

wrong, manifests, config_maps = [], {}, set()

for kustomization in sorted(FOLDER.glob("*/kustomization.yaml")):
    folder = kustomization.parent
    wanted = yaml.safe_load(kustomization.read_text())
    known = {"apiVersion", "kind", "labels", "resources", "configMapGenerator", "images"}
    wrong += [f"{kustomization}: {key} is not known here" for key in wanted.keys() - known]
    for resource in wanted["resources"]:
        if not (folder / resource).exists():
            wrong.append(f"{kustomization}: {resource} is not there")
    for file in folder.glob("*.yaml"):
        if file != kustomization and file.name not in wanted["resources"]:
            wrong.append(f"{kustomization}: {file.name} is not named")
    for generator in wanted.get("configMapGenerator", []):
        config_maps.add(generator["name"])
        wrong += [f"{kustomization}: {name} is not there" for name in generator["files"] if not (folder / name).exists()]
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
        wrong.append(f"{where} selects no pod of ours: {selector}")


selects("Deployment", deployment["spec"]["selector"]["matchLabels"])
selects("Service", manifests[("Service", "padan")]["spec"]["selector"])
selects("PodDisruptionBudget", manifests[("PodDisruptionBudget", "padan")]["spec"]["selector"]["matchLabels"])
policy = manifests[("NetworkPolicy", "padan")]["spec"]
selects("NetworkPolicy", policy["podSelector"]["matchLabels"])
service_ports = {port["name"]: port["targetPort"] for port in manifests[("Service", "padan")]["spec"]["ports"]}
wrong += [f"Service: {port} is no port of the pod" for port in service_ports.values() if port not in ports]
opened = {port["port"] for rule in policy["ingress"] for port in rule["ports"]}
if opened != set(ports.values()):
    wrong.append(f"NetworkPolicy opens {opened}, the pod has {set(ports.values())}")
monitor = manifests[("ServiceMonitor", "padan")]["spec"]
wrong += [f"ServiceMonitor: {e['port']} is no port of the Service" for e in monitor["endpoints"] if e["port"] not in service_ports]
scaler = manifests[("HorizontalPodAutoscaler", "padan")]["spec"]
target = scaler["scaleTargetRef"]
if (target["kind"], target["name"]) not in manifests:
    wrong.append("HorizontalPodAutoscaler: its target is not there")
for metric in scaler["metrics"]:
    if metric["type"] == "Pods" and metric["pods"]["metric"]["name"] not in declared():
        wrong.append(f"HorizontalPodAutoscaler: {metric['pods']['metric']['name']} is no metric of ours")

for (kind, name), manifest in manifests.items():
    if kind not in ("Deployment", "Job"):
        continue
    pod = manifest["spec"]["template"]["spec"]
    if not pod["securityContext"].get("runAsNonRoot") or pod.get("automountServiceAccountToken") is not False:
        wrong.append(f"{kind} {name}: its pods may be root, or speak to the cluster")
    for container in pod["containers"]:
        context = container["securityContext"]
        if context["allowPrivilegeEscalation"] or not context["readOnlyRootFilesystem"] or context["capabilities"]["drop"] != ["ALL"]:
            wrong.append(f"{kind} {name}: {container['name']} is not closed")
        if not container["resources"].get("requests") or "memory" not in container["resources"].get("limits", {}):
            wrong.append(f"{kind} {name}: {container['name']} has no requests or no limit of memory")
        for variable in container["env"]:
            reference = variable.get("valueFrom", {}).get("secretKeyRef")
            if reference and reference["key"] not in SECRETS.get(reference["name"], ()):
                wrong.append(f"{kind} {name}: no secret {reference['name']} with {reference['key']}")
        volumes = {volume["name"] for volume in pod["volumes"]}
        wrong += [f"{kind} {name}: no volume {m['name']}" for m in container["volumeMounts"] if m["name"] not in volumes]
    for volume in pod["volumes"]:
        for source in volume.get("projected", {}).get("sources", []):
            if "configMap" in source and source["configMap"]["name"] not in config_maps:
                wrong.append(f"{kind} {name}: no ConfigMap {source['configMap']['name']}")
            for item in source.get("secret", {}).get("items", []):
                if item["key"] not in SECRETS.get(source["secret"]["name"], ()):
                    wrong.append(f"{kind} {name}: no secret {source['secret']['name']} with {item['key']}")

for complaint in wrong:
    print(complaint, file=sys.stderr)
print(f"{len(manifests)} manifests, against Kubernetes {' and '.join(VERSIONS)}")
sys.exit(bool(wrong))
