"""The authors' checkpoints: names, mapping, bits, arithmetic, and all that can be wrong with a file."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from published_files import (
    audio_visual_of,
    clap_clip,
    ex_leaf,
    ex_leaf_of,
    freebind_mode,
    freebind_mode_of,
    three_d_of,
    ulip_clip,
    unit,
)
from torch import Tensor

from cmcr_worker.connectors.authors.layouts import LAYOUTS
from cmcr_worker.connectors.authors.reading import PublishedFile, heads_of, read_published
from cmcr_worker.connectors.authors.writing import files_of, torch_bytes
from cmcr_worker.connectors.checkpoint import SideHead, from_bytes, to_bytes
from cmcr_worker.connectors.heads import HEADS, HeadSpec, initial_head
from cmcr_worker.connectors.projectors import Projectors
from cmcr_worker.errors import Reason, WorkerError

State = OrderedDict[str, Tensor]


def saved(tmp_path: Path, state: object, name: str = "heads.pt") -> PublishedFile:
    """The file, saved by PyTorch and read again."""
    torch.save(state, tmp_path / name)
    return read_published(tmp_path / name, name)


def bits(state: Any) -> dict[str, tuple[torch.dtype, tuple[int, ...], bytes]]:
    return {name: (v.dtype, tuple(v.shape), v.numpy().tobytes()) for name, v in state.items()}


def rows(seed: int, count: int, width: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, width)).astype(np.float32)


def run_again(layout: str, spaces: list[str], file: PublishedFile) -> Projectors:
    """The heads as a run has them: written into projectors.safetensors, and read again."""
    return Projectors.from_bytes(to_bytes(heads_of(layout, spaces, [file]), "unknown"))


@pytest.mark.parametrize(
    ("layout", "state", "spaces", "count"),
    [
        ("audio-visual", clap_clip(), ["clip", "clap"], 28),
        ("three-d", ulip_clip(), ["clip", "ulip"], 14),
        ("ex-mcr", ex_leaf(), ["clip", "clap"], 30),
        ("audio-visual", clap_clip(48, 64, 40), ["a.b", "a"], 28),
    ],
)
def test_in_and_out_bit_for_bit(
    tmp_path: Path, layout: str, state: State, spaces: list[str], count: int
) -> None:
    sides = from_bytes(to_bytes(heads_of(layout, spaces, [saved(tmp_path, state)]), "unknown"))
    (out,) = files_of(layout, spaces, sides)
    (tmp_path / "out.pt").write_bytes(torch_bytes(out))
    again = torch.load(tmp_path / "out.pt", weights_only=True)
    assert isinstance(again, OrderedDict)
    assert list(again) == list(state)
    assert len(again) == count
    assert bits(again) == bits(state)


def test_freebind_in_and_out_bit_for_bit() -> None:
    states = [freebind_mode(12, 10, seed) for seed in range(7)]
    files = [PublishedFile(f"{seed}", state) for seed, state in enumerate(states)]
    sides = from_bytes(to_bytes(heads_of("freebind", ["base", "clap"], files), "unknown"))
    out = files_of("freebind", ["base", "clap"], sides)
    assert [bits(file) for file in out] == [bits(state) for state in states]
    assert [list(file) for file in out] == [list(state) for state in states]


def test_the_projectors_file_has_every_tensor_bit_for_bit(tmp_path: Path) -> None:
    state = ulip_clip(6, 5, 4)
    sides = from_bytes(to_bytes(heads_of("three-d", ["clip", "ulip"], [saved(tmp_path, state)]), "unknown"))
    for side, prefix in zip(sides, ("Head_A.", "Head_B."), strict=True):
        theirs = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
        assert bits(side.head.state_dict()) == bits(theirs)
    assert sides[1].head.state_dict()["net.1.num_batches_tracked"].item() == 3080


class TestMapping:
    """Which head is which differs between the authors' two files."""

    def test_audio_visual(self, tmp_path: Path) -> None:
        state = clap_clip(clap=5, clip=7, joint=6)
        projectors = run_again("audio-visual", ["clip", "clap"], saved(tmp_path, state))
        assert projectors.sides == {"clip": 7, "clap": 5}
        for space, head, width in (("clap", "Head_A.", 5), ("clip", "Head_B.", 7)):
            x = rows(1, 9, width)
            expected = unit(audio_visual_of(state, head, unit(x)))
            np.testing.assert_allclose(projectors.embed(space, torch.from_numpy(x)), expected, atol=2e-6)

    def test_three_d(self, tmp_path: Path) -> None:
        state = ulip_clip(clip=7, ulip=5, joint=6)
        projectors = run_again("three-d", ["clip", "ulip"], saved(tmp_path, state))
        assert projectors.sides == {"clip": 7, "ulip": 5}
        for space, head, width in (("clip", "Head_A.", 7), ("ulip", "Head_B.", 5)):
            x = rows(1, 9, width)
            expected = unit(three_d_of(state, head, unit(x)))
            np.testing.assert_allclose(projectors.embed(space, torch.from_numpy(x)), expected, atol=2e-6)

    def test_out_again_under_other_names_in_the_other_order(self, tmp_path: Path) -> None:
        state = clap_clip(clap=5, clip=7, joint=6)
        sides = heads_of("audio-visual", ["sight", "hearing"], [saved(tmp_path, state)])
        (out,) = files_of("audio-visual", ["sight", "hearing"], sides[::-1])
        assert bits(out) == bits(state)


