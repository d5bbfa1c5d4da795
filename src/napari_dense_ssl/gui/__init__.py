"""The napari plugin: reader, samples, docks. The only room that knows Qt and napari.

May import everything; what needs torch is imported in a job's thread, when the first job starts, so that
opening a dock costs no torch. Begin with :mod:`~napari_dense_ssl.gui.job` (threads end there),
:mod:`~napari_dense_ssl.gui.layers` (volumes as layers and back), and then one file a dock:
:mod:`~napari_dense_ssl.gui.volume_dock`, :mod:`~napari_dense_ssl.gui.train_dock`,
:mod:`~napari_dense_ssl.gui.classes_dock`, :mod:`~napari_dense_ssl.gui.playground_dock` (a file a tab). The
manifest is ``napari.yaml`` beside this package.
"""
