from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from cmcr_worker.connectors.baselines import moments
from cmcr_worker.connectors.baselines.moments import add_ridge, column_mean, cross_moment
from cmcr_worker.connectors.baselines.protocol import FitData
from cmcr_worker.connectors.centering import gap_center
from cmcr_worker.connectors.registry import CONNECTORS, fitter
from cmcr_worker.errors import Reason, WorkerError

SOURCE_DIM, TARGET_DIM = 7, 5


def rows(count: int, columns: int, seed: int) -> Tensor:
    return F.normalize(torch.randn(count, columns, generator=torch.Generator().manual_seed(seed)), dim=1)


DATA = FitData(
    source_space="sound",
    target_space="image",
    source_overlap=rows(60, SOURCE_DIM, 0),
    target_overlap=rows(60, TARGET_DIM, 1),
    source_pseudo=rows(40, SOURCE_DIM, 2),
    target_pseudo=rows(40, TARGET_DIM, 3),
    source_memory=rows(30, SOURCE_DIM, 4),
    target_memory=rows(35, TARGET_DIM, 5),
    temperature=0.1,
    regularization=0.05,
)
X, Y = rows(11, SOURCE_DIM, 6), rows(13, TARGET_DIM, 7)
S64, T64 = DATA.source_overlap.double(), DATA.target_overlap.double()


def unit(x: Tensor) -> Tensor:
    return F.normalize(x.double(), dim=1)


def cosines(method: str, data: FitData = DATA) -> Tensor:
    connector = fitter(method)(data)
    return (connector.embed("sound", X) @ connector.embed("image", Y).t()).double()


def naive_pivot(data: FitData) -> Tensor:
    return T64[(X.double() @ S64.t()).argmax(dim=1)] @ Y.double().t()


def naive_pivot_soft(data: FitData) -> Tensor:
    return unit(torch.softmax(X.double() @ S64.t() / 0.1, dim=1) @ T64) @ Y.double().t()


def naive_pivot_two_sided(data: FitData) -> Tensor:
    both = torch.cat([S64, T64], dim=1)

    def express(x: Tensor, overlap: Tensor) -> Tensor:
        return unit(torch.softmax(x.double() @ overlap.t() / 0.1, dim=1) @ both)

    assert data.source_memory is not None
    assert data.target_memory is not None
    left = express(X, S64) - express(data.source_memory, S64).mean(0)
    right = express(Y, T64) - express(data.target_memory, T64).mean(0)
    return unit(left) @ unit(right).t()


def naive_procrustes(data: FitData) -> Tensor:
    u, _, vt = np.linalg.svd((S64.t() @ T64).numpy(), full_matrices=False)
    return unit(X.double() @ torch.from_numpy(u @ vt)) @ Y.double().t()


def ridge(a: Tensor, b: Tensor) -> Tensor:
    """As least squares on rows of the ridge's own."""
    weight = (0.05 * a.square().sum(0).mean()).sqrt()
    stacked = torch.cat([a, weight * torch.eye(a.shape[1], dtype=a.dtype)])
    target = torch.cat([b, torch.zeros(a.shape[1], b.shape[1], dtype=b.dtype)])
    return torch.linalg.lstsq(stacked, target).solution


def naive_ridge(data: FitData) -> Tensor:
    return unit(X.double() @ ridge(S64, T64)) @ Y.double().t()


def naive_memory_ridge(data: FitData) -> Tensor:
    assert data.source_pseudo is not None
    assert data.target_pseudo is not None
    return unit(X.double() @ ridge(data.source_pseudo.double(), data.target_pseudo.double())) @ Y.double().t()


def naive_relative(data: FitData) -> Tensor:
    return unit(X.double() @ S64.t()) @ unit(Y.double() @ T64.t()).t()


