"""Sentence encoders in transformers' format, against transformers used directly."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from encoder_checks import (
    CPU,
    TOLERANCE,
    assert_description_is_what_is_loaded,
    assert_frozen,
    assert_matches_library,
    assert_same_directions,
    refused,
)
from safetensors.torch import load_file, save_file
from text_library import TEXTS, Pool, TextLibrary, first, largest, last, mean
from tiny_huggingface import spread, word_tokenizer, write_bert, write_clip
from transformers import (
    BertForMaskedLM,
    DistilBertConfig,
    DistilBertModel,
    Qwen3Config,
    Qwen3Model,
    RobertaConfig,
    RobertaModel,
    T5Config,
    T5EncoderModel,
    T5Model,
)

from cmcr_worker.encoders.huggingface_text import HuggingFaceTextProvider
from cmcr_worker.encoders.protocol import encode
from cmcr_worker.encoders.registry import provider
from cmcr_worker.errors import Reason

TEXT = HuggingFaceTextProvider()


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bert(tmp_path_factory.mktemp("models") / "bert")


@pytest.fixture
def bert(original: Path, tmp_path: Path) -> Path:
    return shutil.copytree(original, tmp_path / "bert")


def load(folder: Path, **options: object) -> Any:
    return TEXT.load("", folder, options, CPU)


def test_it_is_registered() -> None:
    assert isinstance(provider("huggingface-text"), HuggingFaceTextProvider)


@pytest.mark.parametrize(
    ("pooling", "pool"), [("model", mean), ("mean", mean), ("cls", first), ("max", largest), ("last", last)]
)
def test_texts_as_transformers_has_them(original: Path, pooling: str, pool: Pool) -> None:
    assert_matches_library(load(original, pooling=pooling), "text", TEXTS, TextLibrary(original, pool).texts)


def test_description_and_frozen_weights(original: Path) -> None:
    encoder = load(original, dtype="bfloat16")
    description = TEXT.describe("", original, {"dtype": "bfloat16"})
    assert_description_is_what_is_loaded(description, encoder)
    assert (description.dimension, description.modalities) == (32, {"text"})
    assert_frozen(encoder, "text", TEXTS[:5])


@pytest.mark.parametrize("dtype", sorted(TOLERANCE))
def test_sixteen_bits(original: Path, dtype: str) -> None:
    found, expected = (
        encode(load(original, dtype=dtype), "text", TEXTS),
        encode(load(original), "text", TEXTS),
    )
    assert_same_directions(found, expected, TOLERANCE[dtype])
    assert (found - expected).abs().max() > 1e-6


@pytest.mark.cuda
@pytest.mark.parametrize("dtype", ["float32", *sorted(TOLERANCE)])
def test_parity_on_a_gpu(original: Path, dtype: str) -> None:
    there = TEXT.load("", original, {"dtype": dtype}, torch.device("cuda"))
    expected = encode(load(original), "text", TEXTS)
    assert_same_directions(encode(there, "text", TEXTS), expected, TOLERANCE.get(dtype, 0.99999))


def test_a_prefix_goes_before_every_text(original: Path) -> None:
    found = encode(load(original, prefix="the photo "), "text", ["a dog", "a cat"])
    expected = encode(load(original), "text", ["the photo a dog", "the photo a cat"])
    torch.testing.assert_close(found, expected, atol=0, rtol=0)
    assert (
        TEXT.describe("", original, {"prefix": "x"}).preprocessing
        != TEXT.describe("", original, {}).preprocessing
    )


def test_longer_texts_are_cut(original: Path) -> None:
    long = " ".join(["dog", "cat"] * 500)
    assert load(original).max_tokens == 40
    short = load(original, maxLength=6)
    assert short.tokens([long])["input_ids"].tolist() == [[3, 9, 10, 9, 10, 1]]
    assert_same_directions(encode(load(original), "text", [long]), TextLibrary(original, mean).texts([long]))
    refused(Reason.CONFIG_INVALID, lambda: load(original, maxLength=41), "40")


class TestOtherModels:
    def write(self, folder: Path, model: Any, **tokenizer: Any) -> Path:
        spread(model, 5)
        model.save_pretrained(folder)
        word_tokenizer(start="<s>", end="</s>", **tokenizer).save_pretrained(folder)
        return folder

    def test_roberta_has_fewer_positions_than_its_table(self, tmp_path: Path) -> None:
        sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1, "num_attention_heads": 4}
        config = RobertaConfig(vocab_size=24, max_position_embeddings=22, pad_token_id=0, **sizes)
        folder = self.write(tmp_path / "roberta", RobertaModel(config), model_max_length=512)
        encoder = load(folder)
        # Positions are counted from 1, after the padding's 0; at 22 tokens transformers fails.
        assert encoder.max_tokens == 21
        assert_same_directions(
            encode(encoder, "text", TEXTS), TextLibrary(folder, mean, max_length=21).texts(TEXTS)
        )

    def test_numbers_that_the_network_does_not_take_are_left_out(self, tmp_path: Path) -> None:
        config = DistilBertConfig(vocab_size=24, dim=32, hidden_dim=48, n_layers=1, n_heads=4)
        names = ["input_ids", "token_type_ids", "attention_mask"]
        folder = self.write(tmp_path / "distil", DistilBertModel(config), model_input_names=names)
        assert_same_directions(
            encode(load(folder), "text", TEXTS), TextLibrary(folder, mean, max_length=512).texts(TEXTS)
        )

    @pytest.mark.parametrize("side", ["left", "right"])
    def test_a_decoder_pools_its_last_token_on_either_side(self, tmp_path: Path, side: str) -> None:
        config = Qwen3Config(
            vocab_size=24, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, head_dim=8, max_position_embeddings=64,
        )  # fmt: skip
        folder = self.write(tmp_path / "qwen", Qwen3Model(config), padding_side=side)
        encoder = load(folder, pooling="last")
        library = TextLibrary(folder, lambda states, mask: states[:, -1], max_length=64)
        single = torch.cat([encode(encoder, "text", [text]) for text in TEXTS])
        alone = torch.cat([library.texts([text]) for text in TEXTS])
        assert_same_directions(single, alone)
        assert (encode(encoder, "text", TEXTS) - single).abs().max() <= 1e-5

    def test_the_encoder_of_a_translator(self, tmp_path: Path) -> None:
        config = T5Config(vocab_size=24, d_model=32, d_kv=8, d_ff=48, num_layers=1, num_heads=4)
        folder = self.write(tmp_path / "t5", T5Model(config), model_max_length=50)
        encoder = load(folder)
        assert "decoder" not in str(encoder.module.state_dict().keys())
        library = TextLibrary(folder, mean, T5EncoderModel, max_length=50)
        assert_same_directions(encode(encoder, "text", TEXTS), library.texts(TEXTS))

    def test_a_model_trained_for_another_task(self, bert: Path, tmp_path: Path) -> None:
        masked = BertForMaskedLM.from_pretrained(bert)
        folder = tmp_path / "masked"
        masked.save_pretrained(folder)
        for name in ("tokenizer.json", "tokenizer_config.json"):
            shutil.copy(bert / name, folder)
        assert not any("pooler" in name for name in load_file(folder / "model.safetensors"))
        torch.manual_seed(3)
        expected = torch.rand(3)
        torch.manual_seed(3)
        found = encode(load(folder), "text", TEXTS)
        # The pooler that it lacks is drawn at random and never used.
        assert torch.equal(torch.rand(3), expected)
        torch.testing.assert_close(found, encode(load(bert), "text", TEXTS), atol=0, rtol=0)

    def test_weights_that_are_missing_are_named(self, bert: Path) -> None:
        tensors = load_file(bert / "model.safetensors")
        name = "encoder.layer.1.output.dense.weight"
        del tensors[name]
        save_file(tensors, bert / "model.safetensors", metadata={"format": "pt"})
        refused(Reason.SHAPE_MISMATCH, lambda: load(bert), name)

    def test_clip_is_not_a_model_of_texts_alone(self, tmp_path: Path) -> None:
        folder = write_clip(tmp_path / "clip")
        refused(Reason.CONFIG_INVALID, lambda: TEXT.describe("", folder, {}), "huggingface-clip")


class TestMistakes:
    def test_items_and_modalities(self, original: Path) -> None:
        encoder = load(original)
        refused(Reason.UNKNOWN_NAME, lambda: encoder.preparation("image"), "image")
        refused(Reason.CONFIG_INVALID, lambda: encoder.embed("text", ["a", 3]), "row 1")
        assert encode(encoder, "text", []).shape == (0, 32)

    def test_a_text_without_a_token_is_named(self, tmp_path: Path, original: Path) -> None:
        folder = shutil.copytree(original, tmp_path / "bare")
        for name in ("tokenizer.json", "tokenizer_config.json"):
            (folder / name).unlink()
        word_tokenizer(model_max_length=40).save_pretrained(folder)
        refused(Reason.DATA_CORRUPT, lambda: encode(load(folder), "text", ["a", ""]), "row 1")
        refused(Reason.DATA_CORRUPT, lambda: encode(load(folder), "text", [""]), "row 0")
        assert encode(load(folder, prefix="a "), "text", [""]).shape == (1, 32)

    @pytest.mark.parametrize(
        ("options", "reason"),
        [
            ({"pooling": "first"}, Reason.CONFIG_INVALID),
            ({"prefix": 3}, Reason.CONFIG_INVALID),
            ({"maxLength": -1}, Reason.CONFIG_INVALID),
            ({"maxlength": 3}, Reason.UNKNOWN_NAME),
        ],
    )
    def test_options(self, original: Path, options: Any, reason: Reason) -> None:
        refused(reason, lambda: TEXT.describe("", original, options))
