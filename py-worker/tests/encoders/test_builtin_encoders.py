import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from cmcr_worker.decoding.audio import AudioClip
from cmcr_worker.decoding.media import Media
from cmcr_worker.decoding.pointcloud import PointCloud
from cmcr_worker.encoders.builtin.models import MODELS
from cmcr_worker.encoders.builtin.provider import BuiltinProvider
from cmcr_worker.encoders.builtin.weights import SHIPPED, file_name
from cmcr_worker.encoders.protocol import encode
from cmcr_worker.encoders.registry import PROVIDERS, provider
from cmcr_worker.errors import Reason, WorkerError
from cmcr_worker.generators.registry import generator

CPU = torch.device("cpu")
builtin = BuiltinProvider()
scenes, things = generator("scenes"), generator("things")
ENCODERS = {model: builtin.load(model, None, {}, CPU) for model in MODELS}
CASES = [(model, modality) for model in MODELS for modality in sorted(MODELS[model].towers)]
WORLDS = {"scenes": 3, "things": 2}
"""How many models each world has."""


def items(modality: str, count: int, world: str = "scenes") -> list[Media]:
    return generator(world).render(modality, "images", 1, range(count))


def items_of(model: str, modality: str, count: int) -> list[Media]:
    return items(modality, count, model.split("-")[0])


