"""Results that were written to a file: opened again they can be compared."""

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Layer

import bgrem_core
from bgrem_core import samples
from napari_bgrem.commands import compare
from napari_bgrem.compared import comparison_of, newest_groups
from napari_bgrem.image_of import image_of
from napari_bgrem.mark import mark_of, marked
from napari_bgrem.products import result_layers
from napari_bgrem.reader import read_fits
from napari_bgrem.reopened import SUM
from napari_bgrem.writer import write_layers


@pytest.fixture(scope="module")
def result():
    return bgrem_core.clean(samples.path("decam_r"), method="mesh")


def written(result, path, **options):
    bgrem_core.write(result, path, layers=True, **options)
    return path


def viewer_of(*paths):
    viewer = ViewerModel()
    for path in paths:
        for made in read_fits(path):
            viewer.add_layer(Layer.create(*made))
    return viewer


def test_a_result_from_a_file_is_compared_with_its_original(result, tmp_path):
    viewer = viewer_of(written(result, tmp_path / "BGRem_x.fits"))
    shown = [layer.name for layer in viewer.layers if layer.visible]
    assert [mark_of(viewer.layers[name]).role for name in shown] == ["cleaned"]
    compare(viewer)
    groups = [group[0] for group in comparison_of(viewer).groups]
    assert [mark_of(x).role for x in groups] == ["original", "cleaned", "residual"]
    assert groups[0].name == f"BGRem_x: {SUM}"
    for layer, plane in zip(
        groups, (result.image.data, result.cleaned, result.residual), strict=True
    ):
        near = np.spacing(np.abs(result.image.data).max())
        np.testing.assert_allclose(layer.data, plane, rtol=0, atol=near)
        np.testing.assert_array_equal(layer.scale, groups[0].scale)
    compare(viewer)


def test_its_original_can_be_cleaned_again(result, tmp_path):
    viewer = viewer_of(written(result, tmp_path / "BGRem_x.fits"))
    image = image_of(marked(viewer, "original")[0])
    assert image is mark_of(marked(viewer, "cleaned")[0]).image
    assert not [key for key in image.header if key.startswith("BGR")]
    assert image.wcs is not None
    again = bgrem_core.clean(image, method="mesh")
    np.testing.assert_allclose(
        again.cleaned, result.cleaned, rtol=0, atol=0.01 * result.scale.median_sigma
    )


def test_what_was_masked_by_the_user_still_is_and_what_was_missing_too(tmp_path):
    rng = np.random.default_rng(2)
    frame = rng.normal(100, 5, (80, 90)).astype(np.float32)
    frame[3, 4] = np.nan
    mask = np.zeros(frame.shape, bool)
    mask[20:24, 30:34] = True
    first = bgrem_core.clean(bgrem_core.open_image(frame, mask=mask), method="mesh")
    viewer = viewer_of(written(first, tmp_path / "BGRem_m.fits"))
    image = image_of(marked(viewer, "original")[0])
    assert np.isnan(image.data[3, 4])
    assert image.mask[3, 4]
    assert image.mask[20:24, 30:34].all()
    assert image.mask.sum() == mask.sum() + 1


def test_an_original_that_was_saved_too_is_the_one_compared(result, tmp_path):
    viewer = viewer_of(samples.path("decam_r"))
    for made in result_layers(result, like=viewer.layers[0], run="1"):
        viewer.add_layer(Layer.create(*made))
    path = tmp_path / "all.fits"
    chosen = [layer.as_layer_data_tuple() for layer in viewer.layers]
    write_layers(str(path), chosen)
    again = viewer_of(path)
    (original,) = marked(again, "original")
    np.testing.assert_array_equal(original.data, result.image.data)
    assert newest_groups(again)[0][0] is original
    assert image_of(original) is mark_of(original).image


def test_two_files_are_two_results(result, tmp_path):
    half = bgrem_core.clean(samples.path("decam_i"), method="mesh")
    viewer = viewer_of(
        written(result, tmp_path / "BGRem_a.fits"),
        written(half, tmp_path / "BGRem_b.fits"),
    )
    names = [group[0].name for group in newest_groups(viewer)]
    assert len(names) == 3
    assert all(name.startswith("BGRem_b") for name in names)
    for layer in marked(viewer, "original")[1:]:
        viewer.layers.remove(layer)
    assert len(newest_groups(viewer)) == 2


def test_a_cleaned_image_alone_is_no_comparison(result, tmp_path):
    path = tmp_path / "BGRem_x.fits"
    bgrem_core.write(result, path)
    viewer = viewer_of(path)
    assert [mark_of(layer).role for layer in viewer.layers] == ["cleaned"]
    assert len(newest_groups(viewer)) < 2