class TestArithmetic:
    """Input normalised, head with running statistics, output normalised: against NumPy in float64."""

    @pytest.mark.parametrize("scale", [1.0, 7.5])
    def test_audio_visual(self, tmp_path: Path, scale: float) -> None:
        state = clap_clip()
        projectors = run_again("audio-visual", ["clip", "clap"], saved(tmp_path, state))
        x = rows(2, 33, 512)
        found = projectors.embed("clap", torch.from_numpy(x * np.float32(scale))).numpy()
        expected = unit(audio_visual_of(state, "Head_A.", unit(x)))
        np.testing.assert_allclose(found, expected, atol=2e-6)
        # No ReLU at the end, and an input that is not normalised first gives something else.
        assert (found < 0).any()
        assert np.abs(unit(audio_visual_of(state, "Head_A.", x.astype(np.float64))) - expected).max() > 1e-2

    def test_three_d_is_never_negative(self, tmp_path: Path) -> None:
        state = ulip_clip()
        projectors = run_again("three-d", ["clip", "ulip"], saved(tmp_path, state))
        x = rows(3, 33, 512)
        clip, ulip = (projectors.embed(space, torch.from_numpy(x)).numpy() for space in ("clip", "ulip"))
        np.testing.assert_allclose(clip, unit(three_d_of(state, "Head_A.", unit(x))), atol=2e-6)
        np.testing.assert_allclose(ulip, unit(three_d_of(state, "Head_B.", unit(x))), atol=2e-6)
        assert (clip >= 0).all()
        assert (ulip >= 0).all()
        assert ((similarity := clip @ ulip.T) >= 0).all()
        assert (similarity <= 1 + 1e-6).all()

    def test_a_row_does_not_depend_on_its_batch(self, tmp_path: Path) -> None:
        projectors = run_again("audio-visual", ["clip", "clap"], saved(tmp_path, clap_clip(8, 8, 8)))
        x = torch.from_numpy(rows(4, 9, 8))
        torch.testing.assert_close(projectors.embed("clip", x[3:4]), projectors.embed("clip", x)[3:4])

    def test_ex_mcr_keeps_the_base_and_maps_the_leaf(self, tmp_path: Path) -> None:
        state = ex_leaf(leaf=5, base=7)
        projectors = run_again("ex-mcr", ["clip", "clap"], saved(tmp_path, state))
        x, y = rows(5, 9, 7), rows(6, 9, 5)
        np.testing.assert_allclose(projectors.embed("clip", torch.from_numpy(x)), unit(x), atol=2e-6)
        expected = unit(ex_leaf_of(state, unit(y)))
        np.testing.assert_allclose(projectors.embed("clap", torch.from_numpy(y)), expected, atol=5e-6)

    def test_freebind_is_the_mean_of_normalised_projectors(self) -> None:
        states = [freebind_mode(5, 7, seed) for seed in range(7)]
        files = [PublishedFile(f"{seed}", state) for seed, state in enumerate(states)]
        projectors = Projectors.from_bytes(
            to_bytes(heads_of("freebind", ["base", "expert"], files), "unknown")
        )
        assert projectors.sides == {"base": 7, "expert": 5}
        x = rows(7, 9, 5)
        each = [freebind_mode_of(state, unit(x)) for state in states]
        found = projectors.embed("expert", torch.from_numpy(x))
        np.testing.assert_allclose(found, unit(np.mean(each, axis=0)), atol=2e-6)
        single = Projectors(heads_of("freebind", ["base", "expert"], files[:1]))
        np.testing.assert_allclose(single.embed("expert", torch.from_numpy(x)), each[0], atol=2e-6)


