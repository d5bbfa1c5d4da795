"""The package's front door: what it gives, and what it does not import."""

from __future__ import annotations

import inspect
import subprocess
import sys
from importlib.metadata import version

import pytest

import napari_dense_ssl

HEAVY = {"torch", "timm", "dask", "zarr", "napari", "qtpy", "matplotlib", "sklearn", "skimage", "scipy"}


FIRST = {
    "open_volume": "source",
    "train": "volume",
    "predict": "volume",
    "probe": "volume",
    "audit": "volume",
    "evaluate": "prediction",
    "export_model": "run",
    "import_model": "source",
}
"""The functions at the front door, and what each takes first."""


def _imported(code: str) -> set[str]:
    """Run code in a fresh interpreter and return the top-level packages that it imported."""
    program = f"{code}\nimport sys; print(' '.join({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("name", [*FIRST])
@pytest.mark.parametrize("before", ["", "import napari_dense_ssl.predict, napari_dense_ssl.evaluate"])
def test_functions_are_callable_whatever_was_imported_before(name: str, before: str) -> None:
    code = f"{before}\nfrom napari_dense_ssl import {name}\nimport inspect\n"
    code += f"assert callable({name}), {name}\nprint(list(inspect.signature({name}).parameters))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"['{FIRST[name]}'")


def test_rooms_that_bear_a_functions_name_are_still_rooms() -> None:
    from napari_dense_ssl import evaluate
    from napari_dense_ssl.evaluate import Scores

    assert inspect.ismodule(evaluate)
    assert evaluate.Scores is Scores
    assert evaluate([[1, 2]], [[1, 2]]).mi_frac == pytest.approx(1)


def test_version_is_that_of_the_distribution() -> None:
    assert napari_dense_ssl.__version__ == version("napari-dense-ssl")


def test_names_are_listed_and_unknown_ones_are_refused() -> None:
    assert set(napari_dense_ssl.__all__) <= set(dir(napari_dense_ssl))
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        _ = napari_dense_ssl.nonsense


def test_importing_the_package_imports_nothing_heavy() -> None:
    assert not _imported("import napari_dense_ssl") & HEAVY


@pytest.mark.parametrize(
    "arguments",
    [
        "--help",
        "train --help",
        "predict --help",
        "probe --help",
        "audit --help",
        "export --help",
        "import --help",
        "digits --help",
        "playground --help",
        "recipes",
        "--version",
    ],
)
def test_help_and_recipes_import_nothing_heavy(arguments: str) -> None:
    code = (
        "from napari_dense_ssl.cli.main import app\n"
        f"try:\n    app({arguments.split()!r})\n"
        "except SystemExit as leave:\n    assert leave.code == 0, leave.code"
    )
    assert not _imported(code) & HEAVY


def test_info_imports_no_torch() -> None:
    code = (
        "from napari_dense_ssl.cli.main import app\n"
        "try:\n    app(['info', 'sample:em?shape=4x64x64'])\n"
        "except SystemExit as leave:\n    assert leave.code == 0"
    )
    assert not _imported(code) & {"torch", "timm", "napari", "qtpy"}
