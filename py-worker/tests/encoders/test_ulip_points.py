"""Point clouds through PointBERT, against a slow reference written from its definition."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from encoder_checks import assert_same_directions, refused
from tiny_ulip import COLOURED, POINTS, TINY, clouds, random_state, write_checkpoint
from torch import Tensor, nn

from cmcr_worker.decoding.pointcloud import PointCloud
from cmcr_worker.encoders.protocol import encode
from cmcr_worker.encoders.ulip.blocks import Block
from cmcr_worker.encoders.ulip.encoder import UlipEncoder
from cmcr_worker.encoders.ulip.grouping import group, nearest
from cmcr_worker.encoders.ulip.preparation import CloudPreparation
from cmcr_worker.encoders.ulip.provider import UlipProvider
from cmcr_worker.encoders.ulip.sampling import farthest_points
from cmcr_worker.encoders.ulip.sizes import MODELS, PointBertSizes, UlipSizes
from cmcr_worker.errors import Reason

CPU = torch.device("cpu")
Array = Any
CASES = {"ULIP_PointBERT": TINY, "ULIP2_PointBERT_Colored": COLOURED}


def reference(state: dict[str, Tensor], sizes: PointBertSizes, points: Array, start: int = 0) -> Array:
    """One cloud, (n, channels), to its embedding, not normalised; float64, with loops."""
    weights = {name.removeprefix("point_encoder."): tensor.double().numpy() for name, tensor in state.items()}
    points = points.astype(np.float64)
    xyz = points[:, :3]
    chosen = [start]
    while len(chosen) < sizes.groups:
        chosen.append(int(np.argmax([min(((p - xyz[c]) ** 2).sum() for c in chosen) for p in xyz])))
    tokens, positions = [weights["cls_token"][0, 0]], [weights["cls_pos"][0, 0]]
    for centre in xyz[chosen]:
        near = np.argsort(((xyz - centre) ** 2).sum(axis=1), kind="stable")[: sizes.neighbours]
        features = [np.concatenate([points[at, :3] - centre, points[at, 3:]]) for at in near]
        features = [convolved(weights, "encoder.first_conv", feature) for feature in features]
        whole = np.max(features, axis=0)
        features = [
            convolved(weights, "encoder.second_conv", np.concatenate([whole, feature]))
            for feature in features
        ]
        tokens.append(dense(weights, "reduce_dim", np.max(features, axis=0)))
        positions.append(dense(weights, "pos_embed.2", gelu(dense(weights, "pos_embed.0", centre))))
    x, pos = np.array(tokens), np.array(positions)
    for number in range(sizes.depth):
        x = transformer_block(weights, f"blocks.blocks.{number}", x + pos, sizes.heads)
    x = layer_norm(weights, "norm", x)
    return np.concatenate([x[0], x[1:].max(axis=0)]) @ weights["pc_projection"]


def dense(weights: dict[str, Array], name: str, x: Array) -> Array:
    weight = weights[f"{name}.weight"]
    out = x @ weight.reshape(len(weight), -1).T
    return out + weights[f"{name}.bias"] if f"{name}.bias" in weights else out


def convolved(weights: dict[str, Array], name: str, x: Array) -> Array:
    x = dense(weights, f"{name}.0", x)
    norm = {part: weights[f"{name}.1.{part}"] for part in ("weight", "bias", "running_mean", "running_var")}
    x = (x - norm["running_mean"]) / np.sqrt(norm["running_var"] + 1e-5) * norm["weight"] + norm["bias"]
    return dense(weights, f"{name}.3", np.maximum(x, 0))


def gelu(x: Array) -> Array:
    return x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def layer_norm(weights: dict[str, Array], name: str, x: Array) -> Array:
    x = (x - x.mean(axis=-1, keepdims=True)) / np.sqrt(x.var(axis=-1, keepdims=True) + 1e-5)
    return x * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def transformer_block(weights: dict[str, Array], name: str, x: Array, heads: int) -> Array:
    width = x.shape[1] // heads
    joint = dense(weights, f"{name}.attn.qkv", layer_norm(weights, f"{name}.norm1", x))
    out = []
    for head in range(heads):
        query, key, value = (joint[:, part * heads * width + head * width :][:, :width] for part in range(3))
        scores = np.exp(query @ key.T / np.sqrt(width))
        out.append(scores / scores.sum(axis=1, keepdims=True) @ value)
    x = x + dense(weights, f"{name}.attn.proj", np.concatenate(out, axis=1))
    hidden = gelu(dense(weights, f"{name}.mlp.fc1", layer_norm(weights, f"{name}.norm2", x)))
    return x + dense(weights, f"{name}.mlp.fc2", hidden)


def encoder(
    folder: Path, sizes: UlipSizes, options: dict[str, object] | None = None, seed: int = 0
) -> tuple[UlipEncoder, dict[str, Tensor]]:
    state = random_state(sizes, seed)
    path = write_checkpoint(folder / "pointbert.pt", state)
    return UlipProvider(TINY).load("", path, options or {}, CPU), state


def columns(cloud: PointCloud, channels: int) -> Array:
    return cloud.xyz if channels == 3 else np.hstack([cloud.xyz, cloud.rgb])


@pytest.mark.parametrize("model", sorted(CASES))
def test_embeddings_are_those_of_the_definition(tmp_path: Path, model: str) -> None:
    sizes = CASES[model]
    made, state = encoder(tmp_path, sizes)
    items = clouds(9, coloured=sizes.points.channels == 6)
    expected = torch.tensor(
        np.stack([reference(state, sizes.points, columns(c, sizes.points.channels)) for c in items])
    )
    # Features of random weights have much in common; what tells clouds apart must be right as well.
    assert (nn.functional.normalize(expected - expected.mean(0)) @ expected.T).std() > 0.1
    for size in (1, 2, 7):
        for at in range(0, len(items), size):
            found = encode(made, "pointcloud", items[at : at + size])
            assert_same_directions(found, expected[at : at + size], least=0.9999999)


@pytest.mark.parametrize("model", sorted(CASES))
def test_full_size_embedding_is_that_of_the_definition(tmp_path: Path, model: str) -> None:
    # 512 groups of 32 by the reference would take minutes: fewer groups, all widths and the depth in full.
    points = replace(MODELS[model], groups=20)
    sizes = UlipSizes(points, None, None)
    state = random_state(sizes)
    path = write_checkpoint(tmp_path / "pointbert.pt", state)
    made = UlipProvider(sizes).load("", path, {}, CPU)
    item = clouds(1, coloured=True)[0]
    expected = torch.tensor(reference(state, points, columns(item, points.channels)))[None]
    assert_same_directions(encode(made, "pointcloud", [item]), expected, least=0.999999)


@pytest.mark.parametrize("model", sorted(CASES))
def test_a_cloud_in_a_batch_is_the_cloud_alone(tmp_path: Path, model: str) -> None:
    made, _ = encoder(tmp_path, CASES[model])
    # Of different sizes, in one batch.
    items = clouds(24, coloured=True, least=200)
    single = torch.cat([encode(made, "pointcloud", [item]) for item in items])
    for size in (2, 7, 24):
        for at in range(0, len(items), size):
            batch = encode(made, "pointcloud", items[at : at + size])
            torch.testing.assert_close(batch, single[at : at + size], atol=1e-5, rtol=0)
    backwards = encode(made, "pointcloud", items[::-1]).flip(0)
    torch.testing.assert_close(backwards, single, atol=1e-5, rtol=0)


def test_every_block_is_given_the_positions(tmp_path: Path) -> None:
    made, _ = encoder(tmp_path, TINY)
    inputs: list[Tensor] = []
    outputs: list[Tensor] = []
    for block in (module for module in made.module.modules() if isinstance(module, Block)):
        block.register_forward_pre_hook(lambda _, args: inputs.append(args[0].clone()))
        block.register_forward_hook(lambda *args: outputs.append(args[2].clone()))
    encode(made, "pointcloud", clouds(1))
    assert len(inputs) == POINTS.depth
    point_encoder = made.module[0].point_encoder
    points, chosen = made.preparation("pointcloud")(clouds(1)[0])
    with torch.inference_mode():
        centres = torch.from_numpy(points[chosen])[None]
        positions = torch.cat([point_encoder.cls_pos, point_encoder.pos_embed(centres)], dim=1)
    for number in range(1, POINTS.depth):
        torch.testing.assert_close(inputs[number], outputs[number - 1] + positions, atol=1e-6, rtol=1e-6)
    assert positions.abs().max() > 0.1


def test_output_is_the_class_token_and_the_largest_of_the_others(tmp_path: Path) -> None:
    made, state = encoder(tmp_path, TINY)
    network = made.module[0]
    seen: list[Tensor] = []
    network.point_encoder.norm.register_forward_hook(lambda *args: seen.append(args[2].clone()))
    found = encode(made, "pointcloud", clouds(3))
    assert seen[0].shape == (3, POINTS.groups + 1, POINTS.width)
    features = torch.cat([seen[0][:, 0], seen[0][:, 1:].max(dim=1).values], dim=1)
    expected = nn.functional.normalize(features @ state["pc_projection"], dim=1)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(found.norm(dim=1), torch.ones(3))


def test_the_order_of_points_matters_only_by_the_first(tmp_path: Path) -> None:
    made, _ = encoder(tmp_path, TINY)
    cloud = clouds(1, least=200)[0]
    before = encode(made, "pointcloud", [cloud])
    order = np.concatenate([[0], 1 + np.random.default_rng(1).permutation(len(cloud.xyz) - 1)])
    kept = encode(made, "pointcloud", [PointCloud(cloud.xyz[order])])
    torch.testing.assert_close(kept, before, atol=1e-5, rtol=0)
    moved = encode(made, "pointcloud", [PointCloud(np.roll(cloud.xyz, 50, axis=0))])
    assert (moved - before).abs().max() > 1e-4


def test_farthest_points_are_those_of_the_definition() -> None:
    draw = np.random.default_rng(0)
    for start in (0, 17):
        xyz = draw.random((150, 3)).astype(np.float32)
        chosen = [start]
        for _ in range(39):
            distance = ((xyz[:, None].astype(float) - xyz[chosen].astype(float)) ** 2).sum(-1).min(axis=1)
            chosen.append(int(distance.argmax()))
        assert farthest_points(xyz, 40, start).tolist() == chosen
    # Of equally far ones the first; a cloud of one place gives its first point over and over.
    corners = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float32)
    assert farthest_points(corners, 4, 0).tolist() == [0, 1, 2, 3]
    assert farthest_points(np.zeros((9, 3), np.float32), 3, 4).tolist() == [4, 0, 0]


def test_pointnet2_passes_over_the_origin() -> None:
    ring = np.array([[math.cos(a), math.sin(a), 0] for a in np.linspace(0, 6, 12)], np.float32)
    xyz = np.vstack([ring, [[0.0, 0.0, 0.03]]]).astype(np.float32)
    assert 12 in farthest_points(xyz, 13, 0).tolist()
    assert 12 not in farthest_points(xyz, 12, 0, skip_origin=True).tolist()
    assert farthest_points(xyz, 3, 12, skip_origin=True)[0] == 12


def test_groups_are_the_nearest_points_minus_their_centre_and_nothing_more() -> None:
    draw = np.random.default_rng(0)
    # Far from the origin and of different density, so that a scale or a radius would show.
    points = (draw.normal(size=(300, 6)) ** 3 * 0.2 + 1).astype(np.float32)
    chosen = farthest_points(points[:, :3], 10, 0)
    groups, centres = group(torch.from_numpy(points), torch.from_numpy(chosen), 8)
    assert groups.shape == (10, 8, 6)
    assert np.array_equal(centres.numpy(), points[chosen, :3])
    for found, at in zip(groups.numpy(), chosen, strict=True):
        # By the coordinates alone, whatever the colours are.
        distance = ((points[:, :3].astype(float) - points[at, :3].astype(float)) ** 2).sum(axis=1)
        near = points[np.argsort(distance)[:8]]
        expected = np.hstack([near[:, :3] - points[at, :3], near[:, 3:]])
        assert sorted(map(tuple, found.tolist())) == sorted(map(tuple, expected.tolist()))
        assert (np.abs(found[:, :3]).sum(axis=1) == 0).sum() == 1


def test_neighbours_do_not_depend_on_how_many_centres_are_asked_for() -> None:
    # In float32, of 32 neighbours among 10,000 points some are within rounding of the next.
    xyz = torch.from_numpy(np.random.default_rng(0).random((10_000, 3)).astype(np.float32))
    centres = xyz[:400]
    whole = nearest(xyz, centres, 32).sort(dim=1).values
    parts = torch.cat([nearest(xyz, part, 32) for part in centres.split(7)]).sort(dim=1).values
    assert torch.equal(whole, parts)


def test_groups_stay_float32_in_a_network_of_16_bits(tmp_path: Path) -> None:
    # Neighbours 2e-4 apart cannot be told apart in bfloat16, nor can the points beside them at 1.
    draw = np.random.default_rng(0)
    near = (draw.random((200, 3)) * 2e-3 + 1).astype(np.float32)
    exact, _ = encoder(tmp_path, TINY)
    half, _ = encoder(tmp_path, TINY, {"dtype": "bfloat16"})
    assert half.compute_dtype == "bfloat16"
    seen: list[Tensor] = []
    half.module[0].point_encoder.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    encode(half, "pointcloud", [PointCloud(near)])
    expected: list[Tensor] = []
    exact.module[0].point_encoder.register_forward_pre_hook(lambda _, args: expected.append(args[0]))
    encode(exact, "pointcloud", [PointCloud(near)])
    assert seen[0].dtype == torch.bfloat16
    torch.testing.assert_close(seen[0], expected[0].bfloat16(), atol=0, rtol=0)
    assert expected[0].abs().max() < 3e-3
    for norm in (m for m in half.module.modules() if isinstance(m, nn.BatchNorm1d)):
        assert norm.running_var is not None
        assert norm.running_var.dtype == torch.float32


PREPARATION = CloudPreparation(channels=3, groups=24, neighbours=8)


def test_clouds_are_taken_raw_unless_told_otherwise() -> None:
    # As C-MCR feeds OpenShape's clouds: neither centred nor scaled, no point dropped.
    cloud = PointCloud((np.random.default_rng(0).random((500, 3)) * 3 + 5).astype(np.float32))
    points, _ = PREPARATION(cloud)
    assert np.array_equal(points, cloud.xyz)
    assert points is not cloud.xyz
    scaled, centres = replace(PREPARATION, normalize="unit-sphere")(cloud)
    centred = cloud.xyz.astype(float) - cloud.xyz.astype(float).mean(axis=0)
    np.testing.assert_allclose(scaled, centred / np.linalg.norm(centred, axis=1).max(), atol=1e-6)
    assert np.array_equal(centres, farthest_points(scaled, 24, 0))
    swapped, _ = replace(PREPARATION, swap_yz=True)(cloud)
    assert np.array_equal(swapped, cloud.xyz[:, [0, 2, 1]])


def test_colours_are_raw_and_missing_ones_grey() -> None:
    coloured = replace(PREPARATION, channels=6)
    cloud = clouds(1, coloured=True)[0]
    assert np.array_equal(coloured(cloud)[0], np.hstack([cloud.xyz, cloud.rgb]))
    plain, _ = coloured(PointCloud(cloud.xyz))
    assert (plain[:, 3:] == np.float32(0.4)).all()
    assert (replace(coloured, missing_colour=1.0)(PointCloud(cloud.xyz))[0][:, 3:] == 1).all()
    # An encoder without colours looks at none.
    assert np.array_equal(PREPARATION(cloud)[0], cloud.xyz)


def test_fewer_points_are_chosen_evenly_and_always_alike() -> None:
    cloud = PointCloud(np.random.default_rng(0).normal(size=(2000, 3)).astype(np.float32))
    fewer = replace(PREPARATION, points=100)
    points, _ = fewer(cloud)
    assert np.array_equal(points, cloud.xyz[farthest_points(cloud.xyz, 100, 0)])
    assert np.array_equal(fewer(cloud)[0], points)
    assert len(replace(PREPARATION, points=5000)(cloud)[0]) == 2000
    large = PointCloud(np.random.default_rng(0).normal(size=(200_000, 3)).astype(np.float32))
    assert len(fewer(large)[0]) == 100
    assert np.array_equal(fewer(large)[0], fewer(large)[0])
    refused(Reason.DATA_CORRUPT, lambda: PREPARATION(large), "200000 points", "option points")


def test_random_start_depends_on_cloud_and_seed_alone(tmp_path: Path) -> None:
    options: dict[str, object] = {"sampling": "random", "samplingSeed": 3}
    made, state = encoder(tmp_path, TINY, options)
    items = clouds(6, least=100)
    single = torch.cat([encode(made, "pointcloud", [item]) for item in items])
    torch.testing.assert_close(encode(made, "pointcloud", items[::-1]).flip(0), single, atol=1e-5, rtol=0)
    starts = [int(made.preparation("pointcloud")(item)[1][0]) for item in items]
    assert len(set(starts)) > 3
    for item, start, row in zip(items[:2], starts, single, strict=False):
        expected = torch.tensor(reference(state, POINTS, item.xyz, start))[None]
        assert_same_directions(row[None], expected, least=0.9999999)
    other, _ = encoder(tmp_path, TINY, {"sampling": "random", "samplingSeed": 4})
    assert [int(other.preparation("pointcloud")(item)[1][0]) for item in items] != starts


def test_unusable_clouds_are_refused() -> None:
    few = PointCloud(np.zeros((23, 3), np.float32))
    refused(Reason.DATA_CORRUPT, lambda: PREPARATION(few), "23 points", "needs 24")
    bad = clouds(1)[0]
    bad.xyz[3, 1] = np.nan
    refused(Reason.DATA_CORRUPT, lambda: PREPARATION(bad), "not finite")
    flat = PointCloud(np.ones((50, 3), np.float32))
    refused(Reason.DATA_CORRUPT, lambda: replace(PREPARATION, normalize="unit-sphere")(flat), "in one place")
    refused(Reason.CONFIG_INVALID, lambda: PREPARATION("a chair"), "point cloud")
