"""Each attribute is in the surfaces, the images and the clouds, by simple measurements."""

import numpy as np
import pytest

from cmcr_worker.decoding.pointcloud import PointCloud
from cmcr_worker.generators.registry import generator
from cmcr_worker.generators.things.attributes import ATTRIBUTES, COMBINATIONS, SIZES
from cmcr_worker.generators.things.bodies import BODIES
from cmcr_worker.generators.things.draws import nuisances_of
from cmcr_worker.generators.things.images import camera_rotations, splatted
from cmcr_worker.generators.things.posing import POINTS, thing
from cmcr_worker.generators.things.surfaces import box, revolved

things = generator("things")
COUNT = 500


def labels(name: str) -> np.ndarray:
    columns = things.attributes("test", 0, range(COUNT))
    return next(column.labels for column in columns if column.name == name)


def clouds() -> np.ndarray:
    rendered = things.render("pointcloud", "test", 0, range(COUNT))
    return np.stack([cloud.xyz for cloud in rendered if isinstance(cloud, PointCloud)])


def images() -> np.ndarray:
    return np.stack(things.render("image", "test", 0, range(COUNT))).astype(np.float64)


def class_means(values: np.ndarray, of: np.ndarray) -> np.ndarray:
    return np.array([values[of == label].mean() for label in range(int(of.max()) + 1)])


def covered(pixels: np.ndarray) -> np.ndarray:
    """Where a pixel is not grey, (n, 32, 32): things are coloured, backgrounds are not."""
    return np.ptp(pixels, axis=-1) > 50


@pytest.mark.parametrize("shape", sorted(BODIES))
def test_bodies_are_closed_and_of_one_size(shape: str) -> None:
    body = BODIES[shape]()
    surface = body.surface
    np.testing.assert_allclose(np.linalg.norm(surface.normals, axis=1), 1)
    # Of a closed surface the normals, weighted by area, cancel: the divergence theorem of a constant.
    flow = (surface.normals * surface.areas[:, None]).sum(axis=0) / surface.areas.sum()
    np.testing.assert_allclose(flow, 0, atol=0.03)
    # And the flow of the place is three times the volume, so positive where normals point outwards.
    assert (surface.points * surface.normals).sum(axis=1) @ surface.areas > 0
    assert surface.points[:, 2].min() == pytest.approx(body.bottom, abs=0.08)
    assert surface.points[:, 2].max() == pytest.approx(body.summit, abs=0.08)
    assert 0.75 < np.abs(surface.points[:, 0]).max() < 1.05


def test_areas_and_normals_follow_a_stretching() -> None:
    cylinder = revolved([(0.0, -1.0), (1.0, -1.0), (1.0, 1.0), (0.0, 1.0)])
    assert cylinder.areas.sum() == pytest.approx(6 * np.pi, rel=0.01)
    stretched = cylinder.scaled((2.0, 2.0, 0.5))
    assert stretched.areas.sum() == pytest.approx(2 * np.pi * 4 + 4 * np.pi, rel=0.01)
    brick = box((1.0, 1.0, 1.0)).scaled((1.0, 2.0, 3.0))
    assert brick.areas.sum() == pytest.approx(2 * (8 + 12 + 24), rel=0.01)
    slanted = revolved([(0.0, -1.0), (1.0, -1.0), (0.0, 1.0)]).scaled((1.0, 1.0, 2.0))
    side = slanted.where(slanted.normals[:, 2] > 0)
    # A cone of radius 1 and height 4.
    np.testing.assert_allclose(side.normals[:, 2], 1 / np.sqrt(17), rtol=1e-6)
    thinned = stretched.thinned(3000)
    on_lids = np.abs(thinned.normals[:, 2]) > 0.5
    assert on_lids.mean() == pytest.approx(8 / 12, abs=0.01)


def test_every_thing_has_its_points_about_the_middle_of_its_height() -> None:
    for combination in range(0, COMBINATIONS, 37):
        points, normals = thing(combination)
        assert points.shape == normals.shape == (POINTS, 3)
        assert points.dtype == normals.dtype == np.float32
        assert points[:, 2].min() + points[:, 2].max() == pytest.approx(0, abs=1e-5)
        np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("name", [attribute.name for attribute in ATTRIBUTES])
def test_no_two_values_of_an_attribute_look_alike(name: str) -> None:
    place = [attribute.name for attribute in ATTRIBUTES].index(name)
    row = [0, 2, 1, 0, 0, 0]  # A tall ball; a round one leans without a trace.
    seen = []
    for value in range(SIZES[place]):
        row[place] = value
        points, _ = thing(int(np.ravel_multi_index(row, SIZES)))
        seen.append(points)
    for first in range(len(seen)):
        for second in range(first):
            there, back = (
                np.linalg.norm(a[::4, None] - b[None], axis=2).min(axis=1).max()
                for a, b in ((seen[first], seen[second]), (seen[second], seen[first]))
            )
            # In a view of 3.1 by 32 pixels, one is 0.1.
            assert max(there, back) > 0.12


def test_size_and_elongation_are_in_the_clouds() -> None:
    xyz = clouds()
    plane = np.linalg.norm(xyz[..., :2], axis=2)
    assert (np.diff(class_means(np.linalg.norm(xyz, axis=2).mean(axis=1), labels("size"))) > 0.1).all()
    slender = np.ptp(xyz[..., 2], axis=1) / plane.mean(axis=1)
    assert (np.diff(class_means(slender, labels("elongation"))) > 0.5).all()


