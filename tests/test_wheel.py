"""The built wheel: all rooms and the manifest are in it, and it loads from where it was installed."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

CHECK = """
import sys
from importlib.metadata import entry_points
from pathlib import Path
here = Path(sys.argv[1])
sys.path.insert(0, str(here))
import napari_dense_ssl
assert Path(napari_dense_ssl.__file__).is_relative_to(here), napari_dense_ssl.__file__
found = [entry for entry in entry_points(group="napari.manifest") if entry.name == "napari-dense-ssl"]
assert here in Path(found[0].dist._path).parents, found
from npe2 import PluginManifest
manifest = PluginManifest.from_distribution("napari-dense-ssl")
manifest.validate_imports()
print(len(manifest.contributions.widgets), len(manifest.contributions.readers))
from napari_dense_ssl.cli.main import app
app(["--version"])
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Path:
    """Build the wheel from the checkout."""
    out = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(root)],
        check=True,
        capture_output=True,
    )
    (built,) = out.glob("napari_dense_ssl-*.whl")
    return built


def test_every_module_and_the_manifest_are_in_the_wheel(wheel: Path, root: Path) -> None:
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    source = root / "src"
    kept = {
        path.relative_to(source).as_posix()
        for path in source.rglob("*")
        if path.is_file() and path.suffix in {".py", ".yaml", ".typed", ".svg"}
    }
    assert kept == packed
    assert {"napari_dense_ssl/napari.yaml", "napari_dense_ssl/py.typed"} <= packed


def test_the_licence_and_the_commands_are_in_the_wheel(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        entry = archive.read(next(n for n in names if n.endswith("entry_points.txt"))).decode()
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert "napari-dense-ssl = napari_dense_ssl.cli:main" in entry
    assert "napari-dense-ssl = napari_dense_ssl:napari.yaml" in entry


def test_the_installed_wheel_loads_its_manifest_and_its_commands(wheel: Path, tmp_path: Path) -> None:
    target = tmp_path / "site"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(target), str(wheel)],
        check=True,
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", CHECK, str(target)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    docks, readers = (int(number) for number in done.stdout.splitlines()[0].split())
    assert docks >= 3
    assert readers >= 1
    assert done.stdout.splitlines()[1].startswith("napari-dense-ssl ")


def test_the_manifest_at_the_top_level_is_the_packaged_one(root: Path) -> None:
    assert (root / "napari.yaml").read_text() == (
        root / "src" / "napari_dense_ssl" / "napari.yaml"
    ).read_text()
