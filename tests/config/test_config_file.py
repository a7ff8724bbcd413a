"""Reading the configuration: what it becomes, and how each mistake is named."""

from pathlib import Path

import pytest

from placement.policy import REFERENCE, Policy
from reconciler.config import ApplicationConfig, Config, StorageMapping
from reconciler.config_file import load_config, repository_config
from reconciler.control.sync_policy import PrunePolicy, SyncPolicy
from reconciler.source.credentials import AGENT, Credentials
from reconciler.source.secrets import SecretFrom
from reconciler.source.verification import Verification
from schemas.errors import InputError
from schemas.resource import Origin

APPLICATIONS = "applications: [{name: a, repository: r}]\n"


def load(folder: Path, text: str) -> Config:
    """Read ``text`` as a configuration file."""
    file = folder / "c.yaml"
    file.write_text(text)
    return load_config(file)


def fault(folder: Path, text: str) -> str:
    """What is said of a wrong configuration, from ``line:column`` on."""
    with pytest.raises(InputError) as caught:
        load(folder, text)
    assert caught.value.reason == "ConfigInvalid"
    return caught.value.message.replace(f"{folder}/c.yaml:", "")


def test_folders_are_relative_to_the_file(tmp_path: Path) -> None:
    """Wherever the command is run."""
    config = load(
        tmp_path,
        "state: s\napplications: [{name: a, repository: ../r, path: p}]\n"
        "storage: {allow: [./art, /abs], secrets: ./sec, map: [{from: 'gs://m/', to: ./art/}, {from: 'gs://n', to: 's3://n'}]}\n",
    )
    assert config.state == tmp_path / "s"
    assert config.applications == (ApplicationConfig("a", str(tmp_path.parent / "r"), path="p"),)
    assert config.storage.allow == (tmp_path / "art", Path("/abs"))
    assert config.storage.secrets == tmp_path / "sec"
    assert config.storage.map == (
        StorageMapping("gs://m/", str(tmp_path / "art")),
        StorageMapping("gs://n", "s3://n"),
    )


@pytest.mark.parametrize(
    "url", ["https://host/r.git", "ssh://git@host/r.git", "git@host:r.git", "file:///r.git"]
)
def test_urls_stay_as_they_are(tmp_path: Path, url: str) -> None:
    """A remote repository is no path."""
    config = load(tmp_path, f"applications: [{{name: a, repository: '{url}'}}]\n")
    assert config.applications[0].repository == url


@pytest.mark.parametrize(("text", "seconds"), [("500ms", 0.5), ("30s", 30.0), ("2m", 120.0), ("1h", 3600.0)])
def test_intervals_have_units(tmp_path: Path, text: str, seconds: float) -> None:
    """Milliseconds to hours."""
    config = load(tmp_path, f"applications: [{{name: a, repository: r, sync: {{interval: {text}}}}}]\n")
    assert config.applications[0].interval == seconds


def test_sync_policy_is_read(tmp_path: Path) -> None:
    """auto, prune and allowEmpty."""
    sync = "sync: {auto: false, prune: false, allowEmpty: true}"
    config = load(tmp_path, f"applications: [{{name: a, repository: r, {sync}}}]\n")
    application = config.applications[0]
    assert application.sync == SyncPolicy(auto=False, prune=PrunePolicy("off", allow_empty=True))


def test_the_first_namespace_is_on_the_gateway_port(tmp_path: Path) -> None:
    """Others are where `listeners` puts them."""
    config = load(
        tmp_path,
        "applications: [{name: a, repository: r, namespace: one}]\ngateway: {port: 1, listeners: {two: 2}}\n",
    )
    assert dict(config.listeners) == {"one": 1, "two": 2}


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        ("", REFERENCE),
        ("placement: {policy: reference, steps: 5}\n", REFERENCE),
        ("placement: {policy: pack}\n", Policy("pack", 20_000)),
        ("placement: {policy: pack, steps: 5, maxMoves: 2}\n", Policy("pack", 5, 2)),
    ],
)
def test_placement_policy_is_read(tmp_path: Path, text: str, policy: Policy) -> None:
    """The reference decides unless packing is asked for, and searches nothing."""
    assert load(tmp_path, f"{APPLICATIONS}{text}").placement == policy


