import argparse
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from clap_checks import Remembering, silence
from encoder_checks import (
    BATCH_SIZES,
    CPU,
    TOLERANCE,
    assert_description_is_what_is_loaded,
    assert_frozen,
    assert_same_directions,
    refused,
)
from hashed_values import noise
from laion_golden import AUDIO, LAYOUTS, SAMPLES, TEXT, TOKENS
from tiny_clap import TEXTS, ClapConfig, ClapModel, Original, clips, write_original, write_tokenizer

from cmcr_worker.encoders import clap_preparation
from cmcr_worker.encoders.clap_encoder import ClapEncoder
from cmcr_worker.encoders.clap_filters import mel_filters
from cmcr_worker.encoders.clap_preparation import ClapSound
from cmcr_worker.encoders.laion_clap import MODELS, LaionClapProvider
from cmcr_worker.encoders.laion_clap_keys import converted
from cmcr_worker.encoders.laion_clap_layout import clap_layout
from cmcr_worker.encoders.protocol import encode
from cmcr_worker.errors import Reason

provider = LaionClapProvider()
FUSION = [True, False]
NAMES = ["fusion", "no fusion"]
GOLDEN = [noise(name, samples) for name, samples in SAMPLES.items()]
PUBLISHED = {"classes": 527, "joint": 512, "vocabulary": 50_265, "text_layers": 12, "text_inner": 3072}
PUBLISHED |= {"positions": 514}
SIZES: dict[str, dict[str, Any]] = {
    "HTSAT-tiny": {"width": 96, "depths": (2, 2, 6, 2), "heads": (4, 8, 16, 32), **PUBLISHED},
    "HTSAT-base": {"width": 128, "depths": (2, 2, 12, 2), "heads": (4, 8, 16, 32), **PUBLISHED},
    "small": {},
}
STFT = "audio_branch.spectrogram_extractor.stft."
MEL = "audio_branch.logmel_extractor.melW"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[Any, Path]:
    root = tmp_path_factory.mktemp("laion")
    made: dict[Any, Path] = {
        fusion: write_original(root / f"{fusion}.pt", Original(fusion)) for fusion in FUSION
    }
    return {**made, "tokenizer": write_tokenizer(root / "tokenizer")}


def load(files: dict[Any, Path], fusion: bool, **options: object) -> ClapEncoder:
    return provider.load("", files[fusion], {"tokenizer": str(files["tokenizer"]), **options}, CPU)


def load_file(path: Path) -> ClapEncoder:
    return provider.load("", path, {"tokenizer": "none"}, CPU)


def mel(scale: str, rate: int, lowest: float, highest: float) -> torch.Tensor:
    return torch.from_numpy(mel_filters(scale, 64, 1024, rate, lowest, highest).astype("float32"))


@pytest.mark.parametrize(("size", "fusion"), LAYOUTS)
def test_layouts_are_the_originals_and_convert_without_a_rest(size: str, fusion: bool) -> None:
    original = Original(fusion, **SIZES[size])
    assert original.layout_sha256() == LAYOUTS[size, fusion]
    shapes = {name.removeprefix("module."): shape for name, shape in original.shapes().items()}
    state = {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}
    layout = clap_layout(state, "the checkpoint")
    if size != "small":
        assert layout.name == f"{size} {'with' if fusion else 'without'} fusion"
        assert layout.config()["text_config"]["num_attention_heads"] == 12
    config = ClapConfig(**layout.config())
    with torch.device("meta"):
        needed = ClapModel(config).state_dict()
    assert converted(state, needed, layout, "x.pt").keys() == needed.keys()


@pytest.mark.parametrize("fusion", FUSION, ids=NAMES)
def test_sounds_have_the_originals_embeddings(
    files: dict[Any, Path], fusion: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clap_preparation, "draws", lambda *_: (0, 0, 0))
    encoder = load(files, fusion)
    expected = torch.tensor(list(AUDIO[fusion].values()))
    found = encode(encoder, "audio", GOLDEN)
    assert_same_directions(found, expected, 0.999999)
    torch.testing.assert_close(found, expected, atol=2e-5, rtol=0)
    # The four differ by far more than that: a wrong path would be seen.
    assert (expected[:, None] - expected[None]).abs().amax(2).add(torch.eye(4)).min() > 1e-3


def test_texts_have_the_originals_embeddings(files: dict[Any, Path]) -> None:
    encoder: Any = load(files, True)

    class Tokenizer:
        def __call__(self, texts: list[str], **_: object) -> dict[str, torch.Tensor]:
            tokens = torch.tensor([TOKENS] * len(texts))
            return {"input_ids": tokens, "attention_mask": torch.ones_like(tokens)}

    encoder._tokenizer = Tokenizer()
    torch.testing.assert_close(encode(encoder, "text", ["x"])[0], torch.tensor(TEXT), atol=2e-5, rtol=0)


