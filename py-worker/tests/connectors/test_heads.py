from __future__ import annotations

import pytest
import torch

from cmcr_worker.connectors.heads import (
    HEADS,
    INITIALIZATIONS,
    HeadSpec,
    LayerSpec,
    build_head,
    initial_head,
)
from cmcr_worker.connectors.seeds import stream_seed
from cmcr_worker.errors import Reason, WorkerError

FLOAT, LONG = torch.float32, torch.int64


def norm_keys(prefix: str, width: int) -> dict[str, tuple[tuple[int, ...], torch.dtype]]:
    per_channel = ("weight", "bias", "running_mean", "running_var")
    return {
        **{f"{prefix}.{name}": ((width,), FLOAT) for name in per_channel},
        f"{prefix}.num_batches_tracked": ((), LONG),
    }


# The authors' checkpoints hold two heads each: 28 and 14 tensors.
AUTHORS = {
    "audio-visual": {
        "net1.0.weight": ((1024, 512), FLOAT),
        "net1.0.bias": ((1024,), FLOAT),
        **norm_keys("net1.1", 1024),
        "net2.0.weight": ((512, 1024), FLOAT),
        "net2.0.bias": ((512,), FLOAT),
        **norm_keys("net2.1", 512),
    },
    "three-d": {
        "net.0.weight": ((512, 512), FLOAT),
        "net.0.bias": ((512,), FLOAT),
        **norm_keys("net.1", 512),
    },
}


def spec(preset: str, input_dim: int = 512, output_dim: int = 512, layers: str = "") -> HeadSpec:
    kinds = [word.partition(":") for word in layers.split()]
    return HeadSpec(
        preset=preset,
        input_dim=input_dim,
        output_dim=output_dim,
        layers=tuple(LayerSpec(kind=kind, outputs=int(size or 0)) for kind, _, size in kinds),
    )


@pytest.mark.parametrize(("preset", "tensors"), [("audio-visual", 28), ("three-d", 14)])
def test_presets_have_the_authors_tensors(preset: str, tensors: int) -> None:
    state = build_head(spec(preset)).state_dict()
    assert {key: (tuple(value.shape), value.dtype) for key, value in state.items()} == AUTHORS[preset]
    assert 2 * len(state) == tensors


@pytest.mark.parametrize("preset", ["audio-visual", "three-d"])
def test_presets_compute_what_the_authors_do(preset: str) -> None:
    head = initial_head(spec(preset, 6, 4), "xavier", 0).eval()
    weights = head.state_dict()
    for name, value in weights.items():
        if value.dim() == 1:
            low = -1.5 if name.endswith("bias") else 0.5
            value.uniform_(low, low + 1, generator=torch.Generator().manual_seed(len(name)))
    x = torch.randn(50, 6, generator=torch.Generator().manual_seed(0))

    def linear(prefix: str, y: torch.Tensor) -> torch.Tensor:
        return y @ weights[f"{prefix}.weight"].t() + weights[f"{prefix}.bias"]

    def norm(prefix: str, y: torch.Tensor) -> torch.Tensor:
        centred = y - weights[f"{prefix}.running_mean"]
        scaled = centred / (weights[f"{prefix}.running_var"] + 1e-5).sqrt()
        return scaled * weights[f"{prefix}.weight"] + weights[f"{prefix}.bias"]

    if preset == "audio-visual":
        hidden = norm("net1.1", linear("net1.0", x)).relu()
        expected = norm("net2.1", linear("net2.0", hidden))
        assert weights["net1.0.weight"].shape == (12, 6)
        assert bool((expected < 0).any())
    else:
        expected = norm("net.1", linear("net.0", x)).relu()
    torch.testing.assert_close(head(x), expected)


def test_explicit_layers() -> None:
    head = build_head(spec("layers", 6, 4, "linear:9 batchnorm gelu linear:4 relu"))
    assert sorted(head.state_dict()) == sorted(
        [
            "layers.0.weight",
            "layers.0.bias",
            *norm_keys("layers.1", 9),
            "layers.3.weight",
            "layers.3.bias",
        ]
    )
    out = head(torch.randn(8, 6))
    assert out.shape == (8, 4)
    assert bool((out >= 0).all())


def test_a_first_relu_leaves_its_input_alone() -> None:
    x = torch.randn(8, 6)
    before = x.clone()
    build_head(spec("layers", 6, 6, "relu"))(x)
    assert torch.equal(x, before)


@pytest.mark.parametrize(
    ("wrong", "reason", "words"),
    [
        (spec("audio-visul"), Reason.UNKNOWN_NAME, "audio-visul"),
        (spec("layers", 4, 4, "linaer:4"), Reason.UNKNOWN_NAME, "linaer"),
        (spec("layers", 4, 4), Reason.CONFIG_INVALID, "no layer"),
        (spec("layers", 4, 4, "linear:0"), Reason.CONFIG_INVALID, "0 outputs"),
        (spec("layers", 4, 4, "linear:5 relu"), Reason.SHAPE_MISMATCH, "end with 5"),
        (spec("three-d", 0, 4), Reason.CONFIG_INVALID, "0 to 4"),
    ],
)
def test_refuses(wrong: HeadSpec, reason: Reason, words: str) -> None:
    with pytest.raises(WorkerError, match=words) as caught:
        build_head(wrong)
    assert caught.value.reason is reason


def test_initializations() -> None:
    wanted = spec("audio-visual", 6, 4)
    eye = initial_head(wanted, "eye", 0).state_dict()
    torch.testing.assert_close(eye["net1.0.weight"], torch.eye(12, 6))
    torch.testing.assert_close(eye["net2.0.weight"], torch.eye(4, 12))
    xavier = initial_head(wanted, "xavier", 0).state_dict()
    bound = (6 / (6 + 12)) ** 0.5
    largest = float(xavier["net1.0.weight"].abs().max())
    assert 0.8 * bound < largest <= bound
    default = initial_head(wanted, "default", 0).state_dict()
    assert 0.8 * 6**-0.5 < float(default["net1.0.weight"].abs().max()) <= 6**-0.5
    # Biases and batch norm are PyTorch's in all three.
    for name in ("net1.0.bias", "net2.1.weight"):
        assert torch.equal(default[name], xavier[name])
        assert torch.equal(default[name], eye[name])
    with pytest.raises(WorkerError, match="xaver") as caught:
        initial_head(wanted, "xaver", 0)
    assert caught.value.known_names[0] == "xavier"


@pytest.mark.parametrize("initialization", sorted(INITIALIZATIONS))
@pytest.mark.parametrize("preset", sorted(set(HEADS) - {"layers"}))
def test_weights_depend_on_the_seed_alone(initialization: str, preset: str) -> None:
    wanted = spec(preset, 6, 4)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = initial_head(wanted, initialization, 7).state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    second = initial_head(wanted, initialization, 7).state_dict()
    other = initial_head(wanted, initialization, 8).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_seeds_that_differ_above_32_bits_give_other_numbers() -> None:
    seeds = [stream_seed(seed, stream) for seed in (0, 1, 2**32, 2**32 + 1, 2**52) for stream in (0, 1)]
    assert len({seed & 0xFFFFFFFF for seed in seeds}) == len(seeds)
    assert all(0 <= seed < 2**64 for seed in seeds)