def state_sha256(model: str) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(ENCODERS[model].module.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()


def test_registry() -> None:
    assert isinstance(provider("builtin"), BuiltinProvider)
    with pytest.raises(WorkerError) as raised:
        provider("builtins")
    assert raised.value.reason is Reason.UNKNOWN_NAME
    assert set(raised.value.known_names) == set(PROVIDERS)


@pytest.mark.parametrize("model", sorted(MODELS))
def test_description_is_what_is_loaded(model: str) -> None:
    description, encoder = builtin.describe(model, None, {}), ENCODERS[model]
    content = (SHIPPED / file_name(model)).read_bytes()
    assert description.weights_sha256 == encoder.weights_sha256 == hashlib.sha256(content).hexdigest()
    assert description.dimension == encoder.dimension == MODELS[model].dimension
    assert description.modalities == encoder.modalities == set(MODELS[model].towers)
    assert description.revision == encoder.revision
    assert description.compute_dtype == encoder.compute_dtype == "float32"


def test_shipped_weights_are_small_and_those_recorded() -> None:
    for world, models in WORLDS.items():
        sizes = [path.stat().st_size for path in SHIPPED.glob(f"{world}-*.safetensors")]
        assert len(sizes) == models
        assert sum(sizes) < 2_000_000
    assert {model: builtin.describe(model, None, {}).weights_sha256[:16] for model in MODELS} == {
        "scenes-image-text": "89de5643b183c7ab",
        "scenes-audio-text": "64f967f7e3e05fbb",
        "scenes-two-languages": "9619b0983055eeb1",
        "things-image-text": "7fa68e0824ae2f15",
        "things-cloud-image": "3c7e59022c721494",
    }


@pytest.mark.parametrize(("model", "modality"), CASES)
def test_rows_are_normalised_and_independent_of_the_batch(model: str, modality: str) -> None:
    batch = items_of(model, modality, 300)
    whole = encode(ENCODERS[model], modality, batch)
    assert whole.shape == (300, MODELS[model].dimension)
    assert whole.dtype == torch.float32
    torch.testing.assert_close(whole.norm(dim=1), torch.ones(300))
    single = torch.cat([encode(ENCODERS[model], modality, [item]) for item in batch[:20]])
    torch.testing.assert_close(whole[:20], single, atol=1e-5, rtol=0)
    backwards = encode(ENCODERS[model], modality, batch[::-1]).flip(0)
    torch.testing.assert_close(whole, backwards, atol=1e-5, rtol=0)
    torch.testing.assert_close(whole, encode(ENCODERS[model], modality, batch), atol=0, rtol=0)


@pytest.mark.parametrize(("model", "modality"), CASES)
def test_no_items(model: str, modality: str) -> None:
    assert encode(ENCODERS[model], modality, []).shape == (0, MODELS[model].dimension)


@pytest.mark.parametrize(("model", "modality"), CASES)
def test_encoders_are_frozen(model: str, modality: str) -> None:
    before = state_sha256(model)
    embeddings = encode(ENCODERS[model], modality, items_of(model, modality, 8))
    module = ENCODERS[model].module
    assert not embeddings.requires_grad
    assert not embeddings.is_inference(), "projectors could not be trained on it"
    assert not any(parameter.requires_grad for parameter in module.parameters())
    assert not any(part.training for part in module.modules() if part is not module)
    assert state_sha256(model) == before
    assert torch.is_grad_enabled()


@pytest.mark.parametrize(
    ("model", "modality"), [("scenes-image-text", "image"), ("scenes-audio-text", "audio")]
)
def test_items_find_their_plain_phrase(model: str, modality: str) -> None:
    # Of 200 phrases that name every attribute of combinations never trained on.
    embeddings = encode(ENCODERS[model], modality, scenes.render(modality, "test", 0, range(200)))
    phrases = encode(ENCODERS[model], "text", scenes.captions("test", 0, range(200)))
    ranks = (embeddings @ phrases.T >= (embeddings * phrases).sum(dim=1, keepdim=True)).sum(dim=1)
    assert (ranks <= 5).float().mean() > 0.75


def test_texts_of_two_languages_find_each_other() -> None:
    # Among 1000 combinations never trained on; by chance one in a hundred would be among the ten nearest.
    encoder, rows = ENCODERS["scenes-two-languages"], range(1000)
    foreign, english = (
        encode(encoder, "text", scenes.render("text", split, 0, rows)) for split in ("foreign-test", "test")
    )
    for found, there in ((foreign, english), (english, foreign)):
        ranks = (found @ there.T >= (found * there).sum(dim=1, keepdim=True) - 1e-6).sum(dim=1)
        assert (ranks <= 1).float().mean() > 0.3
        assert (ranks <= 10).float().mean() > 0.75


def test_the_order_of_words_counts_where_two_languages_are_known() -> None:
    # A text in words that both encoders know; a mean of words is the same either way.
    text = str(scenes.render("text", "test", 0, [0])[0])
    turned = " ".join(reversed(text.split()))
    same, other = encode(ENCODERS["scenes-two-languages"], "text", [text, turned])
    assert same @ other < 0.999
    blind = encode(ENCODERS["scenes-image-text"], "text", [text, turned])
    torch.testing.assert_close(blind[0], blind[1])


def test_who_knows_english_alone_learns_nothing_from_the_second_language() -> None:
    texts = scenes.render("text", "foreign-test", 0, range(200))
    embeddings = encode(ENCODERS["scenes-image-text"], "text", texts)
    torch.testing.assert_close(embeddings, embeddings[:1].expand(200, -1))


def test_things_find_their_plain_phrase_and_clouds_their_image() -> None:
    # Of the 120 combinations of the validation split, which no training saw.
    words, solids = ENCODERS["things-image-text"], ENCODERS["things-cloud-image"]
    rows = range(120)
    images, clouds = (things.render(modality, "validation", 0, rows) for modality in ("image", "pointcloud"))
    described = encode(words, "text", things.captions("validation", 0, rows))
    for found, there in (
        (encode(words, "image", images), described),
        (encode(solids, "pointcloud", clouds), encode(solids, "image", images)),
    ):
        ranks = (found @ there.T >= (found * there).sum(dim=1, keepdim=True)).sum(dim=1)
        assert (ranks <= 5).float().mean() > 0.75


def test_a_turn_about_the_vertical_changes_a_cloud_little() -> None:
    encoder = ENCODERS["things-cloud-image"]
    clouds = [cloud for cloud in items("pointcloud", 50, "things") if isinstance(cloud, PointCloud)]
    upright = encode(encoder, "pointcloud", clouds)
    quarter = np.array([-1, 1, 1], np.float32)
    turned = encode(encoder, "pointcloud", [PointCloud(c.xyz[:, [1, 0, 2]] * quarter) for c in clouds])
    tipped = encode(encoder, "pointcloud", [PointCloud(c.xyz[:, [2, 0, 1]]) for c in clouds])
    assert (upright * turned).sum(dim=1).mean() > 0.85
    assert (upright * tipped).sum(dim=1).mean() < 0.5


def test_any_cloud() -> None:
    encoder = ENCODERS["things-cloud-image"]
    cloud = items("pointcloud", 1, "things")[0]
    assert isinstance(cloud, PointCloud)
    whole = encode(encoder, "pointcloud", [cloud])
    # The order of the points says nothing, nor do points that are there twice, nor colours.
    for xyz in (cloud.xyz[::-1].copy(), np.repeat(cloud.xyz, 4, axis=0)):
        torch.testing.assert_close(encode(encoder, "pointcloud", [PointCloud(xyz)]), whole, atol=1e-5, rtol=0)
    coloured = PointCloud(cloud.xyz, rgb=np.zeros_like(cloud.xyz))
    torch.testing.assert_close(encode(encoder, "pointcloud", [coloured]), whole, atol=0, rtol=0)
    assert (encode(encoder, "pointcloud", [PointCloud(cloud.xyz[:100])]) * whole).sum() > 0.6
    # A thing of twice the size is another thing.
    assert (encode(encoder, "pointcloud", [PointCloud(cloud.xyz * np.float32(2))]) * whole).sum() < 0.95
    single = PointCloud(np.zeros((1, 3), np.float32))
    assert torch.isfinite(encode(encoder, "pointcloud", [single])).all()


def test_loading_draws_no_random_number() -> None:
    before = torch.random.get_rng_state()
    builtin.load("scenes-audio-text", None, {}, CPU)
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.cuda
@pytest.mark.parametrize(("model", "modality"), CASES)
def test_devices_agree(model: str, modality: str) -> None:
    batch = items_of(model, modality, 64)
    on_gpu = encode(builtin.load(model, None, {}, torch.device("cuda")), modality, batch)
    torch.testing.assert_close(on_gpu, encode(ENCODERS[model], modality, batch), atol=1e-4, rtol=0)


def test_any_text() -> None:
    texts: Sequence[Media] = ["", "   ", "?!", "ein Grünes Dreieck 三角", "word " * 500, "RED ring"]
    for encoder in (encoder for encoder in ENCODERS.values() if "text" in encoder.modalities):
        embeddings = encode(encoder, "text", texts)
        assert torch.isfinite(embeddings).all()
        torch.testing.assert_close(embeddings[5:], encode(encoder, "text", ["red, ring!"]))
        # A text without words, and one with none that is known, are the same.
        torch.testing.assert_close(embeddings[:1], encode(encoder, "text", ["xyzzy"]))


def test_any_image() -> None:
    encoder = ENCODERS["scenes-image-text"]
    image = items("image", 1)[0]
    assert isinstance(image, np.ndarray)
    larger = np.repeat(np.repeat(image, 5, axis=0), 5, axis=1)
    same = encode(encoder, "image", [image, larger])
    assert same[0] @ same[1] > 0.95
    odd = np.random.default_rng(0).integers(0, 256, (1, 700, 3), dtype=np.uint8)
    assert torch.isfinite(encode(encoder, "image", [odd])).all()


def test_any_sound() -> None:
    encoder = ENCODERS["scenes-audio-text"]
    clip = items("audio", 1)[0]
    assert isinstance(clip, AudioClip)
    time = np.arange(len(clip.samples)) / clip.sample_rate
    finer = np.arange(2 * len(clip.samples)) / (2 * clip.sample_rate)
    resampled = np.stack([np.interp(finer, time, channel) for channel in clip.samples.T], axis=1)
    same = encode(encoder, "audio", [clip, AudioClip(resampled.astype(np.float32), 16_000)])
    assert same[0] @ same[1] > 0.9
    odd = [
        AudioClip(np.zeros((0, 1), np.float32), 8000),
        AudioClip(np.zeros((10, 2), np.float32), 8000),
        AudioClip(np.random.default_rng(0).normal(0, 0.1, (100_000, 6)).astype(np.float32), 44_100),
    ]
    assert torch.isfinite(encode(encoder, "audio", odd)).all()


def test_longer_sounds_are_cut_to_their_middle() -> None:
    encoder = ENCODERS["scenes-audio-text"]
    clip = items("audio", 1)[0]
    assert isinstance(clip, AudioClip)
    silence = np.zeros((4000, 2), np.float32)
    longer = AudioClip(np.concatenate([silence, clip.samples, silence]), clip.sample_rate)
    torch.testing.assert_close(encode(encoder, "audio", [longer]), encode(encoder, "audio", [clip]))


@pytest.mark.parametrize(
    ("model", "modality", "item"),
    [
        ("scenes-image-text", "text", np.zeros((2, 2, 3), np.uint8)),
        ("scenes-image-text", "image", "a picture"),
        ("scenes-image-text", "image", np.zeros((2, 2, 4), np.uint8)),
        ("scenes-image-text", "image", np.zeros((2, 2, 3), np.float32)),
        ("scenes-audio-text", "audio", np.zeros((2, 2, 3), np.uint8)),
        ("things-cloud-image", "pointcloud", np.zeros((2, 3), np.float32)),
        ("things-cloud-image", "pointcloud", PointCloud(np.zeros((0, 3), np.float32))),
    ],
)
def test_items_of_another_modality(model: str, modality: str, item: Media) -> None:
    with pytest.raises(WorkerError, match="item 0") as raised:
        encode(ENCODERS[model], modality, [item])
    assert raised.value.reason is Reason.CONFIG_INVALID


def test_modality_that_the_model_lacks() -> None:
    with pytest.raises(WorkerError) as raised:
        encode(ENCODERS["scenes-image-text"], "audio", [])
    assert raised.value.reason is Reason.UNKNOWN_NAME
    assert set(raised.value.known_names) == {"image", "text"}


def test_unknown_model_and_options(tmp_path: Path) -> None:
    with pytest.raises(WorkerError) as raised:
        builtin.describe("scenes-image-txt", None, {})
    assert raised.value.reason is Reason.UNKNOWN_NAME
    assert raised.value.known_names[0] == "scenes-image-text"
    with pytest.raises(WorkerError, match="no option 'precision'") as raised:
        builtin.load("scenes-image-text", None, {"precision": "half"}, CPU)
    assert raised.value.reason is Reason.CONFIG_INVALID
