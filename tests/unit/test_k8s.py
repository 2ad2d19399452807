"""The manifests, as kubectl renders them and as this file reads them where there is no kubectl."""

import base64
import functools
import json
import re
import shutil
import subprocess
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

import gateway
from gateway.configuration import load
from gateway.delivery.courier import CourierOptions
from gateway.settings import Settings

ROOT = Path(__file__).parents[2]
K8S = ROOT / "k8s"
DOCS = ROOT / "docs" / "kubernetes.md"
OVERLAYS = ["standalone", "sidecar"]
# The oldest that knows `preStop.sleep` without a feature gate, and the newest that the library brings.
VERSIONS = ["1.30", kubernetes_validate.latest_version().removesuffix(".0")]
SECRETS = "/run/secrets/headgate"
# How long the gateway lets requests in flight finish unless told otherwise.
GRACE_SECONDS = Settings.model_fields["shutdown_seconds"].default
COURIER_SECONDS = CourierOptions.model_fields["grace_seconds"].default


# --- Two readers -----------------------------------------------------------------------------------------------------


@functools.cache
def rendered(folder):
    """What `kubectl apply -k` would send."""
    out = subprocess.run(["kubectl", "kustomize", folder], check=True, capture_output=True, text=True).stdout
    return list(yaml.safe_load_all(out))


