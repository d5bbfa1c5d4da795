import pytest

from napari_dense_ssl.volume.attributes import world_from_attributes
from napari_dense_ssl.volume.units import nanometres


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        ("nanometer", 1.0),
        ("nm", 1.0),
        ("Nanometers", 1.0),
        ("nanometre", 1.0),
        ("micrometer", 1e3),
        ("µm", 1e3),  # micro sign
        ("μm", 1e3),  # Greek mu
        ("\\u00B5m", 1e3),  # as ImageJ escapes it
        ("um", 1e3),
        ("micron", 1e3),
        ("microns", 1e3),
        ("angstrom", 0.1),
        ("Å", 0.1),
        ("\u212b", 0.1),
        ("pm", 1e-3),
        ("Pm", 1e24),
        ("mm", 1e6),
        ("Mm", 1e15),
        ("millimeter", 1e6),
        ("meter", 1e9),
        ("inch", 25.4e6),
        ("foot", 304.8e6),
        ("yoctometer", 1e-15),
        ("pixel", None),
        ("reference frame", None),
        ("second", None),
        ("", None),
        (None, None),
    ],
)
def test_units_become_nanometres(unit, expected):
    found = nanometres(unit)
    assert found == (None if expected is None else pytest.approx(expected))


@pytest.mark.parametrize(
    ("attributes", "size", "offset"),
    [
        ({"element_size_um": [0.05, 0.004, 0.004]}, (50, 4, 4), None),
        ({"resolution": [40, 4, 4], "offset": [400, 8, 8]}, (40, 4, 4), (400, 8, 8)),
        ({"voxel_size": [0.04, 0.004, 0.004], "units": ["um"] * 3}, (40, 4, 4), None),
        ({"voxel_size": [2, 40, 4, 4]}, (40, 4, 4), None),
        ({"pixelResolution": {"dimensions": [4.0, 4.0, 40.0], "unit": "nm"}}, (40, 4, 4), None),
        ({"resolution": [40, 4, 4], "unit": "pixel"}, None, None),
        ({"resolution": [0, 4, 4]}, None, None),
        ({"resolution": [4, 4]}, None, None),
        ({"resolution": "coarse"}, None, None),
        ({"voxel_size": [float("nan"), 1, 1]}, None, None),
        ({}, None, None),
    ],
)
def test_attributes_of_em_tools_are_understood(attributes, size, offset):
    scale, translation = world_from_attributes(attributes)
    assert scale == ({} if size is None else pytest.approx(dict(zip("zyx", size, strict=True))))
    assert translation == ({} if offset is None else pytest.approx(dict(zip("zyx", offset, strict=True))))
