"""Lengths in every unit that microscopes' files use, to nanometres."""

from __future__ import annotations

_PREFIXES = {
    "yotta": 24, "zetta": 21, "exa": 18, "peta": 15, "tera": 12, "giga": 9, "mega": 6, "kilo": 3, "hecto": 2,
    "deca": 1, "": 0, "deci": -1, "centi": -2, "milli": -3, "micro": -6, "nano": -9, "pico": -12,
    "femto": -15, "atto": -18, "zepto": -21, "yocto": -24,
}  # fmt: skip
_SYMBOLS = {
    "Ym": 24, "Zm": 21, "Em": 18, "Pm": 15, "Tm": 12, "Gm": 9, "Mm": 6, "km": 3, "hm": 2, "dam": 1, "m": 0,
    "dm": -1, "cm": -2, "mm": -3, "um": -6, "nm": -9, "pm": -12, "fm": -15, "am": -18, "zm": -21, "ym": -24,
}  # fmt: skip
_NANOMETRES: dict[str, float] = {
    **{f"{prefix}meter": 10.0 ** (power + 9) for prefix, power in _PREFIXES.items()},
    "angstrom": 0.1,
    "micron": 1e3,
    "inch": 25.4e6,
    "foot": 304.8e6,
    "yard": 914.4e6,
    "mile": 1609.344e9,
    "parsec": 3.0857e25,
}
# Symbols keep their case: pm is a picometre, Pm a petametre.
_BY_SYMBOL: dict[str, float] = {
    **{symbol: 10.0 ** (power + 9) for symbol, power in _SYMBOLS.items()},
    "A": 0.1,
    "Å": 0.1,
    "in": 25.4e6,
    "ft": 304.8e6,
    "yd": 914.4e6,
    "mi": 1609.344e9,
}


def nanometres(unit: str | None) -> float | None:
    """Return how many nanometres a unit of length has, or None when it is none.

    Parameters
    ----------
    unit : str or None
        A name (``"micrometer"``, ``"microns"``, ``"angstrom"``) or a symbol (``"µm"``, ``"Å"``), as written
        by NGFF, OME-XML, ImageJ and HDF5 attributes. ``"pixel"``, ``"reference frame"`` and the like are
        no lengths.

    Examples
    --------
    >>> nanometres("micrometer"), nanometres("µm"), nanometres("pixel")
    (1000.0, 1000.0, None)
    """
    if unit is None:
        return None
    # Micro sign and Greek mu, Angstrom sign and A with ring, are different characters; ImageJ escapes them.
    text = unit.strip().replace("\\u00B5", "u").replace("\\u00b5", "u").replace("µ", "u").replace("μ", "u")
    text = text.replace("\u212b", "Å").replace("\\u00C5", "Å")
    if text in _BY_SYMBOL:
        return _BY_SYMBOL[text]
    name = (
        text.lower().replace("metre", "meter").replace("ångström", "angstrom").replace("ångstrom", "angstrom")
    )
    for candidate in (name, name.removesuffix("s")):
        if candidate in _NANOMETRES:
            return _NANOMETRES[candidate]
    return None