def test_servers_are_resources_of_the_configuration(tmp_path: Path) -> None:
    """With the place in this file, and the defaults that manifests have."""
    manifest = "\n- apiVersion: mlops.seldon.io/v1alpha1\n  kind: Server\n  metadata: {name: s}\n  spec: {serverConfig: mlserver}\n"
    config = load(tmp_path, f"{APPLICATIONS}servers:{manifest}")
    assert [str(resource.key) for resource in config.servers] == ["Server default/s"]
    assert config.servers[0].origin == Origin("configuration", "c.yaml", 3, 3)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"{APPLICATIONS}stat: x\n", "2:1 unknown setting stat, did you mean state?"),
        (f"{APPLICATIONS}zzz: x\n", "2:1 unknown setting zzz"),
        (
            "applications:\n- {name: a, repository: r, sync: {atuo: true}}\n",
            "2:35 unknown setting applications[0].sync.atuo, did you mean auto?",
        ),
        (f"{APPLICATIONS}gateway: {{prot: 1}}\n", "2:11 unknown setting gateway.prot, did you mean port?"),
        (f"{APPLICATIONS}storage:\n  map: [{{from: x, too: y}}]\n", "3:9 storage.map[0].to is missing"),
        (
            f"{APPLICATIONS}serverConfigs: {{m: {{packges: []}}}}\n",
            "unknown setting serverConfigs.m.packges, did you mean packages?",
        ),
        ("state: x\n", "1:1 applications is missing"),
        ("applications: []\n", "1:15 applications: "),
        ("applications: [{name: A_b, repository: r}]\n", "1:23 applications[0].name: "),
        (
            "applications: [{name: a, repository: r, sync: {interval: 30}}]\n",
            "1:58 applications[0].sync.interval: ",
        ),
        (
            "applications: [{name: a, repository: r, sync: {interval: 0s}}]\n",
            "applications[0].sync.interval: ",
        ),
        (f"{APPLICATIONS}onExit: halt\n", "2:9 onExit: "),
        (f"{APPLICATIONS}gateway: {{port: 70000}}\n", "2:17 gateway.port: "),
        (f"{APPLICATIONS}api: {{host: 0.0.0.0}}\n", "2:13 api.host: "),
        (f"{APPLICATIONS}gateway: {{listeners: {{Upper: 1}}}}\n", "gateway.listeners"),
        (
            "applications: [{name: configuration, repository: r}]\n",
            "1:23 application 'configuration' is taken by what `servers` declares",
        ),
        (
            "applications: [{name: a, repository: r}, {name: a, repository: q}]\n",
            "1:49 application 'a' is there twice",
        ),
        (f"{APPLICATIONS}servers: [{{}}]\n", "2:11 "),
        (f"{APPLICATIONS}servers:\n- {{apiVersion: v1, kind: Pod, metadata: {{name: p}}}}\n", "3:3 "),
        (
            f"{APPLICATIONS}gateway: {{port: 9, listeners: {{x: 9}}}}\n",
            "2:35 port 9 of namespace x is that of namespace default",
        ),
        (f"{APPLICATIONS}placement: {{policy: best}}\n", "2:21 placement.policy: "),
        (f"{APPLICATIONS}placement: {{policy: pack, steps: -1}}\n", "2:34 placement.steps: "),
        (
            f"{APPLICATIONS}placement: {{maxMoves: 1}}\n",
            "2:23 placement.maxMoves: only policy pack moves what is served",
        ),
        (f"{APPLICATIONS}api: {{port: 9000}}\n", "port 9000 of namespace default is that of the API"),
        ("a: [", "2:1 "),
        ("a: 1\na: 2\n", "2:1 "),
        ("", "one YAML document is wanted, 0 are there"),
        (f"{APPLICATIONS}---\n{APPLICATIONS}", "one YAML document is wanted, 2 are there"),
        ("[]\n", "1:1 configuration: "),
        ("!!python/object:os.system {}\n", "1:1 "),
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    """Line, column, setting, and what was probably meant."""
    assert said in fault(tmp_path, text)


def test_all_mistakes_are_named(tmp_path: Path) -> None:
    """Not only the first one; of very many the rest is counted."""
    assert fault(tmp_path, f"{APPLICATIONS}stat: x\nonExt: y\n").count("unknown setting") == 2
    many = "".join(f"x{number}: 1\n" for number in range(50))
    assert "; and 42 more" in fault(tmp_path, APPLICATIONS + many)


@pytest.mark.parametrize(
    ("kind", "spec"),
    [("Model", "{storageUri: gs://x}"), ("Experiment", "{candidates: [{name: a, weight: 1}]}")],
)
def test_only_servers_can_be_declared(tmp_path: Path, kind: str, spec: str) -> None:
    """Everything else belongs in Git."""
    manifest = f"{{apiVersion: mlops.seldon.io/v1alpha1, kind: {kind}, metadata: {{name: x}}, spec: {spec}}}"
    assert "only Server and ServerConfig can be declared here" in fault(
        tmp_path, f"{APPLICATIONS}servers: [{manifest}]\n"
    )


