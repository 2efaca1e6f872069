"""Sentence encoders in transformers' format, against transformers used directly."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
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
from tiny_huggingface import edit_json, sentences, spread, word_tokenizer, write_bert, write_clip
from transformers import (
    AutoModel,
    AutoTokenizer,
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
TEXTS = [text for text in sentences(70) if text]
Pool = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def mean(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """As the cards of sentence encoders on the hub have it."""
    weights = mask.unsqueeze(-1).expand(states.size()).float()
    return torch.sum(states * weights, 1) / torch.clamp(weights.sum(1), min=1e-9)


def first(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    return states[:, 0]


def last(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    return torch.stack([row[: int(marks.sum())][-1] for row, marks in zip(states, mask, strict=True)])


def largest(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    return torch.stack([row[marks == 1].amax(0) for row, marks in zip(states, mask, strict=True)])


class Library:
    """transformers, as its own documentation uses it."""

    def __init__(self, folder: Path, pool: Pool, model: Any = AutoModel, **tokens: Any) -> None:
        self._model = model.from_pretrained(folder).eval()
        self._tokenizer = AutoTokenizer.from_pretrained(folder)
        self._pool = pool
        self._tokens = {"max_length": 40, **tokens}

    @torch.no_grad()
    def texts(self, items: Sequence[Any]) -> torch.Tensor:
        inputs = self._tokenizer(
            list(items), padding=True, truncation=True, return_tensors="pt", **self._tokens
        )
        inputs.pop("token_type_ids", None)
        return self._pool(self._model(**inputs).last_hidden_state, inputs["attention_mask"])


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bert(tmp_path_factory.mktemp("models") / "bert")


@pytest.fixture
def bert(original: Path, tmp_path: Path) -> Path:
    return shutil.copytree(original, tmp_path / "bert")


def load(folder: Path, **options: object) -> Any:
    return TEXT.load("", folder, options, CPU)


def write_layout(folder: Path, *modules: tuple[str, dict[str, Any] | None], **sentence: Any) -> Path:
    """Makes a model's folder one of sentence-transformers; dense layers get weights."""
    entries = [{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}]
    for number, (kind, config) in enumerate(modules, start=1):
        path = f"{number}_{kind}"
        (folder / path).mkdir()
        type_name = f"sentence_transformers.models.{kind}"
        entries.append({"idx": number, "name": str(number), "path": path, "type": type_name})
        if config is not None:
            (folder / path / "config.json").write_text(json.dumps(config))
        if kind == "Dense" and config is not None:
            linear = torch.nn.Linear(config["in_features"], config["out_features"], bias=config["bias"])
            spread(linear, number)
            state = {f"linear.{name}": value for name, value in linear.state_dict().items()}
            save_file(state, folder / path / "model.safetensors")
    (folder / "modules.json").write_text(json.dumps(entries))
    if sentence:
        (folder / "sentence_bert_config.json").write_text(json.dumps(sentence))
    return folder


MEAN = ("Pooling", {"word_embedding_dimension": 32, "pooling_mode_mean_tokens": True})
NORMALIZE = ("Normalize", None)


def dense(activation: str, *, bias: bool = True, inputs: int = 32) -> tuple[str, dict[str, Any]]:
    name = f"torch.nn.modules.activation.{activation}"
    return "Dense", {"in_features": inputs, "out_features": 12, "bias": bias, "activation_function": name}


def test_it_is_registered() -> None:
    assert isinstance(provider("huggingface-text"), HuggingFaceTextProvider)


@pytest.mark.parametrize(
    ("pooling", "pool"), [("model", mean), ("mean", mean), ("cls", first), ("max", largest), ("last", last)]
)
def test_texts_as_transformers_has_them(original: Path, pooling: str, pool: Pool) -> None:
    assert_matches_library(load(original, pooling=pooling), "text", TEXTS, Library(original, pool).texts)


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
    assert_same_directions(encode(load(original), "text", [long]), Library(original, mean).texts([long]))
    refused(Reason.CONFIG_INVALID, lambda: load(original, maxLength=41), "40")


