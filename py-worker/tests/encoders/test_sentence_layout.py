"""The layout of sentence-transformers. Its pooling and dense layers, written out, are the reference."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from encoder_checks import CPU, assert_frozen, assert_matches_library, assert_same_directions, refused
from safetensors.torch import load_file, save_file
from text_library import TEXTS, Pool, TextLibrary, first, largest, last, mean
from tiny_huggingface import edit_json, spread, write_bert

from cmcr_worker.encoders.huggingface_text import HuggingFaceTextProvider
from cmcr_worker.encoders.protocol import encode
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
        assert_matches_library(encoder, "text", TEXTS, TextLibrary(bert, pool).texts)
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
        assert_matches_library(load(bert), "text", TEXTS, TextLibrary(bert, pool).texts)

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
        both = TextLibrary(bert, lambda s, m: torch.cat([first(s, m), mean(s, m)], dim=1))
        assert load(bert).dimension == 64
        assert_same_directions(encode(load(bert), "text", TEXTS), both.texts(TEXTS))

    def test_an_option_goes_before_the_layout(self, bert: Path) -> None:
        write_layout(bert, MEAN)
        found = encode(load(bert, pooling="cls"), "text", TEXTS)
        assert_same_directions(found, TextLibrary(bert, first).texts(TEXTS))

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