@pytest.mark.parametrize("fusion", FUSION, ids=NAMES)
def test_rows_do_not_depend_on_the_batch(files: dict[Any, Path], fusion: bool) -> None:
    encoder: Any = Remembering(load(files, fusion))
    items = [*clips(8), silence(), noise("long", 600_000), *clips(5)]
    for modality, batch in (("audio", items), ("text", TEXTS)):
        single = torch.cat([encode(encoder, modality, [item]) for item in batch])
        assert (single @ single.T).min() < 0.9
        for size in BATCH_SIZES[1:]:
            rows = torch.cat(
                [encode(encoder, modality, batch[at : at + size]) for at in range(0, len(batch), size)]
            )
            assert (rows - single).abs().max().item() <= 1e-5


@pytest.mark.parametrize("fusion", FUSION, ids=NAMES)
def test_preparation_follows_from_the_weights(files: dict[Any, Path], fusion: bool) -> None:
    sound = load(files, fusion, cropSeed=3).preparation("audio")
    assert isinstance(sound, ClapSound)
    assert (sound.mel.scale, sound.truncation) == (("htk", "fusion") if fusion else ("slaney", "rand_trunc"))
    assert (sound.mel.lowest_hertz, sound.mel.highest_hertz, sound.mel.hop) == (50.0, 14_000.0, 480)
    assert (sound.length, sound.padding, sound.crop_seed) == (480_000, "repeatpad", 3)


def test_roberta_is_robertas() -> None:
    # ClapTextConfig's own epsilon is 1e-12, that of roberta-base is 1e-5.
    state = {name.removeprefix("module."): value for name, value in Original(True).state().items()}
    text = clap_layout(state, "").config()["text_config"]
    assert (text["layer_norm_eps"], text["pad_token_id"], text["hidden_act"]) == (1e-5, 1, "gelu")
    assert (text["num_attention_heads"], text["max_position_embeddings"]) == (12, 90)


def test_a_checkpoint_without_prefix_and_without_positions_is_the_same(
    files: dict[Any, Path], tmp_path: Path
) -> None:
    state = {name.removeprefix("module."): value for name, value in Original(True).state().items()}
    del state["text_branch.embeddings.position_ids"]
    torch.save(state, tmp_path / "plain.pt")
    options = {"tokenizer": str(files["tokenizer"])}
    plain = provider.load("", tmp_path / "plain.pt", options, CPU)
    for modality, items in (("audio", GOLDEN[:2]), ("text", TEXTS)):
        expected = encode(load(files, True), modality, items)
        torch.testing.assert_close(encode(plain, modality, items), expected, atol=0, rtol=0)


@pytest.mark.parametrize("fusion", FUSION, ids=NAMES)
@pytest.mark.parametrize(
    "name",
    [
        "logit_scale_a",
        "audio_branch.bn0.running_var",
        "audio_branch.layers.1.blocks.1.attn.qkv.bias",
        "audio_branch.layers.0.blocks.1.attn_mask",
        "audio_branch.layers.0.downsample.norm.weight",
        "audio_branch.tscam_conv.weight",
        f"{STFT}conv_imag.weight",
        MEL,
        "text_branch.pooler.dense.weight",
        "text_transform.sequential.3.bias",
        "audio_projection.2.weight",
    ],
)
def test_a_missing_weight_names_itself(tmp_path: Path, fusion: bool, name: str) -> None:
    path = write_original(tmp_path / "x.pt", Original(fusion), **{name: None})
    refused(Reason.SHAPE_MISMATCH, lambda: load_file(path), f"missing: {name}", str(path), "CLAP of LAION")


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("audio_branch.layers.1.blocks.1.attn.qkv.weight", (48, 15)),
        ("audio_branch.norm.weight", (63,)),
        ("text_projection.0.bias", (17,)),
        ("audio_transform.sequential.0.weight", (16, 8)),
        (f"{STFT}conv_imag.weight", (513, 1024)),
        ("text_branch.embeddings.position_ids", (1, 91)),
    ],
)
def test_a_weight_of_another_shape_names_itself(tmp_path: Path, name: str, shape: tuple[int, ...]) -> None:
    path = write_original(tmp_path / "x.pt", Original(False), **{name: torch.zeros(shape)})
    refused(Reason.SHAPE_MISMATCH, lambda: load_file(path), "of another shape", f"{name} {shape} for")


@pytest.mark.parametrize(
    "name", ["audio_branch.bn0.scale", "text_branch.encoder.layer.0.adapter.weight", "prompt"]
)
def test_a_weight_too_many_names_itself(tmp_path: Path, name: str) -> None:
    path = write_original(tmp_path / "x.pt", Original(False), **{name: torch.zeros(3)})
    refused(Reason.SHAPE_MISMATCH, lambda: load_file(path), f"not the network's: {name}")


