"""What a source holds: resources, what is wrong, and what must not be pruned."""

import pytest

from schemas.load import combine, read_file
from schemas.resource import Origin, key
from tests.schemas.loading import HEADER, codes, load, model, reading

CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, namespace: other}\n"


def test_a_resource_knows_where_it_was_read():
    """File, line and column of its document, and the source it belongs to."""
    (resource,) = reading("\n# a comment\n" + model("iris")).resources

    assert resource.origin == Origin("git", "file.yaml", 3, 1)
    assert resource.key == key("Model", "default", "iris")


def test_an_absent_namespace_is_the_callers():
    """An empty one counts as absent."""
    texts = [model("one"), model("two").replace("name: two", 'name: two, namespace: ""'),
             model("three").replace("name: three", "name: three, namespace: own")]  # fmt: skip
    result = read_file("file.yaml", "---\n".join(texts).encode(), "given", "configuration")

    assert [resource.key.namespace for resource in result.resources] == ["given", "given", "own"]
    assert {resource.origin.source for resource in result.resources} == {"configuration"}


def test_labels_and_annotations_are_kept():
    """They are part of what is applied."""
    text = model("iris").replace("name: iris", "name: iris, labels: {team: a}, annotations: {note: 'yes'}")
    (resource,) = reading(text).resources

    assert (resource.labels, resource.annotations) == ({"team": "a"}, {"note": "yes"})


def test_status_and_cluster_metadata_are_accepted():
    """A manifest exported from a cluster is valid."""
    metadata = (
        "{name: iris, uid: x, creationTimestamp: null, generation: 3, managedFields: [{manager: kubectl}]}"
    )
    text = model("iris").replace("{name: iris}", metadata) + "status: {replicas: 1, anything: [at, all]}\n"

    assert codes(reading(text)) == []


def test_documents_of_other_groups_are_skipped_and_listed():
    """What they are called is kept: a name that is owned holds pruning."""
    result = reading(CONFIG_MAP + "---\n" + model("iris"))

    (skipped,) = result.skipped
    assert (skipped.api_version, skipped.kind, skipped.namespace, skipped.name) == (
        "v1",
        "ConfigMap",
        "other",
        "settings",
    )
    assert (skipped.file, skipped.line) == ("file.yaml", 1)
    assert len(result.resources) == 1
    assert not result.unreadable


def test_yaml_that_only_other_tools_understand_is_their_business():
    """Tags and repeated fields of a skipped document are no problem of ours."""
    assert (
        codes(reading("apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ndata: !ref {a: 1, a: 2}\n")) == []
    )


@pytest.mark.parametrize(
    "group", ["mlop.seldon.io/v1alpha1", "mlops.seldn.io/v1alpha1", "mlops.seldon.com/v1"]
)
def test_a_misspelt_group_is_skipped_but_told(group):
    """It is an error, and the name is listed so that nothing owned is pruned for it."""
    result = reading(model("iris").replace("mlops.seldon.io/v1alpha1", group))

    assert codes(result) == ["SimilarGroup"]
    assert [(skipped.kind, skipped.name) for skipped in result.skipped] == [("Model", "iris")]


def test_an_unknown_kind_of_our_group_is_listed_by_its_name():
    """Whatever it was meant to be, what bears its name must not be pruned."""
    result = reading(model("iris").replace("kind: Model", "kind: Modle"))

    assert [(skipped.kind, skipped.name) for skipped in result.skipped] == [("Modle", "iris")]
    assert codes(result) == ["UnknownKind"]


@pytest.mark.parametrize(
    "text",
    [
        model("iris", "replicas: many"),
        model("iris", "minReplicas: 3", "maxReplicas: 2"),
        model("iris").replace("v1alpha1", "v2"),
        model("iris", "memory: 1G", "memory: 2G"),
        model("iris").replace("spec:", "spek:"),
        model("iris").replace(HEADER, ""),
    ],
    ids=["schema", "semantics", "version", "duplicate", "unknown-field", "no-api-version"],
)
def test_a_wrong_document_with_an_identity_is_invalid(text):
    """Nothing is applied and nothing is pruned; all other resources are unaffected."""
    loaded = load(text, model("wine"))

    assert loaded.invalid == (key("Model", "default", "iris"),)
    assert [resource.key.name for resource in loaded.resources] == ["wine"]
    assert not loaded.unreadable


@pytest.mark.parametrize(
    "text",
    [
        "kind: [\n",
        HEADER + "kind: Model\nspec: {}\n",
        HEADER + "metadata: {name: iris}\n",
        HEADER + "kind: Model\nmetadata: {name: iris, name: wine}\n",
        HEADER + "kind: Model\nmetadata: !custom {name: iris}\n",
        HEADER + "kind: Model\nmetadata: text\n",
        "a: &a [*a]\n",
        HEADER + "kind: ModelList\nitems: []\n",
        "apiVersion:mlops.seldon.io/v1alpha1",
    ],
)
def test_a_document_without_a_readable_identity_holds_all_pruning(text):
    """Nobody can say what it stands for."""
    result = reading(text)

    assert result.unreadable
    assert any(problem.severity == "error" for problem in result.problems)


