from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from clap_checks import Remembering, Transformers, silence
from encoder_checks import (
    CPU,
    TOLERANCE,
    assert_description_is_what_is_loaded,
    assert_frozen,
    assert_matches_library,
    assert_same_directions,
    refused,
)
from hashed_values import noise
from safetensors.torch import load_file, save_file
from tiny_clap import TEXTS, ClapModel, clips, write_clap, write_tokenizer
from tiny_huggingface import edit_json

from cmcr_worker.encoders import clap_preparation
from cmcr_worker.encoders.clap_encoder import ClapEncoder
from cmcr_worker.encoders.clap_preparation import ClapSound
from cmcr_worker.encoders.huggingface_clap import HuggingFaceClapProvider
from cmcr_worker.encoders.protocol import encode
from cmcr_worker.errors import Reason

provider = HuggingFaceClapProvider()
FUSION = [True, False]
NAMES = ["fused", "unfused"]
CLIPS = [*clips(63), silence()]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Path]:
    root = tmp_path_factory.mktemp("clap")
    return {fusion: write_clap(root / str(fusion), fusion=fusion) for fusion in FUSION}


def load(folder: Path, **options: object) -> ClapEncoder:
    return provider.load("", folder, options, CPU)


def sound_of(encoder: ClapEncoder) -> ClapSound:
    found = encoder.preparation("audio")
    assert isinstance(found, ClapSound)
    return found


def marks_given(encoder: ClapEncoder) -> list[Any]:
    """The `is_longer` of every later forward pass."""
    given: list[Any] = []
    tower: Any = encoder.module.audio_model
    tower.register_forward_pre_hook(lambda *call: given.append(call[2]["is_longer"]), with_kwargs=True)
    return given


@pytest.mark.parametrize("fusion", FUSION, ids=NAMES)
def test_sounds_are_transformers_in_every_batch_size(folders: dict[bool, Path], fusion: bool) -> None:
    library = Transformers(folders[fusion])
    assert_matches_library(Remembering(load(folders[fusion])), "audio", CLIPS, library.audio)  # type: ignore[arg-type]


def test_texts_are_transformers_filled_to_77_tokens(folders: dict[bool, Path]) -> None:
    encoder, library = load(folders[True]), Transformers(folders[True])
    texts = TEXTS * 13
    single = torch.cat([encode(encoder, "text", [text]) for text in TEXTS])
    assert (single @ single.T).min().item() < 0.9
    for size in (1, 2, 7, 64):
        for start in range(0, 64, size):
            batch = texts[start : start + size]
            found = encode(encoder, "text", batch)
            assert_same_directions(found, library.text(batch))
            rows = [TEXTS.index(text) for text in batch]
            assert (found - single[rows]).abs().max().item() <= 1e-5


def test_texts_are_cut_at_77_tokens_and_filled_ones_are_masked(folders: dict[bool, Path]) -> None:
    encoder = load(folders[True])
    given: list[torch.Tensor] = []
    tower: Any = encoder.module.text_model
    tower.register_forward_pre_hook(lambda *call: given.append(call[2]["input_ids"]), with_kwargs=True)
    long = "x" * 500
    found = encode(encoder, "text", [long, "x" * 75, "x"])
    assert given[0].shape == (3, 77)
    assert given[0][0, [0, -1]].tolist() == [0, 2], "the first and the last token stay"
    torch.testing.assert_close(found[0], found[1], atol=1e-6, rtol=0)
    assert given[0][2, 3:].unique().tolist() == [1]
    torch.testing.assert_close(encode(encoder, "text", ["x"])[0], found[2], atol=1e-6, rtol=0)


def test_no_clip_is_marked_as_longer_where_none_is(folders: dict[bool, Path]) -> None:
    encoder, library = load(folders[True]), Transformers(folders[True])
    # The feature extractor marks one at random, and that changes its embedding.
    marked = library.extractor([clip.samples[:, 0] for clip in CLIPS[:4]], sampling_rate=48_000)["is_longer"]
    assert sum(mark[0] for mark in marked) == 1
    changed = library.audio(CLIPS[:1], [True])
    assert (changed * library.audio(CLIPS[:1])).sum().item() < 0.999
    given = marks_given(encoder)
    for size in (1, 2, 5):
        encode(encoder, "audio", CLIPS[:size])
    assert [marks.tolist() for marks in given] == [[[False]] * size for size in (1, 2, 5)]


