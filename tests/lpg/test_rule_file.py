"""Rule files: a rule is loaded as it was saved, and any other file is refused with a reason."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load_file, save, save_file

from lpg.rule_file import RULE_FORMAT, RuleFileError, read_rule, read_rule_header, write_rule
from lpg.tensor_file import METADATA_KEY, TensorFormat, named_leaves
from tests.full_disk import full_disk

ARCHITECTURE = {"kind": "lpg", "hidden": 4, "prediction_size": 30}
PROVENANCE = {"experiment": "tiny", "seed": 0, "généré": "√"}


def meta_params(hidden=4):
    kernel = jnp.arange(hidden * 3, dtype=jnp.float32).reshape(hidden, 3)
    return {"gru": {"kernel": kernel, "bias": jnp.full(3, 0.1)}, "embed": {"scale": jnp.float32(2)}}


def template_for(architecture):
    if architecture.get("kind") != "lpg":
        raise ValueError(f"rule kind must be one of lpg, got {architecture.get('kind')}")
    return jax.eval_shape(lambda: meta_params(architecture["hidden"]))


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "rule.safetensors"
    write_rule(path, ARCHITECTURE, meta_params(), PROVENANCE)
    return path


def assert_refused(path, reason):
    with pytest.raises(RuleFileError) as caught:
        read_rule(path, template_for)
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and reason in message and "\n" not in message


def test_read_rule_returns_what_was_saved(path):
    architecture, loaded, provenance = read_rule(path, template_for)
    assert (architecture, provenance) == (ARCHITECTURE, PROVENANCE)
    assert jax.tree.structure(loaded) == jax.tree.structure(meta_params())
    for left, right in zip(jax.tree.leaves(loaded), jax.tree.leaves(meta_params()), strict=True):
        assert left.dtype == right.dtype
        np.testing.assert_array_equal(left, right)


def test_rule_file_is_plain_safetensors(path):
    tensors = load_file(path)
    assert sorted(tensors) == ["embed/scale", "gru/bias", "gru/kernel"]
    np.testing.assert_array_equal(tensors["gru/kernel"], meta_params()["gru"]["kernel"])


def test_write_rule_stores_transposed_arrays_as_they_are(path):
    transposed = meta_params()
    transposed["gru"]["kernel"] = np.asfortranarray(transposed["gru"]["kernel"])
    write_rule(path, ARCHITECTURE, transposed, PROVENANCE)
    np.testing.assert_array_equal(read_rule(path, template_for)[1]["gru"]["kernel"], meta_params()["gru"]["kernel"])


def test_write_rule_of_equal_inputs_gives_equal_bytes(path, tmp_path):
    shuffled = {"embed": meta_params()["embed"], "gru": dict(reversed(meta_params()["gru"].items()))}
    for number in range(5):
        other = tmp_path / f"other_{number}.safetensors"
        write_rule(other, dict(reversed(ARCHITECTURE.items())), shuffled, PROVENANCE)
        assert other.read_bytes() == path.read_bytes()


def test_read_rule_header_tells_rules_apart(path, tmp_path):
    header = read_rule_header(path)
    assert (header.architecture, header.provenance, header.format_version) == (ARCHITECTURE, PROVENANCE, 1)
    other = meta_params()
    other["embed"]["scale"] = jnp.float32(3)
    write_rule(tmp_path / "other", ARCHITECTURE, other, PROVENANCE)
    assert read_rule_header(tmp_path / "other").sha256 != header.sha256
    assert len(header.sha256) == 64


def test_rule_without_meta_params_is_saved(tmp_path):
    write_rule(tmp_path / "a2c", {"kind": "a2c"}, (), {})
    assert read_rule(tmp_path / "a2c", lambda architecture: ()) == ({"kind": "a2c"}, (), {})


def test_read_rule_refuses_every_truncation(path):
    whole = path.read_bytes()
    for size in [0, 1, 7, 8, 9, 100, len(whole) // 2, len(whole) - 1]:
        path.write_bytes(whole[:size])
        assert_refused(path, "truncated, or not a groove rule")


def test_read_rule_refuses_every_flipped_byte_of_weights_and_provenance(path):
    whole = path.read_bytes()
    start = whole.index(b"tiny")
    for position in [start, start + 1, *range(len(whole) - 4 * 16, len(whole))]:
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
        assert_refused(path, "corrupt: the content does not match its SHA-256")


def test_read_rule_survives_random_damage_to_its_header(path):
    whole, generator = path.read_bytes(), np.random.default_rng(0)
    for _ in range(300):
        position = int(generator.integers(0, len(whole)))
        path.write_bytes(whole[:position] + generator.bytes(3) + whole[position + 3 :])
        if path.read_bytes() != whole:
            with pytest.raises(RuleFileError, match=r"rule\.safetensors: "):
                read_rule(path, template_for)


def rewrite(path, header=None, **tensors):
    """Replace tensors, or fields of the header, without updating the digest."""
    all_tensors = {name: value for name, value in (load_file(path) | tensors).items() if value is not None}
    fields = {"kind": "groove rule", "format_version": 1, "sha256": "0", "content": {}} | (header or {})
    save_file(all_tensors, path, {METADATA_KEY: json.dumps(fields)})


CONTENT = {"architecture": ARCHITECTURE, "provenance": PROVENANCE}
FOREIGN = [
    ({"kind": "groove checkpoint"}, {}, "a groove checkpoint, not a groove rule"),
    ({"format_version": 2}, {}, "format version 2, but this program reads 1..1"),
    ({"format_version": "new"}, {}, "corrupt: the header cannot be read"),
    ({"content": 3}, {}, "corrupt: the header cannot be read"),
    ({"content": {"architecture": []}}, {}, "the header lacks architecture or provenance"),
    ({"content": CONTENT | {"architecture": {"kind": "x"}}}, {}, "unknown architecture: rule kind must be one of lpg"),
    ({"content": CONTENT}, {"gru/bias": np.zeros(4, np.float32)}, "tensor gru/bias has shape (4,), not (3,)"),
    ({"content": CONTENT}, {"gru/bias": np.zeros(3)}, "tensor gru/bias has dtype float64, not float32"),
    ({"content": CONTENT}, {"gru/bias": None}, "tensor gru/bias is missing"),
    ({"content": CONTENT}, {"gru/gate": np.zeros(3)}, "unknown tensor gru/gate"),
]


@pytest.mark.parametrize(("header", "tensors", "reason"), FOREIGN)
def test_read_rule_names_what_is_wrong(path, header, tensors, reason):
    rewrite(path, header, **tensors)
    assert_refused(path, reason)


def test_read_rule_refuses_files_that_are_not_rules(tmp_path):
    assert_refused(tmp_path / "absent", "cannot be read: No such file or directory")
    assert_refused(tmp_path, "not a file")
    for name, content in {"zip": b"PK\3\4" + bytes(500), "text": b"rule: lpg\n" * 50}.items():
        (tmp_path / name).write_bytes(content)
        assert_refused(tmp_path / name, "not a groove rule")
    (tmp_path / "foreign").write_bytes(save({"weight": np.zeros(3)}))
    assert_refused(tmp_path / "foreign", "a safetensors file, but not a groove rule")


def test_read_rule_refuses_non_finite_weights_whose_digest_is_right(path):
    broken = meta_params()
    broken["gru"]["bias"] = jnp.array([0.0, jnp.nan, 0.0])
    RULE_FORMAT.write(path, CONTENT, {name: np.asarray(leaf) for name, leaf in named_leaves(broken).items()})
    assert_refused(path, "tensor gru/bias is not finite")


def test_write_rule_refuses_non_finite_weights_and_keeps_the_old_file(path):
    broken = meta_params()
    broken["gru"]["bias"] = jnp.array([0.0, jnp.inf, 0.0])
    before = path.read_bytes()
    with pytest.raises(RuleFileError, match="tensor gru/bias is not finite"):
        write_rule(path, ARCHITECTURE, broken, PROVENANCE)
    assert path.read_bytes() == before


def test_write_rule_onto_a_full_disk_keeps_the_old_file(path):
    before = path.read_bytes()
    with full_disk(), pytest.raises(RuleFileError, match="cannot be written: File too large"):
        write_rule(path, ARCHITECTURE, meta_params(hidden=500), PROVENANCE)
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_write_rule_refuses_dtypes_and_headers_that_cannot_be_stored(path):
    before = path.read_bytes()
    with pytest.raises(RuleFileError, match="gru/bias has dtype bfloat16, allowed: bool, uint8"):
        write_rule(path, ARCHITECTURE, {"gru": {"bias": jnp.zeros(3, jnp.bfloat16)}}, PROVENANCE)
    for unsaid in (float("nan"), {1, 2}):
        with pytest.raises(RuleFileError, match="header is not JSON"):
            write_rule(path, ARCHITECTURE, meta_params(), {"score": unsaid})
    assert path.read_bytes() == before


def test_size_limit_holds_for_writing_and_reading(path):
    small = TensorFormat(kind="groove rule", version=1, max_bytes=100)
    with pytest.raises(ValueError, match="would be .* bytes; a groove rule has at most 100"):
        small.write(path, {}, {"weight": np.zeros(100)})
    with pytest.raises(ValueError, match="bytes; a groove rule has at most 100"):
        small.read_header(path)


def test_named_leaves_refuses_duplicate_names():
    with pytest.raises(ValueError, match="two leaves of the tree are called a/b"):
        named_leaves({"a": {"b": 1}, "a/b": 2})