@pytest.mark.parametrize(
    "text", ["", "# nothing\n", "just text\n", "- 1\n- 2\n", "a: 1\n", "services: {web: {}}\n"]
)
def test_a_document_of_no_group_at_all_is_none_of_our_business(text):
    """Other files may lie beside the manifests."""
    result = reading(text)

    assert (result.problems, result.skipped, result.unreadable) == ((), (), False)


def test_a_name_that_is_no_string_still_names_what_must_not_be_pruned():
    """``name: 0123`` is an error, and what is written is the name."""
    assert load(model("0123")).invalid == (key("Model", "default", "0123"),)


def test_resources_and_problems_are_sorted():
    """By kind, namespace and name; by file, line and column."""
    server = HEADER + "kind: Server\nmetadata: {name: a}\nspec: {serverConfig: mlserver}\n"
    loaded = load(model("b", "x: 1", "memory: -1"), server, model("a"))

    assert [str(resource.key) for resource in loaded.resources] == ["Model default/a", "Server default/a"]
    assert [(problem.line, problem.code) for problem in loaded.problems] == [
        (6, "UnknownField"),
        (7, "InvalidMemory"),
    ]


def test_duplicates_name_each_other_and_neither_is_applied():
    """Also across files, and where one of them is wrong by itself."""
    loaded = load(model("iris"), model("iris"), model("wine"), model("wine", "replicas: x"))

    assert loaded.resources == ()
    assert [str(item) for item in loaded.invalid] == ["Model default/iris", "Model default/wine"]
    assert [p.message for p in loaded.problems if p.code == "DuplicateResource"][:2] == [
        "Model default/iris is also declared at file1.yaml:1",
        "Model default/iris is also declared at file0.yaml:1",
    ]


def test_experiments_that_claim_one_baseline_are_both_invalid():
    """Neither has the better right; what is applied stays as it is."""
    text = (
        HEADER
        + "kind: Experiment\nmetadata: {name: %s}\nspec: {default: iris, candidates: [{name: iris, weight: 1}]}\n"
    )
    loaded = load(model("iris"), text % "one", text % "two")

    assert codes(loaded) == ["BaselineTaken", "BaselineTaken"]
    assert [item.name for item in loaded.invalid] == ["one", "two"]


def test_what_is_declared_elsewhere_satisfies_references():
    """Servers of the controller's configuration are not part of the source."""
    server = (
        HEADER
        + "kind: Server\nmetadata: {name: big}\nspec: {serverConfig: mlserver, extraCapabilities: [gpu]}\n"
    )
    known = read_file("configuration", server.encode(), "default", "configuration").resources
    asking = reading(model("iris", "server: big", "requirements: [gpu]"))

    assert codes(combine([asking])) == ["UnknownReference"]
    loaded = combine([asking], known)
    assert (codes(loaded), len(loaded.resources)) == ([], 1)


def test_a_reference_to_a_broken_resource_is_not_unknown():
    """Its own problem is enough."""
    assert codes(
        load(model("iris", "server: s"), HEADER + "kind: Server\nmetadata: {name: s}\nspec: {}\n")
    ) == ["MissingField"]


def test_a_server_that_is_not_known_well_enough_suppresses_the_capability_warning():
    """Its ServerConfig lives elsewhere, so it may offer anything."""
    server = HEADER + "kind: Server\nmetadata: {name: s}\nspec: {serverConfig: own}\n"

    assert "MissingCapability" not in codes(load(server, model("iris", "requirements: [gpu]")))


def test_an_explainer_needs_the_explainer_runtime():
    """The requirement that the reference checks on the replica."""
    server = HEADER + "kind: Server\nmetadata: {name: triton}\nspec: {serverConfig: triton}\n"
    loaded = load(server, model("iris"), model("why", "explainer: {type: anchor_text, modelRef: iris}"))

    (problem,) = loaded.problems
    assert problem.code == "MissingCapability"
    assert "triton, lacks alibi-explain" in problem.message


def test_the_number_of_documents_counts_the_skipped_ones():
    """As ``moorage validate`` sums up."""
    loaded = load(CONFIG_MAP + "---\n" + model("iris"), model("wine", "x: 1"))

    assert (loaded.documents, len(loaded.resources), len(loaded.skipped)) == (3, 1, 1)


def test_a_reading_depends_on_its_arguments_only():
    """It is kept per blob."""
    text = model("iris", "memory: 1Gi", "requirements: [sklearn]") + "---\n" + CONFIG_MAP

    assert reading(text) == reading(text)