def without(state: State, key: str) -> State:
    return OrderedDict((name, value) for name, value in state.items() if name != key)


def with_tensor(state: State, key: str, value: Tensor) -> State:
    return OrderedDict({**state, key: value})


SMALL = clap_clip(5, 7, 6)
SMALL_3D = ulip_clip(7, 5, 6)


@pytest.mark.parametrize(
    ("layout", "state", "subject", "words"),
    [
        ("audio-visual", without(SMALL, "Head_B.net2.1.running_var"), "Head_B.net2.1.running_var", "lacks"),
        ("three-d", without(SMALL_3D, "Head_A.net.0.bias"), "Head_A.net.0.bias", "lacks"),
        ("audio-visual", with_tensor(SMALL, "Head_C.bias", torch.ones(2)), "Head_C.bias", "beside"),
        (
            "audio-visual",
            with_tensor(SMALL, "Head_A.net1.0.bias", torch.ones(9)),
            "Head_A.net1.0.bias",
            "(9,)",
        ),
        (
            "audio-visual",
            with_tensor(SMALL, "Head_A.net1.0.weight", torch.ones(5)),
            "Head_A.net1.0.weight",
            "matrix",
        ),
        (
            "three-d",
            with_tensor(SMALL_3D, "Head_B.net.0.weight", torch.ones(8, 5)),
            "Head_B.net.0.weight",
            "8",
        ),
        (
            "three-d",
            with_tensor(SMALL_3D, "Head_B.net.1.bias", torch.ones(6).half()),
            "Head_B.net.1.bias",
            "float16",
        ),
        (
            "three-d",
            with_tensor(SMALL_3D, "Head_A.net.1.num_batches_tracked", torch.tensor(1.0)),
            "Head_A.net.1.num_batches_tracked",
            "int64",
        ),
        (
            "three-d",
            with_tensor(SMALL_3D, "Head_B.net.1.running_var", torch.full((6,), torch.nan)),
            "Head_B.net.1.running_var",
            "not finite",
        ),
        # Two heads whose outputs cannot be compared.
        (
            "three-d",
            OrderedDict(
                {**SMALL_3D, **{k: v for k, v in ulip_clip(7, 5, 4).items() if k.startswith("Head_B")}}
            ),
            "Head_B.net.0.weight",
            "dimensions",
        ),
        # Dimensions that would need terabytes, were they believed.
        (
            "audio-visual",
            with_tensor(SMALL, "Head_A.net1.0.weight", torch.ones(1, 3_000_000)),
            "Head_A.net1.0.weight",
            "3000000",
        ),
    ],
)
def test_a_wrong_tensor_names_itself(
    tmp_path: Path, layout: str, state: State, subject: str, words: str
) -> None:
    with pytest.raises(WorkerError) as caught:
        heads_of(layout, ["x", "y"], [saved(tmp_path, state)])
    assert (caught.value.reason, caught.value.subject) == (Reason.DATA_CORRUPT, subject)
    assert subject in caught.value.message
    assert words in caught.value.message
    assert "heads.pt" in caught.value.message


