"""Settings of the playground: the data, the training, and what each method has of its own (no torch here).

The dock's form and the command's flags are drawn from these.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from napari_dense_ssl.core.errors import SettingsError

Regulariser = Literal["none", "vicreg", "sigreg"]


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Pairs(_Settings):
    """What all methods share that compare a point with a perturbed one."""

    noise: float = Field(
        0.3,
        gt=0,
        le=10,
        title="Perturbation",
        description="Standard deviation of what is added to x to make x'.",
        json_schema_extra={"unit": "data units"},
    )


class ContrastiveSettings(_Pairs):
    """InfoNCE."""

    kind: Literal["contrastive"] = Field("contrastive", title="Method")
    temperature: float = Field(
        0.2, gt=0, le=10, title="Temperature", description="Cosines are divided by it before the softmax."
    )


class DSMSettings(_Settings):
    """Denoising score matching."""

    kind: Literal["dsm"] = Field("dsm", title="Method")
    noise_low: float = Field(
        0.3,
        gt=0,
        le=10,
        title="Least noise",
        description="Standard deviation of the weakest noise level; the landscape is shown at it.",
        json_schema_extra={"unit": "data units"},
    )
    noise_high: float = Field(
        6.0,
        gt=0,
        le=100,
        title="Greatest noise",
        description="Standard deviation of the strongest noise level, about the extent of the data.",
        json_schema_extra={"unit": "data units"},
    )
    levels: int = Field(
        6,
        ge=1,
        le=32,
        title="Noise levels",
        description="How many, in geometric steps from least to greatest.",
    )


class _Regularised(_Pairs):
    """A joint embedding with an optional term against collapse."""

    regulariser: Regulariser = Field(
        "none",
        title="Against collapse",
        description="none: the seed's loss, on the unit circle or sphere. vicreg, sigreg: a term that asks "
        "for spread, on embeddings that are not normalised.",
    )


class JepaBasicSettings(_Regularised):
    """Each point against its own perturbation."""

    kind: Literal["jepa-basic"] = Field("jepa-basic", title="Method")


class JepaPairwiseSettings(_Regularised):
    """Each point against all perturbed points."""

    kind: Literal["jepa-pairwise"] = Field("jepa-pairwise", title="Method")


class JepaMaskedSettings(_Settings):
    """The embedding of a point predicted from one of its coordinates."""

    kind: Literal["jepa-masked"] = Field("jepa-masked", title="Method")
    decay: float = Field(
        0.99, ge=0, lt=1, title="Averaging", description="Decay a step of the target network's average."
    )


class JepaEmaSettings(_Pairs):
    """BYOL."""

    kind: Literal["jepa-ema"] = Field("jepa-ema", title="Method")
    decay: float = Field(
        0.99,
        ge=0,
        lt=1,
        title="Averaging",
        description="Decay a step of the target network's average; 0: the target is the network itself.",
    )
    predictor: bool = Field(
        True, title="Predictor", description="A network between the online embedding and the target."
    )
    stop_gradient: bool = Field(
        True, title="Stop gradient", description="Let no gradient into the target; without averaging only."
    )


class VicregSettings(_Pairs):
    """Variance, invariance, covariance."""

    kind: Literal["vicreg"] = Field("vicreg", title="Method")
    invariance: float = Field(25.0, gt=0, title="Invariance", description="Weight of the distance of a pair.")
    variance: float = Field(25.0, ge=0, title="Variance", description="Weight of the hinge on the spread.")
    covariance: float = Field(1.0, ge=0, title="Covariance", description="Weight of what dimensions share.")


class LejepaSettings(_Pairs):
    """LeJEPA: SIGReg in place of every heuristic."""

    kind: Literal["lejepa"] = Field("lejepa", title="Method")
    views: int = Field(2, ge=2, le=8, title="Views", description="How many perturbations of a point.")
    share: float = Field(
        0.05,
        gt=0,
        lt=1,
        title="Weight of SIGReg",
        description="lambda; the distance of views has 1 - lambda.",
    )


MODELS: dict[str, type[BaseModel]] = {
    "contrastive": ContrastiveSettings,
    "dsm": DSMSettings,
    "jepa-basic": JepaBasicSettings,
    "jepa-pairwise": JepaPairwiseSettings,
    "jepa-masked": JepaMaskedSettings,
    "jepa-ema": JepaEmaSettings,
    "vicreg": VicregSettings,
    "lejepa": LejepaSettings,
}
"""Settings of the methods by name, in the order of the seed."""

SENTENCES = {
    "contrastive": "InfoNCE: a point next to its perturbation, away from all others.",
    "dsm": "Denoising score matching: an energy whose gradient points back to the data.",
    "jepa-basic": "A point next to its perturbation, and nothing else: collapses.",
    "jepa-pairwise": "Each point next to every perturbed one: collapse is its only minimum.",
    "jepa-masked": "The embedding of a point predicted from one of its coordinates.",
    "jepa-ema": "BYOL: predict what an average of the network makes of the perturbation.",
    "vicreg": "A point next to its perturbation, with spread asked for in every dimension.",
    "lejepa": "A point next to its perturbation, the whole distributed as N(0, I).",
}
"""A sentence each."""


def _known_method(value: Any) -> Any:
    kind = value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None)
    if kind not in MODELS:
        raise ValueError(f"one of {', '.join(MODELS)}; {kind!r} came")
    return value


MethodSettings = Annotated[
    ContrastiveSettings
    | DSMSettings
    | JepaBasicSettings
    | JepaPairwiseSettings
    | JepaMaskedSettings
    | JepaEmaSettings
    | VicregSettings
    | LejepaSettings,
    Field(discriminator="kind"),
    BeforeValidator(_known_method),
]


class PlaygroundSettings(_Settings):
    """Everything that decides the outcome of a run."""

    method: MethodSettings = Field(default_factory=DSMSettings, title="Method")
    data: Literal["mixture", "moons", "rings", "spiral"] = Field(
        "mixture", title="Data", description="mixture: the seed's three Gaussians."
    )
    points: int = Field(
        5000, ge=100, le=1_000_000, title="Points", description="How many are drawn to train on."
    )
    redraw: bool = Field(
        True,
        title="Redraw",
        description="Draw new points for every epoch, since the distribution is known; else the same "
        "points come again, and what they say by chance is learned too.",
    )
    epochs: int = Field(40, ge=1, le=100_000, title="Epochs", description="Passes over the points.")
    batch: int = Field(250, ge=2, le=100_000, title="Batch", description="Points a step.")
    embedding: int = Field(
        2, ge=1, le=256, title="Embedding", description="Dimensions; 2 and 3 are shown as points."
    )
    width: int = Field(64, ge=4, le=1024, title="Width", description="Units in each of the two layers.")
    learning_rate: float = Field(
        1e-2, gt=0, le=1, title="Learning rate", description="Of Adam, at the start; a cosine takes it to 0."
    )
    frames: int = Field(
        40, ge=1, le=1000, title="Frames", description="Pictures over the training, closer at its start."
    )
    resolution: int = Field(
        96,
        ge=8,
        le=1024,
        title="Resolution",
        description="Edge of the landscape.",
        json_schema_extra={"unit": "px"},
    )
    walkers: int = Field(
        250, ge=0, le=100_000, title="Walkers", description="Langevin samples that move in the landscape."
    )
    seed: int = Field(
        0, ge=0, lt=2**31, title="Seed", description="Of the points, the network and the noise."
    )

    @property
    def steps(self) -> int:
        """Optimiser steps in all."""
        return self.epochs * max(1, self.points // self.batch)


def playground_settings(method: str, **values: Any) -> PlaygroundSettings:
    """Return the settings of a method by its name.

    Parameters
    ----------
    method : str
        One of :data:`MODELS`.
    **values
        Of :class:`PlaygroundSettings`, or of the method's own.

    Raises
    ------
    SettingsError
        If the method or a name is unknown.
    pydantic.ValidationError
        If a value is out of its limits.
    """
    if method not in MODELS:
        raise SettingsError(f"The method {method!r} is unknown; expected one of {', '.join(MODELS)}.")
    own = set(MODELS[method].model_fields) - {"kind"}
    known = own | (set(PlaygroundSettings.model_fields) - {"method"})
    for name in values:
        if name not in known:
            raise SettingsError(
                f"The setting {name!r} is unknown to {method}; expected one of {', '.join(sorted(known))}."
            )
    inside = {name: values.pop(name) for name in list(values) if name in own}
    return PlaygroundSettings.model_validate({"method": {"kind": method, **inside}, **values})