def test_fusion_is_whole_or_not_there(tmp_path: Path) -> None:
    start = "audio_branch.patch_embed.fusion_model.global_att.1."
    path = write_original(tmp_path / "x.pt", Original(True), **{f"{start}weight": None})
    refused(Reason.SHAPE_MISMATCH, lambda: load_file(path), f"missing: {start}weight")
    path = write_original(
        tmp_path / "y.pt", Original(True), **{"audio_branch.patch_embed.mel_conv2d.weight": None}
    )
    refused(Reason.SHAPE_MISMATCH, lambda: load_file(path), "not the network's: audio_branch.patch_embed")


@pytest.mark.parametrize(
    ("name", "change"),
    [
        (
            MEL,
            lambda _: mel("htk", 48_000, 50.0, 14_000.0),
        ),
        (
            MEL,
            lambda _: mel("slaney", 48_000, 0.0, 14_000.0),
        ),
        (
            MEL,
            lambda _: mel("slaney", 48_000, 50.0, 8_000.0),
        ),
        (
            MEL,
            lambda _: mel("slaney", 44_100, 50.0, 14_000.0),
        ),
        (f"{STFT}conv_real.weight", lambda value: value * 0.99),
        (f"{STFT}conv_imag.weight", lambda value: -value),
        ("audio_branch.layers.0.blocks.1.attn_mask", lambda value: value * 0),
        ("audio_branch.layers.1.blocks.1.attn_mask", lambda value: value.transpose(0, 1)),
    ],
)
@pytest.mark.parametrize("fusion", FUSION, ids=NAMES)
def test_constants_of_other_spectrograms_are_refused_by_name(
    tmp_path: Path, fusion: bool, name: str, change: Any
) -> None:
    original = Original(fusion)
    value = change(original.state()[f"module.{name}"])
    path = write_original(tmp_path / "x.pt", original, **{name: value})
    refused(Reason.DATA_CORRUPT, lambda: load_file(path), name)


def test_other_towers_are_told(tmp_path: Path) -> None:
    state = Original(False).state()
    pann = {name: value for name, value in state.items() if "patch_embed" not in name}
    bart = {name: value for name, value in state.items() if "word_embeddings" not in name}
    for name, found in (("patch_embed.proj.weight", pann), ("word_embeddings.weight", bart)):
        torch.save({"state_dict": found}, tmp_path / "x.pt")
        refused(Reason.SHAPE_MISMATCH, lambda: provider.describe("", tmp_path / "x.pt", {}), name, "RoBERTa")


class Evil:
    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self._path),)