@functools.cache
def read(folder):
    """The same from the files alone: the part of kustomize that these overlays use, so that no machine skips a test."""
    rules = yaml.safe_load((folder / "kustomization.yaml").read_text())
    unknown = set(rules) - {"apiVersion", "kind", "resources", "configMapGenerator", "labels", "patches"}
    assert not unknown, f"teach this reader {unknown}"
    documents = []
    for name in rules["resources"]:
        path = (folder / name).resolve()
        documents += read(path) if path.is_dir() else yaml.safe_load_all(path.read_text())
    for made in rules.get("configMapGenerator", []):
        data = {name: (folder / name).read_text() for name in made["files"]}
        documents.append({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": made["name"]}, "data": data})
    for label in rules.get("labels", []):
        for document in documents:
            document["metadata"].setdefault("labels", {}).update(label["pairs"])
    for patch in rules.get("patches", []):
        change = yaml.safe_load((folder / patch["path"]).read_text())
        documents = [merged(old, change) if same(old, change) else old for old in documents]
    return documents


def same(a, b):
    return (a["kind"], a["metadata"]["name"]) == (b["kind"], b["metadata"]["name"])


MERGE_KEYS = {
    "containers": "name",
    "volumes": "name",
    "env": "name",
    "ports": ("containerPort", "port"),  # a container's, a Service's
    "volumeMounts": "mountPath",
}


def merged(old, change, field=""):
    """A strategic merge: maps by key, the lists above by their merge key, null and `$patch: delete` remove."""
    if isinstance(old, dict) and isinstance(change, dict):
        both = old | {key: merged(old.get(key), value, key) for key, value in change.items()}
        return {key: value for key, value in both.items() if value is not None}
    if isinstance(old, list) and (by := MERGE_KEYS.get(field)):
        by = by if isinstance(by, str) else next(key for key in by if key in change[0])
        changes = {item[by]: item for item in change}
        kept = [merged(item, changes.pop(item[by], {})) for item in old]
        return [item for item in [*kept, *changes.values()] if item.get("$patch") != "delete"]
    return change


READERS = {"files": read} | ({"kubectl": rendered} if shutil.which("kubectl") else {})


@pytest.fixture(params=READERS)
def reader(request):
    return READERS[request.param]


@pytest.fixture(params=OVERLAYS)
def overlay(request):
    return request.param


@pytest.fixture
def documents(reader, overlay):
    return reader(K8S / "overlays" / overlay)


@pytest.fixture
def sidecar(reader):
    return reader(K8S / "overlays" / "sidecar")


# --- What the tests ask for ------------------------------------------------------------------------------------------


def of_kind(documents, kind):
    return [document for document in documents if document["kind"] == kind]


def deployment_of(documents):
    (deployment,) = of_kind(documents, "Deployment")
    return deployment


def pod_of(documents):
    return deployment_of(documents)["spec"]["template"]["spec"]


def container_of(documents, name="headgate"):
    (container,) = [container for container in pod_of(documents)["containers"] if container["name"] == name]
    return container


def environment_of(documents):
    return {entry["name"]: entry["value"] for entry in container_of(documents)["env"]}


def ports_of(container):
    return {port["name"]: port["containerPort"] for port in container.get("ports", [])}


def config_of(documents, prefix="headgate"):
    (config,) = [one for one in of_kind(documents, "ConfigMap") if one["metadata"]["name"].startswith(prefix)]
    return config


def volume_of(documents, mount_path):
    (mount,) = [mount for mount in container_of(documents)["volumeMounts"] if mount["mountPath"] == mount_path]
    (volume,) = [volume for volume in pod_of(documents)["volumes"] if volume["name"] == mount["name"]]
    return mount, volume


def secret_files_of(documents):
    named = [*environment_of(documents).values(), config_of(documents)["data"]["gateway.yaml"]]
    return {name for text in named for name in re.findall(rf"{SECRETS}/([\w.-]+)", text)}


def target_of(service, documents, name="http"):
    """The containers, with their ports, that a Service's port of that *name* leads to."""
    (target,) = [port["targetPort"] for port in service["spec"]["ports"] if port["name"] == name]
    containers = pod_of(documents)["containers"]
    return [(one["name"], port) for one in containers for name, port in ports_of(one).items() if target in (name, port)]


# --- Valid, and the same for everybody -------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
def test_every_document_is_one_that_kubernetes_knows(documents, version):
    validated = [kubernetes_validate.validate(document, version, strict=True) for document in documents]

    assert validated == [version] * len(documents)
    assert {"Deployment", "Service", "ServiceAccount", "ConfigMap"} == {document["kind"] for document in documents}


def test_every_reader_sees_the_same_documents(documents, overlay):
    def in_order(document):
        # The order of a Service's ports means nothing, and kubectl puts a patch's first.
        if document["kind"] != "Service":
            return document
        ports = sorted(document["spec"]["ports"], key=lambda port: port["name"])
        return document | {"spec": document["spec"] | {"ports": ports}}

    def plain(some):
        text = json.dumps(
            sorted(map(in_order, some), key=lambda one: (one["kind"], one["metadata"]["name"])), sort_keys=True
        )
        # kustomize ends a generated name in a hash of its content.
        return re.sub(r'("name": "headgate)-[a-z0-9]{10}"', r'\1"', text)

    assert plain(documents) == plain(read(K8S / "overlays" / overlay))


def test_both_overlays_run_the_same_container(reader):
    standalone, sidecar = (container_of(reader(K8S / "overlays" / overlay)) for overlay in OVERLAYS)

    def common(container):
        environment = [entry for entry in container["env"] if entry["name"] != "HEADGATE_DRUPAL__URL"]
        return container | {"env": environment, "readinessProbe": but_for_path(container["readinessProbe"])}

    def but_for_path(probe):
        return probe | {"httpGet": probe["httpGet"] | {"path": "/readyz"}}

    assert common(standalone) == common(sidecar)


def test_what_is_ours_carries_the_recommended_labels(documents):
    ours = [document for document in documents if document["metadata"]["name"].startswith("headgate")]

    for document in ours:
        assert document["metadata"]["labels"] == {
            "app.kubernetes.io/name": "headgate",
            "app.kubernetes.io/component": "gateway",
            "app.kubernetes.io/part-of": "headgate",
        }


def test_every_image_is_pinned_and_ours_to_this_version(documents):
    images = {container["name"]: container["image"] for container in pod_of(documents)["containers"]}

    assert images["headgate"] == f"headgate:{gateway.__version__}"
    for image in images.values():
        assert re.fullmatch(r"[a-z]+:\d+\.\d+\.\d+(-[a-z]+)?", image)


# --- Ports and probes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("probe", "path"), [("startupProbe", "/livez"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz")]
)
def test_probe_port_and_admin_host_agree(documents, probe, path):
    container, environment = container_of(documents), environment_of(documents)
    asked = container[probe]["httpGet"]

    # The kubelet asks the Pod's own address: a listener on the loopback would never answer.
    assert environment["HEADGATE_ADMIN__HOST"] in {"0.0.0.0", "::"}
    assert asked["path"].partition("?")[0] == path
    assert ports_of(container).get(asked["port"], asked["port"]) == int(environment["HEADGATE_ADMIN__PORT"])
    assert int(environment["HEADGATE_ADMIN__PORT"]) in ports_of(container).values()


def test_redis_takes_the_gateways_own_pods_out_of_service_and_never_the_sites(reader):
    standalone, sidecar = (container_of(reader(K8S / "overlays" / overlay)) for overlay in ("standalone", "sidecar"))

    # Drupal's Pod is ready only if the gateway is, so there the question is another one.
    assert standalone["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert sidecar["readinessProbe"]["httpGet"]["path"] == "/readyz?for=site"


def test_the_gateway_listens_where_the_service_leads(documents):
    (service,) = of_kind(documents, "Service")
    labels = deployment_of(documents)["spec"]["template"]["metadata"]["labels"]

    assert service["spec"]["selector"].items() <= labels.items()
    assert target_of(service, documents) == [("headgate", int(environment_of(documents)["HEADGATE_LISTEN__PORT"]))]


def test_no_service_leads_to_the_admin_port(documents):
    admin = {"admin", int(environment_of(documents)["HEADGATE_ADMIN__PORT"])}
    targets = {port["targetPort"] for one in of_kind(documents, "Service") for port in one["spec"]["ports"]}

    assert not targets & admin


def test_in_the_sidecar_the_site_has_a_port_of_its_own(sidecar):
    (service,) = of_kind(sidecar, "Service")
    drupal = container_of(sidecar, "drupal")

    # Nothing relays the rest of Drupal yet: without this port the site would be gone.
    assert target_of(service, sidecar, "site") == [("drupal", 80)]
    assert ports_of(drupal) == {"site": 80}
    assert drupal["readinessProbe"] == {"tcpSocket": {"port": "site"}}
    assert environment_of(sidecar)["HEADGATE_DRUPAL__URL"] == "http://127.0.0.1:80"


def test_pods_from_before_the_gateway_serve_the_site_too(sidecar):
    (service,) = of_kind(sidecar, "Service")
    before = yaml.safe_load_all((K8S / "overlays" / "sidecar" / "drupal.yaml").read_text())

    # A name that they do not have would leave the site without a Pod until the first new one is ready.
    assert target_of(service, list(before), "site") == [("drupal", 80)]


def test_the_documented_ingress_leads_to_ports_that_are_there(reader):
    ingresses = [one for one in documented() if one.get("kind") == "Ingress"]

    assert {one["metadata"]["name"] for one in ingresses} == {"drupal", "headgate"}
    for ingress in ingresses:
        assert kubernetes_validate.validate(ingress, VERSIONS[0], strict=True)
        overlay = {"drupal": "sidecar", "headgate": "standalone"}[ingress["metadata"]["name"]]
        documents = reader(K8S / "overlays" / overlay)
        assert ways_of(ingress, documents)["/headless"][0] == "headgate"
        assert ways_of(ingress, documents)["/"][0] == "drupal"


def documented():
    """The YAML documents that docs/kubernetes.md shows."""
    return [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", DOCS.read_text(), re.DOTALL)]


def ways_of(ingress, documents):
    """Where each path of an Ingress leads: container and port, or the Service's name where it is not ours."""
    services = {one["metadata"]["name"]: one for one in of_kind(documents, "Service")}
    (rule,) = ingress["spec"]["rules"]
    ways = {}
    for way in rule["http"]["paths"]:
        asked = way["backend"]["service"]
        known = services.get(asked["name"])
        ways[way["path"]] = target_of(known, documents, asked["port"]["name"])[0] if known else (asked["name"],)
    return ways


# --- Nobody, nothing, nowhere ----------------------------------------------------------------------------------------


def test_the_gateway_runs_as_nobody_and_can_change_nothing(documents):
    assert container_of(documents)["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 10001,
        "runAsGroup": 10001,
        "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    for mount in container_of(documents)["volumeMounts"]:
        assert mount.get("readOnly") or mount["mountPath"] == "/tmp"


def test_no_cluster_token_reaches_the_pod(documents):
    (account,) = of_kind(documents, "ServiceAccount")

    assert pod_of(documents)["serviceAccountName"] == account["metadata"]["name"]
    assert account["automountServiceAccountToken"] is False
    assert pod_of(documents)["automountServiceAccountToken"] is False


def test_a_service_called_headgate_becomes_no_setting(documents):
    # Kubernetes would set HEADGATE_PORT=tcp://…, an unknown key that the gateway must refuse to start with.
    assert pod_of(documents)["enableServiceLinks"] is False


def test_memory_is_bounded_and_everything_asked_for(documents):
    resources = container_of(documents)["resources"]

    assert {"cpu", "memory"} <= resources["requests"].keys()
    assert "memory" in resources["limits"]


# --- Secrets and configuration ---------------------------------------------------------------------------------------


def test_the_secret_files_are_for_the_gateway_alone_and_it_can_read_them(documents):
    mount, volume = volume_of(documents, SECRETS)
    others = [one for one in pod_of(documents)["containers"] if one["name"] != "headgate"]

    assert mount["readOnly"] is True
    assert volume["secret"]["secretName"] == "headgate"
    # A Secret's files belong to root: without the last bit, user 10001 could not open them.
    assert volume["secret"]["defaultMode"] == 0o444
    assert volume["name"] not in {one["name"] for other in others for one in other.get("volumeMounts", [])}


def test_nothing_secret_stands_in_the_manifests(documents):
    text = config_of(documents)["data"]["gateway.yaml"]
    secret_name = re.compile(r"(^|_)(KEYS?|PASSWORD|TOKEN|SECRET|STORE__URL)$")
    secret_line = re.compile(r"^ *(- )?(keys?|index_key|api_key(_sha256)?|password|url): *[^\s#].*$", re.MULTILINE)

    assert not of_kind(documents, "Secret")
    assert [name for name in environment_of(documents) if secret_name.search(name)] == []
    assert [match.group() for match in secret_line.finditer(text)] == []


def test_nothing_secret_is_in_the_tree():
    files = [path for path in [*K8S.rglob("*"), DOCS, ROOT / "Dockerfile"] if path.is_file()]
    # 32 bytes as base64 or hex, a private key, an address with a password in it.
    looks_secret = re.compile(r"[\w+/-]{43}=|\b[0-9a-f]{64}\b|PRIVATE KEY|secretGenerator|kind: Secret|://\w*:\w+@")

    found = [(path.name, match.group()) for path in files if (match := looks_secret.search(path.read_text()))]

    assert found == []


def test_the_documented_command_brings_every_secret_file(documents):
    (command,) = re.findall(r"kubectl create secret generic headgate((?:[^\n]*\\\n)*[^\n]*)", DOCS.read_text())

    assert set(re.findall(r"--from-file=([\w.-]+)", command)) == secret_files_of(documents)


def test_the_configuration_is_where_the_gateway_looks_for_it(documents):
    mount, volume = volume_of(documents, "/etc/headgate")

    assert volume["configMap"]["name"] == config_of(documents)["metadata"]["name"]
    assert environment_of(documents)["HEADGATE_CONFIG"] == f"{mount['mountPath']}/gateway.yaml"
    assert list(config_of(documents)["data"]) == ["gateway.yaml"]


def test_the_gateway_accepts_its_configuration(documents, tmp_path):
    made = {
        "keys": "k1:" + base64.b64encode(b"s" * 32).decode(),
        "index-key": base64.b64encode(b"i" * 32).decode(),
        "api-key-web": "an-api-key-of-the-web-frontend",
        "redis-url": "rediss://:secret@redis.example.org/0",
        "smtp-password": "secret",
    }
    for name in secret_files_of(documents):
        # As `headgate new-key > FILE` and editors write them.
        (tmp_path / name).write_text(made[name] + "\n")

    def here(text):
        return text.replace(SECRETS, str(tmp_path))

    path = tmp_path / "gateway.yaml"
    path.write_text(here(config_of(documents)["data"]["gateway.yaml"]))
    settings = load(path, {name: here(value) for name, value in environment_of(documents).items()})

    assert settings.store.kind == "redis"
    assert settings.channels.email.password.get_secret_value() == "secret"
    assert settings.headless.clients[0].client().id == "web"
    assert settings.sealer()


# --- Going down gently -----------------------------------------------------------------------------------------------


def seconds_down(documents):
    """Until the last request has ended: endpoints forget the Pod first, then what is in flight finishes."""
    configured = yaml.safe_load(config_of(documents)["data"]["gateway.yaml"])
    return configured["drain_seconds"] + configured.get("shutdown_seconds", GRACE_SECONDS)


def test_the_pod_is_given_longer_than_the_gateway_needs(documents):
    # The courier's own grace and what is given up at the very end come on top.
    assert pod_of(documents)["terminationGracePeriodSeconds"] >= seconds_down(documents) + COURIER_SECONDS + 5
    # The gateway waits by itself; a preStop would only take from the same time.
    assert "lifecycle" not in container_of(documents)


def test_the_listener_stays_open_until_every_node_has_heard_that_the_pod_goes(documents):
    assert 3 <= yaml.safe_load(config_of(documents)["data"]["gateway.yaml"])["drain_seconds"] <= 15


def test_in_the_sidecar_drupal_outlives_the_gateways_last_request(sidecar):
    waits = container_of(sidecar, "drupal")["lifecycle"]["preStop"]["sleep"]["seconds"]

    assert seconds_down(sidecar) < waits < pod_of(sidecar)["terminationGracePeriodSeconds"]


def test_a_rollout_takes_no_pod_away_before_another_is_ready(documents):
    spec = deployment_of(documents)["spec"]

    assert spec["replicas"] >= 2
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}


def test_pods_are_spread_over_machines_and_zones(documents):
    spreads = pod_of(documents)["topologySpreadConstraints"]
    labels = deployment_of(documents)["spec"]["template"]["metadata"]["labels"]

    assert [spread["topologyKey"] for spread in spreads] == ["kubernetes.io/hostname", "topology.kubernetes.io/zone"]
    for spread in spreads:
        assert spread["labelSelector"]["matchLabels"].items() <= labels.items()