def naive_cca(data: FitData) -> Tensor:
    """By the eigenvectors of Cxx^-1 Cxy Cyy^-1 Cyx."""
    x_mean, y_mean = S64.mean(0), T64.mean(0)
    a, b = S64 - x_mean, T64 - y_mean

    def covariance(c: Tensor) -> Tensor:
        given = c.t() @ c / len(c)
        return given + 0.05 * given.diagonal().mean() * torch.eye(len(given), dtype=given.dtype)

    cxx, cyy, cxy = covariance(a), covariance(b), a.t() @ b / len(a)
    values, vectors = torch.linalg.eig(torch.linalg.solve(cyy, cxy.t()) @ torch.linalg.solve(cxx, cxy))
    squares, v = values.real, vectors.real
    v = v / (v.t() @ cyy @ v).diagonal().sqrt()
    correlations = squares.clamp(min=0).sqrt()
    u = torch.linalg.solve(cxx, cxy @ v) / correlations
    return (
        unit((X.double() - x_mean) @ (u * correlations))
        @ unit((Y.double() - y_mean) @ (v * correlations)).t()
    )


NAIVE = {
    "pivot": naive_pivot,
    "pivot-soft": naive_pivot_soft,
    "pivot-two-sided": naive_pivot_two_sided,
    "procrustes": naive_procrustes,
    "ridge": naive_ridge,
    "cca": naive_cca,
    "relative": naive_relative,
    "memory-ridge": naive_memory_ridge,
}


def test_every_connector_has_its_definition_here() -> None:
    assert set(NAIVE) == set(CONNECTORS)


@pytest.mark.parametrize("method", sorted(CONNECTORS))
def test_against_the_definition(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moments, "_BLOCK_ROWS", 7)
    torch.testing.assert_close(cosines(method), NAIVE[method](DATA), rtol=0, atol=2e-6)


@pytest.mark.parametrize("method", sorted(CONNECTORS))
def test_shapes_lengths_and_names(method: str) -> None:
    connector = fitter(method)(DATA)
    for space, x in (("sound", X), ("image", Y)):
        before = x.clone()
        out = connector.embed(space, x)
        assert out.shape == (len(x), connector.output_dim)
        assert out.dtype == torch.float32
        torch.testing.assert_close(out.norm(dim=1), torch.ones(len(x)))
        torch.testing.assert_close(connector.embed(space, x.half()), out, rtol=0, atol=2e-2)
        assert torch.equal(x, before)
        with pytest.raises(WorkerError) as caught:
            connector.embed(space, torch.ones(2, 3))
        assert caught.value.reason is Reason.SHAPE_MISMATCH
    with pytest.raises(WorkerError, match="soundd") as caught:
        connector.embed("soundd", X)
    assert caught.value.reason is Reason.UNKNOWN_NAME


@pytest.mark.parametrize("method", ["pivot", "pivot-soft", "procrustes", "ridge", "memory-ridge"])
def test_the_target_stays_as_it_is(method: str) -> None:
    torch.testing.assert_close(fitter(method)(DATA).embed("image", Y), Y)


def test_procrustes_finds_a_rotation() -> None:
    rotation = torch.linalg.qr(
        torch.randn(SOURCE_DIM, SOURCE_DIM, generator=torch.Generator().manual_seed(8))
    )[0]
    data = FitData(
        source_space="sound",
        target_space="image",
        source_overlap=DATA.source_overlap,
        target_overlap=DATA.source_overlap @ rotation,
    )
    for method in ("procrustes", "ridge"):
        found = fitter(method)(replace(data, regularization=0.0)).embed("sound", X)
        torch.testing.assert_close(found, X @ rotation, rtol=0, atol=1e-5)


@pytest.mark.parametrize("method", ["cca", "relative"])
def test_dimensions_are_cut(method: str) -> None:
    whole, cut = fitter(method)(DATA), fitter(method)(replace(DATA, dimensions=3))
    assert cut.output_dim == 3
    torch.testing.assert_close(cut.embed("sound", X), F.normalize(whole.embed("sound", X)[:, :3], dim=1))
    many = fitter(method)(replace(DATA, dimensions=100))
    assert many.output_dim == whole.output_dim


