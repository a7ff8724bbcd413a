"""Values survive being written and read again, in every form that they are kept in."""

import json

from hypothesis import given
from hypothesis import strategies as st

from schemas import codec
from schemas.check import accepts
from schemas.decode import decode_spec
from schemas.encode import manifest
from schemas.load import combine, read_file
from schemas.resource import Resource
from schemas.writing import yaml_text
from tests.schemas.strategies import MODELS, near_manifests, resources


@given(resources())
def test_a_manifest_says_all_of_its_resource(resource):
    """Resource → manifest → resource is the same; its canonical manifest is valid."""
    written = manifest(resource)

    assert accepts(resource.key.kind, written)
    assert decode_spec(resource.key.kind, written["spec"]) == resource.spec


@given(resources(), st.booleans())
def test_a_written_manifest_reads_back_as_the_same_resource(resource, as_json):
    """Through YAML or JSON bytes and the whole loader, without a problem that is an error."""
    dump = json.dumps if as_json else yaml_text
    file = "file.json" if as_json else "file.yaml"

    result = read_file(file, dump(manifest(resource)).encode(), "elsewhere")

    assert [problem for problem in result.problems if problem.severity == "error"] == []
    (read,) = result.resources
    assert (read.key, read.spec, read.labels, read.annotations) == (
        resource.key,
        resource.spec,
        resource.labels,
        resource.annotations,
    )
    assert manifest(read) == manifest(resource)


@given(resources())
def test_a_resource_survives_its_json_form(resource):
    """Records and plans keep resources as JSON text, origin included."""
    text = json.dumps(codec.encode(resource))

    assert codec.decode(Resource, json.loads(text)) == resource


@given(resources())
def test_equal_resources_have_equal_canonical_bytes(resource):
    """Digests depend on the value, not on how it was made."""
    copy = codec.decode(Resource, json.loads(json.dumps(codec.encode(resource))))

    assert codec.canonical(copy) == codec.canonical(resource)


@given(st.lists(resources(), max_size=5), st.randoms())
def test_the_order_of_files_does_not_matter(items, random):
    """A source is a set of files."""
    readings = [
        read_file(f"{number}.yaml", yaml_text(manifest(item)).encode(), "default")
        for number, item in enumerate(items)
    ]
    shuffled = list(readings)
    random.shuffle(shuffled)

    assert combine(shuffled) == combine(readings)


@given(MODELS, MODELS)
def test_two_specs_are_the_same_version_only_if_what_is_loaded_is_the_same(one, other):
    """Digests of versions collide for nothing but replica counts and topic cleaning."""
    ignored = {"replicas", "minReplicas", "maxReplicas", "dataflow"}
    loaded = [{k: v for k, v in codec.encode(spec).items() if k not in ignored} for spec in (one, other)]

    assert (one.version == other.version) == (loaded[0] == loaded[1])


@given(st.data())
def test_no_document_raises(data):
    """Whatever is exchanged in a manifest, it becomes a resource or gets an error, never an exception."""
    resource = data.draw(resources())
    near = data.draw(near_manifests(manifest(resource)))

    result = read_file("file.yaml", yaml_text(near).encode(), "default")
    loaded = combine([result])

    known = len(result.resources) + len(result.invalid) + len(result.skipped) + result.unreadable
    assert known >= 1
    assert bool(loaded.resources) or loaded.unreadable or bool(result.skipped) or bool(loaded.invalid)
    assert (
        loaded.resources or any(problem.severity == "error" for problem in loaded.problems) or result.skipped
    )