class TestLayout:
    """sentence-transformers' layout. Its own pooling and dense layers, written out, are the reference."""

    def test_mean_and_normalize(self, bert: Path) -> None:
        before = encode(load(bert), "text", TEXTS)
        write_layout(bert, MEAN, NORMALIZE, max_seq_length=40, do_lower_case=False)
        torch.testing.assert_close(encode(load(bert), "text", TEXTS), before, atol=0, rtol=0)

    @pytest.mark.parametrize(
        ("activation", "bias", "function"),
        [
            ("Tanh", True, torch.tanh),
            ("linear.Identity", False, lambda x: x),
            ("GELU", True, torch.nn.functional.gelu),
        ],
    )
    def test_dense(self, bert: Path, activation: str, bias: bool, function: Any) -> None:
        write_layout(bert, MEAN, dense(activation, bias=bias), NORMALIZE)
        state = load_file(bert / "2_Dense" / "model.safetensors")

        def pool(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            linear = mean(states, mask) @ state["linear.weight"].T
            return function(linear + state["linear.bias"] if bias else linear)

        encoder = load(bert)
        assert encoder.dimension == TEXT.describe("", bert, {}).dimension == 12
        assert_matches_library(encoder, "text", TEXTS, Library(bert, pool).texts)
        assert_frozen(encoder, "text", TEXTS[:3])

    def test_dense_weights_that_are_pickled(self, bert: Path) -> None:
        write_layout(bert, MEAN, dense("Tanh"))
        before = encode(load(bert), "text", TEXTS)
        torch.save(load_file(bert / "2_Dense" / "model.safetensors"), bert / "2_Dense" / "pytorch_model.bin")
        (bert / "2_Dense" / "model.safetensors").unlink()
        torch.testing.assert_close(encode(load(bert), "text", TEXTS), before, atol=0, rtol=0)

    @pytest.mark.parametrize(
        ("flag", "pool"),
        [
            ("pooling_mode_cls_token", first),
            ("pooling_mode_max_tokens", largest),
            ("pooling_mode_lasttoken", last),
            ("pooling_mode_mean_sqrt_len_tokens", lambda s, m: mean(s, m) * m.sum(1, keepdim=True).sqrt()),
            (
                "pooling_mode_weightedmean_tokens",
                lambda s, m: mean(s * torch.arange(1, s.shape[1] + 1)[None, :, None], m),
            ),
        ],
    )
    def test_poolings(self, bert: Path, flag: str, pool: Pool) -> None:
        write_layout(bert, ("Pooling", {"pooling_mode_mean_tokens": False, flag: True}))
        assert_matches_library(load(bert), "text", TEXTS, Library(bert, pool).texts)

    @pytest.mark.parametrize(
        "config",
        [
            {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True},
            {"pooling_mode": ["mean", "cls"]},
            {"pooling_mode": "cls+mean"},
        ],
    )
    def test_two_poolings_are_concatenated(self, bert: Path, config: dict[str, Any]) -> None:
        write_layout(bert, ("Pooling", config))
        both = Library(bert, lambda s, m: torch.cat([first(s, m), mean(s, m)], dim=1))
        assert load(bert).dimension == 64
        assert_same_directions(encode(load(bert), "text", TEXTS), both.texts(TEXTS))

    def test_an_option_goes_before_the_layout(self, bert: Path) -> None:
        write_layout(bert, MEAN)
        found = encode(load(bert, pooling="cls"), "text", TEXTS)
        assert_same_directions(found, Library(bert, first).texts(TEXTS))

    def test_lower_case_length_and_surrounding_spaces(self, bert: Path) -> None:
        write_layout(bert, MEAN, max_seq_length=7, do_lower_case=True)
        encoder = load(bert)
        assert encoder.max_tokens == 7
        found, expected = (encode(encoder, "text", [text]) for text in ("  A Dog\n", "a dog"))
        torch.testing.assert_close(found, expected, atol=0, rtol=0)
        assert encoder.tokens(["A " * 90])["input_ids"].shape == (1, 7)

    def test_the_models_own_prompt(self, bert: Path) -> None:
        write_layout(bert, MEAN)
        plain = encode(load(bert), "text", ["photo dog"])
        prompts = {"prompts": {"query": "photo "}, "default_prompt_name": "query"}
        (bert / "config_sentence_transformers.json").write_text(json.dumps(prompts))
        torch.testing.assert_close(encode(load(bert), "text", ["dog"]), plain, atol=0, rtol=0)
        torch.testing.assert_close(
            encode(load(bert, prefix=""), "text", ["photo dog"]), plain, atol=0, rtol=0
        )

    def test_a_transformer_in_a_folder_of_its_own(self, bert: Path, tmp_path: Path) -> None:
        before = encode(load(bert), "text", TEXTS)
        folder = tmp_path / "nested"
        shutil.copytree(bert, folder / "0_Transformer")
        write_layout(folder, MEAN)
        modules = json.loads((folder / "modules.json").read_text())
        modules[0]["path"] = "0_Transformer"
        (folder / "modules.json").write_text(json.dumps(modules))
        torch.testing.assert_close(encode(load(folder), "text", TEXTS), before, atol=0, rtol=0)

    def test_every_part_changes_the_identity(self, bert: Path) -> None:
        write_layout(bert, MEAN, dense("Tanh"))
        before = TEXT.describe("", bert, {})
        edit_json(bert / "2_Dense" / "config.json", activation_function="torch.nn.modules.activation.GELU")
        assert TEXT.describe("", bert, {}).revision != before.revision
        save_file({"linear.weight": torch.ones(12, 32)}, bert / "2_Dense" / "model.safetensors")
        assert TEXT.describe("", bert, {}).weights_sha256 != before.weights_sha256

    @pytest.mark.parametrize(
        ("modules", "part"),
        [
            ([MEAN, NORMALIZE, dense("Tanh")], "Dense"),
            ([dense("Tanh"), MEAN], "Dense"),
            ([("WordWeights", {}), MEAN], "WordWeights"),
            ([NORMALIZE], "Normalize"),
            ([], "without Transformer and Pooling"),
            ([("Pooling", {"pooling_mode_mean_tokens": False})], "takes nothing"),
            ([("Pooling", {"pooling_mode": "attention"})], "attention"),
            (
                [("Pooling", {"pooling_mode_mean_tokens": True, "include_prompt": False})],
                "without the prompt",
            ),
            ([MEAN, dense("Softmax")], "Softmax"),
        ],
    )
    def test_what_is_not_supported_is_named(self, bert: Path, modules: Any, part: str) -> None:
        write_layout(bert, *modules)
        refused(Reason.CONFIG_INVALID, lambda: TEXT.describe("", bert, {}), part)

    def test_no_class_is_imported_by_its_name(self, bert: Path) -> None:
        write_layout(bert, MEAN, dense("Tanh"))
        edit_json(bert / "2_Dense" / "config.json", activation_function="os.abort")
        refused(Reason.CONFIG_INVALID, lambda: load(bert), "abort")

    def test_damaged_layouts(self, bert: Path) -> None:
        write_layout(bert, MEAN, dense("Tanh", inputs=31))
        refused(Reason.SHAPE_MISMATCH, lambda: TEXT.describe("", bert, {}), "2_Dense", "31", "32")
        edit_json(bert / "2_Dense" / "config.json", in_features=32)
        refused(Reason.SHAPE_MISMATCH, lambda: load(bert), "linear.weight", "(12, 31)", "(12, 32)")
        (bert / "2_Dense" / "model.safetensors").unlink()
        refused(Reason.CHECKPOINT_MISSING, lambda: TEXT.describe("", bert, {}), "weights")
        for content in ("{", "{}", '[{"path": "a"}]', '[{"path": "../a", "type": "a.Pooling"}]'):
            (bert / "modules.json").write_text(content)
            with pytest.raises(ValueError, match="modules"):
                TEXT.describe("", bert, {})


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
            encode(encoder, "text", TEXTS), Library(folder, mean, max_length=21).texts(TEXTS)
        )

    def test_numbers_that_the_network_does_not_take_are_left_out(self, tmp_path: Path) -> None:
        config = DistilBertConfig(vocab_size=24, dim=32, hidden_dim=48, n_layers=1, n_heads=4)
        names = ["input_ids", "token_type_ids", "attention_mask"]
        folder = self.write(tmp_path / "distil", DistilBertModel(config), model_input_names=names)
        assert_same_directions(
            encode(load(folder), "text", TEXTS), Library(folder, mean, max_length=512).texts(TEXTS)
        )

    @pytest.mark.parametrize("side", ["left", "right"])
    def test_a_decoder_pools_its_last_token_on_either_side(self, tmp_path: Path, side: str) -> None:
        config = Qwen3Config(
            vocab_size=24, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, head_dim=8, max_position_embeddings=64,
        )  # fmt: skip
        folder = self.write(tmp_path / "qwen", Qwen3Model(config), padding_side=side)
        encoder = load(folder, pooling="last")
        library = Library(folder, lambda states, mask: states[:, -1], max_length=64)
        single = torch.cat([encode(encoder, "text", [text]) for text in TEXTS])
        alone = torch.cat([library.texts([text]) for text in TEXTS])
        assert_same_directions(single, alone)
        assert (encode(encoder, "text", TEXTS) - single).abs().max() <= 1e-5

    def test_the_encoder_of_a_translator(self, tmp_path: Path) -> None:
        config = T5Config(vocab_size=24, d_model=32, d_kv=8, d_ff=48, num_layers=1, num_heads=4)
        folder = self.write(tmp_path / "t5", T5Model(config), model_max_length=50)
        encoder = load(folder)
        assert "decoder" not in str(encoder.module.state_dict().keys())
        library = Library(folder, mean, T5EncoderModel, max_length=50)
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