def test_a_wrong_manifest_is_named_with_its_field(tmp_path: Path) -> None:
    """As strict as in Git."""
    manifest = (
        "{apiVersion: mlops.seldon.io/v1alpha1, kind: Server, metadata: {name: x}, spec: {serverConfg: m}}"
    )
    assert "serverConfg" in fault(tmp_path, f"{APPLICATIONS}servers: [{manifest}]\n")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """With what else could be done."""
    with pytest.raises(InputError, match="ConfigNotFound") as caught:
        load_config(tmp_path / "nowhere.yaml")
    assert "--repo" in caught.value.hint


def test_a_repository_is_enough(tmp_path: Path) -> None:
    """--repo, --revision and --path make a configuration with the defaults."""
    config = repository_config("r", "main", "p", tmp_path)
    assert config.state == tmp_path / ".moorage"
    assert config.applications == (ApplicationConfig("default", str(tmp_path / "r"), "main", "p"),)


def test_credentials_go_to_what_lies_below_their_address(tmp_path: Path) -> None:
    """An application's own section comes first; secrets are named, not read."""
    config = load(
        tmp_path,
        "applications:\n"
        "  - {name: a, repository: 'https://h/team/r', credentials: {username: own, password: {file: s/p}}}\n"
        "  - {name: b, repository: 'https://h/team/r'}\n"
        "  - {name: c, repository: 'git@h:team/r'}\n"
        "  - {name: d, repository: 'https://elsewhere/r'}\n"
        "credentials:\n"
        "  - {url: 'https://h/team', password: {env: TOKEN}}\n"
        "  - {url: 'git@h:team', key: id, passphrase: {env: PHRASE}}\n",
    )
    assert [each.credentials for each in config.applications] == [
        Credentials("own", SecretFrom(file=tmp_path / "s" / "p")),
        Credentials(None, SecretFrom(env="TOKEN")),
        Credentials(key=tmp_path / "id", passphrase=SecretFrom(env="PHRASE")),
        AGENT,
    ]


def test_webhook_secrets_and_known_hosts_are_read(tmp_path: Path) -> None:
    """Common ones, and an application's own."""
    config = load(
        tmp_path,
        "applications: [{name: a, repository: r, webhookSecrets: [{env: MINE}]}]\n"
        "webhookSecrets: [{file: hook}, {env: HOOK}]\nknownHosts: hosts\n",
    )
    assert config.webhook_secrets == (SecretFrom(file=tmp_path / "hook"), SecretFrom(env="HOOK"))
    assert config.applications[0].webhook_secrets == (SecretFrom(env="MINE"),)
    assert config.known_hosts == tmp_path / "hosts"


def test_a_secret_is_one_of_file_and_variable(tmp_path: Path) -> None:
    """Neither both nor none, and never its own text."""
    for secret in ("{}", "{file: a, env: B}", "text", "{value: text}"):
        said = fault(tmp_path, f"{APPLICATIONS}webhookSecrets: [{secret}]\n")
        assert "webhookSecrets[0]" in said or "value" in said


def test_more_webhook_secrets_than_can_be_tried_in_time_are_refused(tmp_path: Path) -> None:
    """Each file or variable counts once, wherever it is named."""

    def applications(secret: str) -> str:
        rows = (f"{{name: a{n}, repository: r, webhookSecrets: [{{env: {secret}}}]}}" for n in range(101))
        return f"applications: [{', '.join(row.replace('NUMBER', str(n)) for n, row in enumerate(rows))}]\n"

    assert "more than 100 different ones" in fault(tmp_path, applications("SECRET_NUMBER"))
    assert len(load(tmp_path, applications("SECRET")).applications) == 101


def test_verification_names_who_may_sign(tmp_path: Path) -> None:
    """Keys of ssh and OpenPGP."""
    verify = "verify: {mode: tag, allowedSigners: signers, keys: [ada.asc]}"
    config = load(tmp_path, f"applications: [{{name: a, repository: r, {verify}}}]\n")
    assert config.applications[0].verify == Verification("tag", tmp_path / "signers", (tmp_path / "ada.asc",))


def test_verification_by_nobody_is_refused(tmp_path: Path) -> None:
    """It would stop every sync, or be no verification."""
    said = fault(tmp_path, "applications: [{name: a, repository: r, verify: {mode: head}}]\n")
    assert "nobody is allowed to sign" in said
