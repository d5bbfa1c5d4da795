"""The command line: the only room that prints.

Each command is a file; :mod:`~napari_dense_ssl.cli.main` gathers them and turns errors into one
sentence, :mod:`~napari_dense_ssl.cli.progress` follows a job's events. May import every room but ``gui``
(napari is started through its own entry points), heavy ones only inside a command, so that
``--help`` answers at once. Begin with :mod:`~napari_dense_ssl.cli.main`.
"""


def main() -> None:
    """Run the command line on ``sys.argv`` and exit."""
    from napari_dense_ssl.cli.main import app

    app(prog_name="napari-dense-ssl")
