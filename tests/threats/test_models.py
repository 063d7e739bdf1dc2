"""Models from strangers: whatever stands in their folder, a message and nothing that is waited for."""

import json
import os
import struct
from pathlib import Path
from typing import Any

import pytest

from lstmcore.experiments.errors import InputError
from lstmcore.experiments.prediction.model import load_model, write_model
from lstmcore.experiments.prediction.shipped import card_in, print_card
from tests.experiments.prediction.test_model_files import DESCRIPTION, arrays

needs_pipes = pytest.mark.skipif(os.name != "posix", reason="named pipes and links as on Unix")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    write_model(folder, DESCRIPTION, arrays())
    return folder


def told(folder: Path, **changes: Any) -> Path:
    file = folder / "model.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))
    return folder


@needs_pipes
@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", ["model.json", "networks.safetensors"])
@pytest.mark.parametrize("device", [None, "/dev/zero"])
def test_a_pipe_or_device_is_not_waited_for(name: str, device: str | None, model: Path) -> None:
    (model / name).unlink()
    if device is None:
        os.mkfifo(model / name)
    else:
        (model / name).symlink_to(device)
    with pytest.raises(InputError, match=f"{name}: .*not a regular file"):
        load_model(model)


@pytest.mark.parametrize("head", [b"[" * 100_000, b'{"__metadata__":' + b'{"a":' * 100_000])
def test_a_head_nested_without_end_is_damage(head: bytes, model: Path) -> None:
    (model / "networks.safetensors").write_bytes(struct.pack("<Q", len(head)) + head)
    with pytest.raises(InputError, match=r"networks.safetensors: missing or damaged"):
        load_model(model)


@pytest.mark.parametrize("shape", [[2**40, 2**30], [2**62]])
def test_sizes_that_are_only_declared_take_no_memory(shape: list[int], model: Path) -> None:
    about = {"weights": {"dtype": "F32", "shape": shape, "data_offsets": [0, 2**62]}}
    head = json.dumps(about).encode()
    (model / "networks.safetensors").write_bytes(struct.pack("<Q", len(head)) + head)
    with pytest.raises(InputError, match=r"networks.safetensors: missing or damaged"):
        load_model(model)


def test_a_file_larger_than_its_model_can_be_is_not_read(model: Path) -> None:
    with (model / "networks.safetensors").open("r+b") as file:
        file.truncate(1 << 40)  # a hole: it takes no room on the disk
    with pytest.raises(
        InputError, match=r"networks.safetensors: can't be read: 1,099,511,627,776 bytes; at most"
    ):
        load_model(model)


def test_a_description_of_a_terabyte_is_not_read(model: Path) -> None:
    with (model / "model.json").open("r+b") as file:
        file.truncate(1 << 40)
    with pytest.raises(InputError, match=r"model.json: .*at most 100,000,000 are expected"):
        load_model(model)


def test_layers_without_number_are_refused_at_once(model: Path) -> None:
    layers = [{"kind": "lstm", "size": 1, "bias": 1.0}] * 1001
    with pytest.raises(InputError, match=r"layers is .*at most 1000"):
        load_model(told(model, layers=layers))


@pytest.mark.parametrize("name", ["a\x1b[2J", "two\nlines", "a\x9b31m", "a\u2028b"])
@pytest.mark.parametrize("key", ["experiment", "targets", "systems"])
def test_names_with_controls_are_refused(key: str, name: str, model: Path) -> None:
    value = {"experiment": name, "targets": [name, "valence"], "systems": {name: [0]}}[key]
    with pytest.raises(InputError, match=f"{key}.*expected one line of text without controls") as error:
        load_model(told(model, **{key: value}))
    assert name not in str(error.value)


@needs_pipes
def test_a_card_is_no_way_to_other_files_of_this_machine(model: Path, tmp_path: Path) -> None:
    """It goes along into what is exported, and would carry them out."""
    (tmp_path / "secret").write_text("# mine\n")
    (model / "README.md").symlink_to(tmp_path / "secret")
    assert card_in(model) is None
    with pytest.raises(InputError, match="a link out of the model's folder"):
        print_card(model)
    (model / "README.md").unlink()
    (model / "card").write_text("# a model\n")
    (model / "README.md").symlink_to("card")
    assert card_in(model) == "# a model\n"


@needs_pipes
@pytest.mark.timeout(60)
def test_a_card_that_is_a_pipe_is_none(model: Path) -> None:
    os.mkfifo(model / "README.md")
    assert card_in(model) is None
