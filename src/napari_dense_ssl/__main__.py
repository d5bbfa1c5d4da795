"""``python -m napari_dense_ssl``: the command line."""

from napari_dense_ssl.cli import main

if __name__ == "__main__":
    main()
