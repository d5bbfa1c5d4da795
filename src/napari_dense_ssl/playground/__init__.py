"""Self-supervised methods at work on data whose truth is known: mixtures in the plane, and digits.

May import torch, scikit-learn, scikit-image, matplotlib, ``model`` and ``core``. Begin with
:func:`learn_digits` in ``digits/training.py``.
"""