def test_cca_survives_directions_without_variance() -> None:
    flat = torch.cat([DATA.source_overlap[:, :-1], torch.zeros(60, 1)], dim=1)
    data = replace(DATA, source_overlap=flat, regularization=0.0)
    assert bool(fitter("cca")(data).embed("sound", X).isfinite().all())


@pytest.mark.parametrize(
    ("method", "missing"),
    [
        ("pivot-soft", "temperature"),
        ("pivot-two-sided", "temperature"),
        ("pivot-two-sided", "source_memory"),
        ("pivot-two-sided", "target_memory"),
        ("ridge", "regularization"),
        ("cca", "regularization"),
        ("memory-ridge", "regularization"),
        ("memory-ridge", "source_pseudo"),
        ("memory-ridge", "target_pseudo"),
    ],
)
def test_says_what_is_missing(method: str, missing: str) -> None:
    with pytest.raises(WorkerError, match=f"{method} needs {missing}") as caught:
        fitter(method)(replace(DATA, **{missing: None}))
    assert caught.value.reason is Reason.CONFIG_INVALID
    assert caught.value.subject == missing


def test_refuses_data_that_do_not_belong_together() -> None:
    cases = [
        (replace(DATA, target_overlap=DATA.target_overlap[:-1]), Reason.SHAPE_MISMATCH, "target_overlap"),
        (replace(DATA, source_memory=rows(3, 4, 0)), Reason.SHAPE_MISMATCH, "source_memory"),
        (replace(DATA, source_overlap=DATA.source_overlap.double()), Reason.DTYPE_MISMATCH, "source_overlap"),
        (replace(DATA, target_space="sound"), Reason.CONFIG_INVALID, "target_space"),
        (replace(DATA, regularization=-1.0), Reason.CONFIG_INVALID, "regularization"),
    ]
    for data, reason, subject in cases:
        with pytest.raises(WorkerError) as caught:
            fitter("ridge")(data)
        assert caught.value.reason is reason
        assert caught.value.subject == subject
    with pytest.raises(WorkerError, match="procustes") as caught:
        fitter("procustes")
    assert caught.value.known_names[0] == "procrustes"


def test_gap_center_subtracts_the_memory_s_mean() -> None:
    assert DATA.source_memory is not None
    connector = fitter("procrustes")(DATA)
    mean = connector.embed("sound", DATA.source_memory).double().mean(0)
    expected = unit(connector.embed("sound", X).double() - mean)
    torch.testing.assert_close(gap_center(connector, "sound", X, DATA.source_memory).double(), expected)


def test_gap_center_removes_an_offset() -> None:
    offset = torch.zeros(TARGET_DIM)
    offset[0] = 3
    memory = rows(5000, TARGET_DIM, 9)
    connector = fitter("pivot")(DATA)
    shifted = gap_center(
        connector, "image", F.normalize(Y + offset, dim=1), F.normalize(memory + offset, dim=1)
    )
    assert float((connector.embed("image", F.normalize(Y + offset, dim=1))[:, 0]).mean()) > 0.9
    assert abs(float(shifted[:, 0].mean())) < 0.4


def test_moments_by_hand() -> None:
    a, b = torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([[5.0], [6.0]])
    cpu = torch.device("cpu")
    assert cross_moment(a, b, cpu).tolist() == [[23.0], [34.0]]
    assert column_mean(a, cpu).tolist() == [2.0, 3.0]
    assert add_ridge(torch.diag(torch.tensor([1.0, 3.0])), 0.5).tolist() == [[2.0, 0.0], [0.0, 4.0]]


@pytest.mark.cuda
@pytest.mark.parametrize("method", sorted(CONNECTORS))
def test_cuda_embeds_as_the_cpu_does(method: str) -> None:
    data = replace(DATA, device=torch.device("cuda"))
    torch.testing.assert_close(cosines(method, data), cosines(method), rtol=0, atol=1e-5)