def test_clouds_are_turned_about_the_vertical() -> None:
    # Which way a tall thing leans: the covariance of height and place. Unturned it is one way for all.
    xyz = clouds()[(labels("tilt") == 1) & (labels("elongation") == 2)]
    assert len(xyz) > 50
    centred = xyz - xyz.mean(axis=1, keepdims=True)
    across = (centred[..., :2] * centred[..., 2:]).mean(axis=1)
    ways = across / np.linalg.norm(across, axis=1, keepdims=True)
    assert np.linalg.norm(ways.mean(axis=0)) < 0.35
    points, _ = thing(int(np.ravel_multi_index([3, 2, 2, 1, 0, 0], SIZES)))
    assert points[:, 0] @ points[:, 2] > 5 * abs(points[:, 1] @ points[:, 2])


def test_points_of_clouds_are_blurred_off_the_surface() -> None:
    # Wherever the surface is a ball alone, the distance from its middle has the noise as its spread.
    names = things.captions("clouds", 0, range(4000))
    found = [i for i, name in enumerate(names) if "regular" in name and name.endswith("ball, free, bare")]
    assert len(found) >= 3
    for cloud in things.render("pointcloud", "clouds", 0, found):
        assert isinstance(cloud, PointCloud)
        assert 0.015 < np.linalg.norm(cloud.xyz, axis=1).std() < 0.025


def test_size_colour_and_background_are_in_the_images() -> None:
    pixels = images()
    seen = covered(pixels)
    area = seen.sum(axis=(1, 2))
    assert (np.diff(class_means(area, labels("size"))) > 40).all()
    assert area.mean() > 150, "things must fill the view"
    colour, background = nuisances_of("test", 0, range(COUNT)).T
    mean = (pixels * seen[..., None]).sum(axis=(1, 2)) / area[:, None]
    red, green, blue = mean.T
    assert (np.diff(class_means(green - red, colour)[:4]) > 8).all()
    assert class_means(blue - red, colour).argmax() == 4
    corners = pixels[:, [0, 0, -1, -1], [0, -1, 0, -1]].mean(axis=2)
    dark, bright = class_means(np.median(corners, axis=1), background)
    assert dark < 40
    assert bright > 200


def test_what_stands_on_a_thing_is_seen_above_it() -> None:
    seen = covered(images())
    height = np.array([np.flatnonzero(rows.any(axis=1)).size for rows in seen])
    bare, knob, antenna = class_means(height, labels("top"))
    assert bare + 1 < min(knob, antenna)
    free, _, pole = class_means(height, labels("base"))
    assert free + 1 < pole


def test_solid_things_have_no_holes() -> None:
    # Before a bright background each row of pixels of a convex body is one run, but for a step at an edge.
    shape, base, top = labels("shape"), labels("base"), labels("top")
    bright = nuisances_of("test", 0, range(COUNT))[:, 1] == 1
    convex = np.flatnonzero(np.isin(shape, [0, 1, 2, 3, 5]) & (base == 0) & (top == 0) & bright)
    assert len(convex) >= 8
    seen = images()[convex].min(axis=3) < 170
    edges = np.abs(np.diff(np.pad(seen.astype(int), ((0, 0), (0, 0), (1, 1))), axis=2)).sum(axis=2)
    assert (edges <= 2).mean() > 0.97


def test_of_several_points_in_a_pixel_the_nearest_that_faces_the_viewer_is_seen() -> None:
    points = np.array([[[0.0, 0, 0.5], [0.0, 0, 0.9], [0.0, 0, 0.1], [0.0, 0, 1.0]]], np.float32)
    facing = np.array([[True, True, True, False]])
    for order in ([0, 1, 2, 3], [3, 2, 1, 0], [1, 0, 3, 2]):
        shade = np.array([[0.5, 0.9, 0.1, 1.0]], np.float32)[:, order]
        seen = splatted(points[:, order], facing[:, order], shade)[0]
        np.testing.assert_array_equal(seen[15:17, 15:17], np.float32(0.9))
        assert (seen >= 0).sum() == 4
    # What lies beyond the edge is not seen, nor does it come in on the other side.
    beyond = np.array([[[9.0, 0, 0], [0, -9.0, 0]]], np.float32)
    assert (splatted(beyond, np.ones((1, 2), bool), np.ones((1, 2), np.float32)) == -1).all()


def test_things_are_lit() -> None:
    # The side towards the light is more than twice as bright as what no light reaches.
    brightest = np.percentile(
        images().max(axis=3)[nuisances_of("test", 0, range(COUNT))[:, 1] == 0], 99.5, axis=(1, 2)
    )
    assert np.median(brightest) > 180


def test_things_are_seen_from_above() -> None:
    camera = camera_rotations(np.zeros(1, np.float32), np.radians(np.full(1, 20, np.float32)))[0]
    np.testing.assert_allclose(camera @ camera.T, np.eye(3), atol=1e-6)
    assert np.linalg.det(camera) == pytest.approx(1, abs=1e-6)
    assert camera[1, 2] > 0.9, "up is up"
    assert camera[2, 2] == pytest.approx(np.sin(np.radians(20)), abs=1e-6)