def test_pickled_code_is_not_run_and_harmless_settings_are_read_over(
    tmp_path: Path, files: dict[Any, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    state = Original(True).state()
    evil = tmp_path / "made by the checkpoint"
    torch.save({"state_dict": state, "args": Evil(evil)}, tmp_path / "evil.pt")
    for call in (
        lambda: load_file(tmp_path / "evil.pt"),
        lambda: provider.describe("", tmp_path / "evil.pt", {}),
    ):
        refused(Reason.DATA_CORRUPT, call, "mkdir")
    assert not evil.exists()
    torch.save({"state_dict": state, "args": argparse.Namespace(lr=1e-4), "epoch": 3}, tmp_path / "kind.pt")
    # The layout is read before the weights, and refuses a file that the second reading never sees.
    reads: list[object] = []
    unpickle = torch.load

    def watched(*arguments: Any, **settings: Any) -> Any:
        reads.append(settings.get("weights_only"))
        return unpickle(*arguments, **settings)

    monkeypatch.setattr(torch, "load", watched)
    found = encode(load_file(tmp_path / "kind.pt"), "audio", GOLDEN[:1])
    assert reads == [True, True]
    torch.testing.assert_close(found, encode(load(files, True), "audio", GOLDEN[:1]), atol=0, rtol=0)


@pytest.mark.parametrize("fusion", FUSION, ids=NAMES)
def test_encoder_is_frozen_and_what_is_described(
    files: dict[Any, Path], fusion: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = torch.random.get_rng_state()
    encoder = load(files, fusion)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert_frozen(encoder, "audio", GOLDEN)
    assert_frozen(encoder, "text", TEXTS)
    monkeypatch.setattr(ClapModel, "__init__", lambda *_: pytest.fail("describing built the model"))
    described = provider.describe("", files[fusion], {"tokenizer": str(files["tokenizer"])})
    assert_description_is_what_is_loaded(described, encoder)
    assert described.dimension == 16


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("fusion", FUSION, ids=NAMES)
def test_16_bits(files: dict[Any, Path], fusion: bool, dtype: str) -> None:
    encoder, exact = load(files, fusion, dtype=dtype), load(files, fusion)
    for modality, items in (("audio", GOLDEN), ("text", TEXTS)):
        found = encode(encoder, modality, items)
        assert_same_directions(found, encode(exact, modality, items), TOLERANCE[dtype])


@pytest.mark.cuda
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("fusion", FUSION, ids=NAMES)
def test_devices_agree(files: dict[Any, Path], fusion: bool, dtype: str) -> None:
    options = {"tokenizer": str(files["tokenizer"]), "dtype": dtype}
    on_gpu = provider.load("", files[fusion], options, torch.device("cuda"))
    for modality, items in (("audio", [*GOLDEN, *clips(20)]), ("text", TEXTS)):
        expected = encode(load(files, fusion), modality, items)
        assert_same_directions(encode(on_gpu, modality, items), expected, TOLERANCE.get(dtype, 0.99999))


def test_tokenizers(files: dict[Any, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = load_file(files[True])
    assert alone.modalities == {"audio"}
    refused(Reason.UNKNOWN_NAME, lambda: encode(alone, "text", ["x"]), "text")
    assert set(provider.describe("", files[True], {"tokenizer": "none"}).preprocessing) == {"audio"}
    missing = str(tmp_path / "none")
    refused(Reason.CHECKPOINT_MISSING, lambda: load(files, True, tokenizer=missing), missing, "roberta-base")

    def offline(*_: object, **__: object) -> str:
        raise OSError("offline")

    monkeypatch.setattr("huggingface_hub.snapshot_download", offline)
    # The default tokenizer is missed by texts alone, another one by anybody.
    default = provider.load("", files[True], {}, CPU)
    assert default.modalities == {"audio", "text"}
    expected = encode(alone, "audio", GOLDEN[:1])
    torch.testing.assert_close(encode(default, "audio", GOLDEN[:1]), expected, atol=0, rtol=0)
    refused(
        Reason.CHECKPOINT_MISSING,
        lambda: encode(default, "text", ["x"]),
        "roberta-base at revision",
        "offline",
    )
    refused(Reason.CHECKPOINT_MISSING, lambda: load(files, True, tokenizer="someone/else"), "someone/else")
    called: list[Any] = []

    def download(name: str, revision: str, allow_patterns: list[str]) -> str:
        called.append((name, revision))
        return str(files["tokenizer"])

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    for option in ("roberta-base", "someone/else@v1.0"):
        assert load(files, True, tokenizer=option).modalities == {"audio", "text"}
    assert called == [("roberta-base", "main"), ("someone/else", "v1.0")]


def test_published_models(files: dict[Any, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert list(MODELS)[2] == "630k-fusion-best"
    options = {"tokenizer": "none", "revision": "abc"}
    write_original(tmp_path / "630k-fusion-best.pt", Original(True, width=96, heads=(4, 8, 16, 32)))
    asked: list[Any] = []

    def download(name: str, revision: str, allow_patterns: list[str]) -> str:
        asked.append((name, revision, allow_patterns))
        return str(tmp_path)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    assert provider.describe("630k-fusion-best", None, options).dimension == 16
    assert asked == [("lukewys/laion_clap", "abc", ["630k-fusion-best.pt"])]
    refused(Reason.CHECKPOINT_MISSING, lambda: provider.describe("630k-best", None, options), "630k-best.pt")
    refused(Reason.CHECKPOINT_MISSING, lambda: provider.describe("", None, options), "630k-fusion-best")
    refused(Reason.UNKNOWN_NAME, lambda: provider.describe("630k", None, options), "630k-best")
    refused(
        Reason.CONFIG_INVALID,
        lambda: provider.describe("630k-best", tmp_path / "630k-fusion-best.pt", options),
        "HTSAT-tiny with fusion",
        "630k-best is HTSAT-tiny without fusion",
    )


def test_wrong_options_and_files(files: dict[Any, Path], tmp_path: Path) -> None:
    refused(Reason.UNKNOWN_NAME, lambda: load(files, True, amodel="HTSAT-tiny"), "amodel")
    refused(Reason.CONFIG_INVALID, lambda: load(files, True, cropSeed=0.5), "cropSeed")
    refused(Reason.CHECKPOINT_MISSING, lambda: load_file(tmp_path / "none.pt"), "no checkpoint")
    (tmp_path / "empty.pt").touch()
    refused(Reason.DATA_CORRUPT, lambda: load_file(tmp_path / "empty.pt"), "empty")
    whole = files[True].read_bytes()
    (tmp_path / "cut.pt").write_bytes(whole[: len(whole) // 2])
    refused(Reason.DATA_CORRUPT, lambda: load_file(tmp_path / "cut.pt"), "cut.pt")
