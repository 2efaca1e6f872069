"""Users' own encoders: the documented example, and every way in which a file of theirs can be wrong."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

import numpy as np
import pytest
import torch
from encoder_checks import CPU, assert_matches_library, refused
from tiny_huggingface import photos

from cmcr_worker.encoders.protocol import encode
from cmcr_worker.encoders.python_provider import PythonProvider
from cmcr_worker.encoders.registry import provider
from cmcr_worker.errors import Reason

PYTHON = PythonProvider()
ROOT = Path(__file__).resolve().parents[3]
EXAMPLE = ROOT / "experiments" / "own_encoder.py"

GOOD = """
    import numpy as np

    class Lengths:
        dimension = 3
        modalities = ("text",)

        def __init__(self, power=1.0):
            self.power = power

        def encode(self, modality, items):
            return np.array([[1.0, len(item) ** self.power, item.count("a")] for item in items])
"""


def write(folder: Path, code: str, name: str = "mine.py") -> Path:
    path = folder / name
    path.write_text(dedent(code))
    return path


def load(path: Path, name: str = "Lengths", **options: object) -> Any:
    return PYTHON.load(name, path, options, CPU)


def test_it_is_registered() -> None:
    assert isinstance(provider("python"), PythonProvider)


class TestExample:
    def test_the_documentation_shows_the_file(self) -> None:
        text = (ROOT / "docs" / "own-encoder.md").read_text()
        assert EXAMPLE.read_text().strip() in text

    def test_images_are_nearest_to_the_names_of_their_colours(self) -> None:
        encoder = load(EXAMPLE, "NamedColours")
        names = ["a red train", "grass is green", "the blue sky", "a crimson and golden sunset"]
        colours = [(210, 20, 25), (30, 160, 40), (30, 60, 200)]
        images = [np.full((20, 30, 3), colour, np.uint8) for colour in colours]
        sunset = np.concatenate([images[0], np.full((20, 30, 3), (240, 215, 50), np.uint8)])
        scores = encode(encoder, "image", [*images, sunset]) @ encode(encoder, "text", names).T
        assert scores.argmax(dim=1).tolist() == [0, 1, 2, 3]

    def test_it_is_the_class_itself_in_every_batch_size(self) -> None:
        from cmcr_worker.encoders.python_file import load_module, source_sha256

        target = load_module(EXAMPLE, source_sha256(EXAMPLE)).NamedColours
        direct = target(floor=0.1)
        encoder = load(EXAMPLE, "NamedColours", floor=0.1)
        pictures = [photo for photo in photos(70) if min(photo.shape[:2]) >= 8]
        assert_matches_library(
            encoder,
            "image",
            pictures,
            lambda items: torch.tensor(
                direct.encode("image", [direct.prepare("image", item) for item in items])
            ),
        )

    def test_an_item_that_it_refuses(self) -> None:
        prepare = load(EXAMPLE, "NamedColours").preparation("image")
        refused(Reason.DATA_CORRUPT, lambda: prepare(np.zeros((3, 50, 3), np.uint8)), "50 x 3 pixels")

    def test_its_preparation_works_in_another_process(self, tmp_path: Path) -> None:
        prepare = load(EXAMPLE, "NamedColours").preparation("image")
        photo = photos(2)[1]
        (tmp_path / "work.pickle").write_bytes(pickle.dumps((prepare, photo)))
        code = (
            "import pickle, sys; prepare, item = pickle.load(open(sys.argv[1], 'rb'));"
            "pickle.dump((prepare(item), 'torch' in sys.modules), open(sys.argv[2], 'wb'))"
        )
        command = [sys.executable, "-c", code, str(tmp_path / "work.pickle"), str(tmp_path / "done.pickle")]
        subprocess.run(command, cwd=ROOT / "py-worker", check=True)
        prepared, with_torch = pickle.loads((tmp_path / "done.pickle").read_bytes())
        np.testing.assert_array_equal(prepared, prepare(photo))
        assert not with_torch


class TestProtocol:
    def test_rows_are_normalised_and_options_arrive(self, tmp_path: Path) -> None:
        path = write(tmp_path, GOOD)
        row = encode(load(path, power=2.0), "text", ["aab"])
        expected = torch.tensor([[1.0, 9.0, 2.0]])
        torch.testing.assert_close(row, expected / expected.norm(), atol=1e-6, rtol=0)
        assert encode(load(path), "text", []).shape == (0, 3)

    @pytest.mark.parametrize("kind", ["np.float16", "torch.bfloat16", "list"])
    def test_results_of_any_kind(self, tmp_path: Path, kind: str) -> None:
        convert = {
            "np.float16": "np.array(rows, np.float16)",
            "torch.bfloat16": "torch.tensor(rows, dtype=torch.bfloat16, requires_grad=True)",
            "list": "rows",
        }[kind]
        path = write(
            tmp_path,
            f"""
            import numpy as np
            import torch
            class Rows:
                dimension, modalities = 2, "text"
                def encode(self, modality, items):
                    rows = [[3.0, 4.0] for item in items]
                    with torch.enable_grad():
                        return {convert}
            """,
        )
        found = encode(load(path, "Rows"), "text", ["a", "b"])
        torch.testing.assert_close(found, torch.tensor([[0.6, 0.8]] * 2), atol=1e-6, rtol=0)
        assert not found.requires_grad

    def test_device_and_dtype_are_given_to_those_that_ask(self, tmp_path: Path) -> None:
        path = write(
            tmp_path,
            """
            class Asks:
                modalities = ["text"]
                def __init__(self, device, dtype, wide=False):
                    assert (device, dtype) == ("cpu", "bfloat16")
                    self.dimension = 4 if wide else 2
                def encode(self, modality, items):
                    return [[1.0] * self.dimension for item in items]
            def make(**options):
                return Asks("cpu", "bfloat16", **options)
            """,
        )
        encoder = load(path, "Asks", dtype="bfloat16", wide=True)
        assert (encoder.dimension, encoder.compute_dtype) == (4, "bfloat16")
        description = PYTHON.describe("Asks", path, {"dtype": "bfloat16", "wide": True})
        assert description.dimension == 4
        for name in ("dimension", "modalities", "weights_sha256", "revision", "compute_dtype"):
            assert getattr(encoder, name) == getattr(description, name)
        assert load(path, "make", wide=True).dimension == 4

    def test_a_class_that_declares_is_not_built_to_be_described(self, tmp_path: Path) -> None:
        path = write(tmp_path, GOOD.replace("self.power = power", "raise AssertionError('built')"))
        assert PYTHON.describe("Lengths", path, {}).dimension == 3
        refused(Reason.CONFIG_INVALID, lambda: load(path), "built")

    def test_networks_are_frozen(self, tmp_path: Path) -> None:
        path = write(
            tmp_path,
            """
            import torch
            class Network:
                dimension, modalities = 8, ("text",)
                def __init__(self):
                    self.net = torch.nn.Sequential(torch.nn.Linear(1, 8), torch.nn.Dropout(0.5))
                def encode(self, modality, items):
                    assert not torch.is_grad_enabled()
                    return self.net(torch.tensor([[float(len(item))] for item in items]))
            """,
        )
        encoder = load(path, "Network")
        first, second = (encode(encoder, "text", ["some text"]) for _ in range(2))
        torch.testing.assert_close(first, second, atol=0, rtol=0)
        assert not any(p.requires_grad for p in encoder._instance.net.parameters())

    def test_out_of_memory_is_left_to_the_caller(self, tmp_path: Path) -> None:
        path = write(
            tmp_path, "import torch\n" + dedent(GOOD).replace("return np", "raise torch.OutOfMemoryError; np")
        )
        encoder = load(path)
        with pytest.raises(torch.OutOfMemoryError):
            encode(encoder, "text", ["a"])


class TestIdentity:
    def test_the_file_its_files_version_and_options_count(self, tmp_path: Path) -> None:
        code = dedent(GOOD).replace(
            "dimension = 3", 'dimension = 3\n    version = "1"\n    files = ["a.bin"]'
        )
        path = write(tmp_path, code)
        (tmp_path / "a.bin").write_bytes(b"1")

        def identity(**options: object) -> tuple[str, ...]:
            found = PYTHON.describe("Lengths", path, options)
            encoder = load(path, **options)
            assert (encoder.weights_sha256, encoder.revision) == (found.weights_sha256, found.revision)
            return found.weights_sha256, found.revision, str(found.preprocessing)

        seen = [identity(), identity(power=2.0)]
        (tmp_path / "a.bin").write_bytes(b"22")
        seen.append(identity())
        write(tmp_path, code.replace('version = "1"', 'version = "2"'))
        seen.append(identity())
        assert len(set(seen)) == 4
        assert identity() == seen[-1]

    def test_a_changed_file_is_loaded_anew(self, tmp_path: Path) -> None:
        path = write(tmp_path, GOOD)
        old = load(path)
        # The same length within the same second, which is how Python's own cache would be misled.
        write(tmp_path, GOOD.replace("[[1.0,", "[[9.0,"))
        assert encode(old, "text", ["a"])[0, 0] < 0.6 < encode(load(path), "text", ["a"])[0, 0]

    def test_files_that_depend_on_options(self, tmp_path: Path) -> None:
        method = "@staticmethod\n    def files(power=1.0):\n        return [f'{power}.bin']"
        path = write(tmp_path, dedent(GOOD).replace("dimension = 3", f"dimension = 3\n    {method}"))
        (tmp_path / "2.0.bin").write_bytes(b"1")
        assert PYTHON.describe("Lengths", path, {"power": 2.0}).weights_sha256
        refused(Reason.CHECKPOINT_MISSING, lambda: PYTHON.describe("Lengths", path, {}), "1.0.bin")

    def test_a_copy_elsewhere_knows_its_own_folder(self, tmp_path: Path) -> None:
        code = dedent(GOOD).replace(
            "dimension = 3", "from pathlib import Path\n    dimension = int(Path(__file__).parent.name)"
        )
        for name in ("3", "4"):
            (tmp_path / name).mkdir()
            path = write(tmp_path / name, code)
            assert PYTHON.describe("Lengths", path, {}).dimension == int(name)

    def test_a_file_that_changes_under_a_decoder_is_refused(self, tmp_path: Path) -> None:
        prepare = "@staticmethod\n    def prepare(modality, item):\n        return item.upper()"
        code = dedent(GOOD).replace("dimension = 3", f"dimension = 3\n    {prepare}")
        path = write(tmp_path, code)
        made = pickle.dumps(load(path).preparation("text"))
        write(tmp_path, code + "\n")
        script = "import pickle, sys; pickle.load(sys.stdin.buffer)('a')"
        done = subprocess.run(
            [sys.executable, "-c", script],
            input=made,
            cwd=ROOT / "py-worker",
            capture_output=True,
            check=False,
        )
        assert b"was changed while it was in use" in done.stderr


def body(statement: str) -> str:
    return dedent(GOOD).replace("return np.array", f"{statement}\n        return np.array")


class TestMistakes:
    def test_what_the_code_raises_is_told_with_its_lines(self, tmp_path: Path) -> None:
        code = dedent(
            """
            class Fails:
                dimension, modalities = 2, ("text",)
                def encode(self, modality, items):
                    return [self.one(item) for item in items]
                def one(self, item):
                    return {"a": [1, 2]}[item]
            """
        )
        path = write(tmp_path, code)
        error = refused(
            Reason.CONFIG_INVALID,
            lambda: encode(load(path, "Fails"), "text", ["a", "b"]),
            "mine.py: Fails.encode failed: KeyError: 'b'",
            'line 7, in one: return {"a": [1, 2]}[item]',
            "in encode: return [self.one(item) for item in items]",
        )
        assert "cmcr_worker" not in error.message

    @pytest.mark.parametrize(
        ("code", "parts"),
        [
            ("class A(:\n  pass", ("loading it failed: SyntaxError", "line 1")),
            ("import no_such_module_at_all", ("no_such_module_at_all", "line 1")),
            ("x = 1\n1 / 0", ("ZeroDivisionError", "line 2")),
            ("import sys\nsys.exit(3)", ("SystemExit: 3", "line 2")),
        ],
    )
    def test_a_file_that_cannot_be_loaded(self, tmp_path: Path, code: str, parts: tuple[str, ...]) -> None:
        path = write(tmp_path, code)
        for _ in range(2):
            refused(Reason.CONFIG_INVALID, lambda: PYTHON.describe("A", path, {}), *parts)

    @pytest.mark.parametrize(
        ("change", "reason", "part"),
        [
            (("dimension = 3", "dimension = 3.5"), Reason.CONFIG_INVALID, "dimension is 3.5"),
            (("dimension = 3", "dimension = True"), Reason.CONFIG_INVALID, "dimension is True"),
            (("dimension = 3", ""), Reason.CONFIG_INVALID, "dimension is None"),
            (('("text",)', "()"), Reason.CONFIG_INVALID, "modalities are ()"),
            (('("text",)', '("smell",)'), Reason.CONFIG_INVALID, "smell"),
            (("def encode", "def embed"), Reason.CONFIG_INVALID, "no method encode"),
            (("power=1.0", "power"), Reason.CONFIG_INVALID, "power"),
            (("self.power = power", "self.dimension = 9"), Reason.CONFIG_INVALID, "other values"),
            (
                ("dimension = 3", "dimension = 3\n        files = ['no.bin']"),
                Reason.CHECKPOINT_MISSING,
                "no.bin",
            ),
            (
                ("dimension = 3", "dimension = 3\n        def prepare(self, modality, item): return item"),
                Reason.CONFIG_INVALID,
                "@staticmethod",
            ),
        ],
    )
    def test_a_class_that_is_not_as_it_should_be(
        self, tmp_path: Path, change: tuple[str, str], reason: Reason, part: str
    ) -> None:
        path = write(tmp_path, GOOD.replace(*change))
        refused(reason, lambda: load(path), part)

    @pytest.mark.parametrize(
        ("result", "reason", "part"),
        [
            ("np.ones((1, 3))", Reason.SHAPE_MISMATCH, "(1, 3) for 2 items; expected (2, 3)"),
            ("np.ones((2, 4))", Reason.SHAPE_MISMATCH, "(2, 4)"),
            ("np.ones(3)", Reason.SHAPE_MISMATCH, "(3,)"),
            ("None", Reason.SHAPE_MISMATCH, "an array of ()"),
            ("[['a', 'b', 'c']] * 2", Reason.CONFIG_INVALID, "encode failed"),
            ("np.array([[1, 1, 1], [1, np.nan, 1]])", Reason.NON_FINITE, "row 1 is not finite"),
            ("np.array([[1, np.inf, 1], [1, 1, 1]])", Reason.NON_FINITE, "row 0 is not finite"),
            ("np.zeros((2, 3))", Reason.NON_FINITE, "row 0 is all zeros"),
        ],
    )
    def test_results_that_are_no_embeddings(
        self, tmp_path: Path, result: str, reason: Reason, part: str
    ) -> None:
        path = write(tmp_path, body(f"return {result}"))
        refused(reason, lambda: encode(load(path), "text", ["a", "b"]), part)

    def test_names_and_paths(self, tmp_path: Path) -> None:
        path = write(tmp_path, GOOD)
        error = refused(Reason.UNKNOWN_NAME, lambda: load(path, "Length"), "Lengths")
        # What the file imports is not offered.
        assert error.known_names == ("Lengths",)
        refused(Reason.CHECKPOINT_MISSING, lambda: load(tmp_path / "no.py"), "no.py")
        refused(Reason.CONFIG_INVALID, lambda: load(write(tmp_path, GOOD, "mine.txt")), ".py")
        refused(Reason.CHECKPOINT_MISSING, lambda: PYTHON.describe("", path, {}), "name of a class")
        refused(Reason.CHECKPOINT_MISSING, lambda: PYTHON.describe("Lengths", None, {}), "file")

    def test_options_and_modalities(self, tmp_path: Path) -> None:
        path = write(tmp_path, GOOD)
        refused(Reason.CONFIG_INVALID, lambda: load(path, pwer=2), "pwer", "it takes power")
        refused(Reason.CONFIG_INVALID, lambda: load(path, dtype="float16"), "no parameter dtype")
        refused(Reason.CONFIG_INVALID, lambda: load(path, dtype="int8"), "bfloat16")
        refused(Reason.UNKNOWN_NAME, lambda: load(path).preparation("image"), "image")
        refused(Reason.UNKNOWN_NAME, lambda: load(path).embed("image", []), "image")

    def test_preparation_that_fails(self, tmp_path: Path) -> None:
        method = "@staticmethod\n    def prepare(modality, item):\n        return item[5] + int(item)"
        code = dedent(GOOD).replace("dimension = 3", f"dimension = 3\n    {method}")
        prepare = load(write(tmp_path, code)).preparation("text")
        # A mistake of the code fails the stage, a ValueError only the item.
        refused(Reason.CONFIG_INVALID, lambda: prepare("abc"), "IndexError", "return item[5] + int(item)")
        refused(Reason.DATA_CORRUPT, lambda: prepare("abcdefgh"), "refuses the item", "invalid literal")