def test_longer_clips_are_marked_by_their_own_length_among_others(
    folders: dict[bool, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder, library = load(folders[True]), Transformers(folders[True])
    batch = [CLIPS[4], noise("long a", 600_000), noise("corner", 480_001), CLIPS[3], noise("long b", 500_000)]
    longer = [False, True, False, False, True]
    given = marks_given(encoder)
    found = encode(encoder, "audio", batch)
    assert given[0][:, 0].tolist() == longer
    single = torch.cat([encode(encoder, "audio", [clip]) for clip in batch])
    assert (found - single).abs().max().item() <= 1e-5
    shuffled = encode(encoder, "audio", batch[::-1]).flip(0)
    assert (found - shuffled).abs().max().item() <= 1e-5
    # Against transformers, both with the beginning of each third.
    monkeypatch.setattr(np.random, "choice", lambda places: places[0])
    monkeypatch.setattr(clap_preparation, "draws", lambda *_: (0, 0, 0))
    fixed = encode(encoder, "audio", batch)
    assert_same_directions(fixed, library.audio(batch, longer))
    assert (fixed[[0, 2, 3]] - found[[0, 2, 3]]).abs().max().item() <= 1e-5


def test_without_fusion_longer_clips_are_transformers_with_the_same_crop(
    folders: dict[bool, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder, library = load(folders[False]), Transformers(folders[False])
    batch = [noise("long a", 600_000), noise("corner", 480_001), CLIPS[3]]
    seeded = encode(encoder, "audio", batch)
    assert (seeded - encode(encoder, "audio", batch[::-1]).flip(0)).abs().max().item() <= 1e-5
    monkeypatch.setattr(np.random, "randint", lambda low, high: high - 1)
    monkeypatch.setattr(clap_preparation, "window_start", lambda offsets, _: offsets - 1)
    assert_same_directions(encode(encoder, "audio", batch), library.audio(batch))


@pytest.mark.parametrize("fusion", FUSION, ids=NAMES)
def test_the_seed_of_crops_decides_on_longer_clips_alone(folders: dict[bool, Path], fusion: bool) -> None:
    batch = [CLIPS[2], noise("long", 900_000)]
    first, again = (encode(load(folders[fusion]), "audio", batch) for _ in range(2))
    other = encode(load(folders[fusion], cropSeed=1), "audio", batch)
    torch.testing.assert_close(first, again, atol=0, rtol=0)
    torch.testing.assert_close(first[0], other[0], atol=0, rtol=0)
    assert (first[1] - other[1]).abs().max() > 1e-4
    described = [provider.describe("", folders[fusion], {"cropSeed": seed}).preprocessing for seed in (0, 1)]
    assert described[0] != described[1]


def test_filters_follow_from_the_truncation(folders: dict[bool, Path]) -> None:
    assert [sound_of(load(folders[fusion])).mel.scale for fusion in FUSION] == ["htk", "slaney"]


def test_the_lowest_frequency_is_50_unless_the_folder_says_another(tmp_path: Path) -> None:
    folder = write_clap(tmp_path, fusion=True)
    assert sound_of(load(folder)).mel.lowest_hertz == 50
    edit_json(folder / "preprocessor_config.json", frequency_min=None)
    assert sound_of(load(folder)).mel.lowest_hertz == 50
    edit_json(folder / "preprocessor_config.json", frequency_min=0)
    zero = load(folder)
    assert sound_of(zero).mel.lowest_hertz == 0
    assert_same_directions(encode(zero, "audio", CLIPS[:3]), Transformers(folder).audio(CLIPS[:3]))


@pytest.mark.parametrize("padding", ["repeat", "pad"])
def test_other_paddings(tmp_path: Path, padding: str) -> None:
    folder = write_clap(tmp_path, fusion=False, padding=padding)
    library = Transformers(folder)
    assert_same_directions(encode(load(folder), "audio", CLIPS[2:6]), library.audio(CLIPS[2:6]))


def test_settings_in_the_processors_own_file(tmp_path: Path, folders: dict[bool, Path]) -> None:
    folder = write_clap(tmp_path, fusion=True, nested=True)
    assert not (folder / "preprocessor_config.json").exists()
    assert sound_of(load(folder)) == sound_of(load(folders[True]))


@pytest.mark.parametrize("fusion", FUSION, ids=NAMES)
def test_encoder_is_frozen(folders: dict[bool, Path], fusion: bool) -> None:
    encoder = load(folders[fusion])
    assert_frozen(encoder, "audio", [*CLIPS[:3], noise("long", 490_000)])
    assert_frozen(encoder, "text", TEXTS)
    for modality in ("audio", "text"):
        assert encode(encoder, modality, []).shape == (0, 24)
        assert not encode(encoder, modality, (CLIPS if modality == "audio" else TEXTS)[:1]).is_inference()


def test_description_is_what_is_loaded_and_builds_nothing(
    folders: dict[bool, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = load(folders[True], dtype="bfloat16")
    before = torch.random.get_rng_state()
    load(folders[True])
    assert torch.equal(torch.random.get_rng_state(), before)
    monkeypatch.setattr(ClapModel, "__init__", lambda *_: pytest.fail("describing built the model"))
    described = provider.describe("", folders[True], {"dtype": "bfloat16"})
    assert_description_is_what_is_loaded(described, encoder)
    assert described.dimension == 24
    audio = described.preprocessing["audio"]
    assert isinstance(audio, dict)
    expected = {"sample_rate": 48_000, "window": 1024, "hop": 480, "bands": 64, "lowest_hertz": 50.0}
    expected |= {"highest_hertz": 14_000.0, "scale": "htk", "truncation": "fusion", "length": 480_000}
    assert {key: audio[key] for key in expected} == expected


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("fusion", FUSION, ids=NAMES)
def test_16_bits_with_batch_normalisation_in_float32(
    folders: dict[bool, Path], fusion: bool, dtype: str
) -> None:
    encoder, exact = load(folders[fusion], dtype=dtype), load(folders[fusion])
    types = {
        (isinstance(part, torch.nn.BatchNorm2d), tensor.dtype)
        for part in encoder.module.modules()
        for tensor in (*part.parameters(recurse=False), *part.buffers(recurse=False))
        if tensor.is_floating_point()
    }
    assert types == {(True, torch.float32), (False, getattr(torch, dtype))}
    batch = [*CLIPS[:4], noise("long", 700_000)]
    for modality, items in (("audio", batch), ("text", TEXTS)):
        found = encode(encoder, modality, items)
        assert_same_directions(found, encode(exact, modality, items), TOLERANCE[dtype])
    assert encoder.compute_dtype == dtype


@pytest.mark.cuda
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("fusion", FUSION, ids=NAMES)
def test_devices_agree(folders: dict[bool, Path], fusion: bool, dtype: str) -> None:
    on_gpu = provider.load("", folders[fusion], {"dtype": dtype}, torch.device("cuda"))
    batch = [*CLIPS, noise("long", 700_000)]
    for modality, items in (("audio", batch), ("text", TEXTS)):
        expected = encode(load(folders[fusion]), modality, items)
        assert_same_directions(encode(on_gpu, modality, items), expected, TOLERANCE.get(dtype, 0.99999))


def test_folders_that_are_no_clap(tmp_path: Path, folders: dict[bool, Path]) -> None:
    def describe() -> object:
        return provider.describe("", tmp_path, {})

    refused(
        Reason.CHECKPOINT_MISSING, lambda: provider.describe("", None, {}), "neither a model nor a checkpoint"
    )
    refused(Reason.CHECKPOINT_MISSING, lambda: provider.describe("", tmp_path / "none", {}), "no folder")
    refused(Reason.CHECKPOINT_MISSING, describe, "config.json")
    (tmp_path / "config.json").write_text('{"model_type": "clip"}')
    refused(Reason.CONFIG_INVALID, describe, "'clip'", "not a CLAP")
    (tmp_path / "config.json").write_text((folders[True] / "config.json").read_text())
    refused(Reason.CHECKPOINT_MISSING, describe, "preprocessor_config.json")
    (tmp_path / "preprocessor_config.json").write_text("{}")
    refused(Reason.CHECKPOINT_MISSING, describe, "no weights")


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"truncation": "fusion"}, "no fusion"),
        ({"truncation": "middle"}, "fusion, rand_trunc"),
        ({"feature_size": 32}, "feature_size"),
        ({"padding": "mirror"}, "repeatpad"),
        ({"max_length_s": 30}, "max_length_s"),
        ({"frequency_max": 30_000}, "frequency_max"),
        ({"hop_length": "480"}, "hop_length"),
        ({"sampling_rate": 0.5}, "sampling_rate"),
    ],
)
def test_settings_that_do_not_fit(tmp_path: Path, changes: dict[str, object], named: str) -> None:
    folder = write_clap(tmp_path, fusion=False)
    edit_json(folder / "preprocessor_config.json", **changes)
    refused(Reason.DATA_CORRUPT, lambda: provider.describe("", folder, {}), named, "preprocessor_config.json")


def test_weights_that_are_not_the_models(tmp_path: Path, folders: dict[bool, Path]) -> None:
    folder = write_clap(tmp_path, fusion=False)
    weights = (folders[True] / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(weights)
    refused(Reason.SHAPE_MISMATCH, lambda: load(folder), "audio_model.audio_encoder.patch_embed.fusion_model")


def test_positions_may_be_in_the_file_or_not(tmp_path: Path, folders: dict[bool, Path]) -> None:
    folder = write_clap(tmp_path, fusion=True)
    weights = load_file(folder / "model.safetensors")
    counted = [name for name in weights if name.endswith(("position_ids", "token_type_ids"))]
    assert len(counted) == 2
    for name in counted:
        del weights[name]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    for modality, items in (("audio", CLIPS[:2]), ("text", TEXTS)):
        expected = encode(load(folders[True]), modality, items)
        torch.testing.assert_close(encode(load(folder), modality, items), expected, atol=0, rtol=0)


def test_tokenizers_that_are_not_the_models(tmp_path: Path) -> None:
    folder = write_clap(tmp_path, fusion=False)
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer_config.json").unlink()
    refused(Reason.CHECKPOINT_MISSING, lambda: load(folder), "tokenizer")
    write_tokenizer(folder / "other")
    for name in ("vocab.json", "merges.txt"):
        content = (folder / "other" / name).read_text()
        (folder / name).write_text(content.replace('"<mask>": 264', '"<mask>": 264, "extra": 265'))
    refused(Reason.CONFIG_INVALID, lambda: load(folder), "266 tokens", "265")


@pytest.mark.parametrize(
    "options", [{"precision": "half"}, {"dtype": "int8"}, {"cropSeed": -1}, {"cropSeed": "1"}]
)
def test_wrong_options(folders: dict[bool, Path], options: dict[str, object]) -> None:
    reason = Reason.UNKNOWN_NAME if "precision" in options else Reason.CONFIG_INVALID
    refused(reason, lambda: provider.describe("", folders[True], options), next(iter(options)))


def test_wrong_items(folders: dict[bool, Path]) -> None:
    fused, unfused = load(folders[True]), load(folders[False])
    four = np.zeros((4, 1001, 64), np.float32)
    for item in (four[:3], four[0, :1000], four.astype(np.float64), "text"):
        refused(Reason.CONFIG_INVALID, lambda: fused.embed("audio", [four[0], item]), "item 1")  # noqa: B023
    refused(Reason.CONFIG_INVALID, lambda: unfused.embed("audio", [four]), "item 0")
    refused(Reason.CONFIG_INVALID, lambda: fused.embed("text", ["a", four]), "row 1")
    refused(Reason.UNKNOWN_NAME, lambda: fused.embed("image", []), "image")
    refused(Reason.DATA_CORRUPT, lambda: encode(fused, "audio", [silence(0)]), "no samples")