@pytest.mark.parametrize(
    ("given", "state", "right"),
    [
        ("audio-visual", ulip_clip(7, 5, 6), "three-d"),
        ("three-d", clap_clip(7, 5, 6), "audio-visual"),
        ("three-d", ex_leaf(4, 4), "ex-mcr"),
        ("ex-mcr", clap_clip(4, 4, 4), "audio-visual"),
        ("ex-mcr", freebind_mode(4, 4, 0), "freebind"),
    ],
)
def test_the_wrong_preset_is_recognised(tmp_path: Path, given: str, state: State, right: str) -> None:
    with pytest.raises(WorkerError) as caught:
        heads_of(given, ["x", "y"], [saved(tmp_path, state)])
    assert caught.value.reason is Reason.CONFIG_INVALID
    assert caught.value.known_names == (right,)
    assert right in caught.value.remedy
    assert "heads.pt has the layout of" in caught.value.message


def test_a_dictionary_and_a_prefix_around_the_tensors_come_off(tmp_path: Path) -> None:
    state = ulip_clip(7, 5, 6)
    wrapped = {"epoch": 3, "state_dict": OrderedDict((f"module.{k}", v) for k, v in state.items())}
    assert bits(saved(tmp_path, wrapped).state) == bits(state)


class Evil:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return (os.mkdir, (str(self.path),))


def test_code_in_a_file_is_not_run(tmp_path: Path) -> None:
    bait = tmp_path / "bait"
    with pytest.raises(WorkerError, match=r"heads\.pt asks for (posix|nt)\.mkdir") as caught:
        saved(tmp_path, {**ulip_clip(7, 5, 6), "extra": Evil(bait)})
    assert caught.value.reason is Reason.DATA_CORRUPT
    assert not bait.exists()
    assert str(tmp_path) not in caught.value.message


@pytest.mark.parametrize("content", [b"", b"no checkpoint at all", b"PK\x03\x04", None])
def test_other_files(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "x.pt"
    torch.save(ulip_clip(7, 5, 6), path)
    path.write_bytes(path.read_bytes()[:-3000] if content is None else content)
    with pytest.raises(WorkerError, match=r"x\.pt") as caught:
        read_published(path, "x.pt")
    assert caught.value.reason is Reason.DATA_CORRUPT


def test_numbers_of_spaces_and_files() -> None:
    file = PublishedFile("x", freebind_mode(4, 4, 0))
    for spaces in (["a"], ["a", "a"], ["a", "b", "c"]):
        with pytest.raises(WorkerError, match="two different ones"):
            heads_of("freebind", spaces, [file])
    with pytest.raises(WorkerError, match="found 2 files"):
        heads_of("freebind", ["a", "b"], [file, file])
    with pytest.raises(WorkerError, match="no layout named 'threed'") as caught:
        heads_of("threed", ["a", "b"], [file])
    assert caught.value.known_names[0] == "three-d"


def test_only_the_layouts_own_heads_are_written() -> None:
    def side(space: str, preset: str) -> SideHead:
        spec = HeadSpec(preset=preset, input_dim=4, output_dim=4)
        return SideHead(space=space, spec=spec, head=initial_head(spec, "default", 0))

    sides = [side("a", "three-d"), side("b", "audio-visual")]
    with pytest.raises(WorkerError, match="the head of b is audio-visual") as caught:
        files_of("three-d", ["a", "b"], sides)
    assert caught.value.reason is Reason.CONFIG_INVALID
    assert "safetensors" in caught.value.remedy
    with pytest.raises(WorkerError, match="no space named 'c'"):
        files_of("three-d", ["a", "c"], sides)


def test_published_heads_are_not_trained() -> None:
    for part in {part.head for layout in LAYOUTS.values() for part in layout.parts} - set(HEADS):
        with pytest.raises(WorkerError, match="comes trained"):
            initial_head(HeadSpec(preset=part, input_dim=4, output_dim=4), "default", 0)
