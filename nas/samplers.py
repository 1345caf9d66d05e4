"""What a study says of its sampler: a name and that sampler's own options. The implementations are in `nas/sampling/`."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from search_spaces.document import Document

MAX_GP_TRIALS: Final = 300
"""A Gaussian process takes the cube of the trials for each proposal: beyond this it is seconds, and workers wait for it."""

_OLD_OPTIONS: Final = ("n_startup", "population")


class RandomSearch(Document):
    """Every gene uniformly over its values: the yardstick (arXiv 1902.07638)."""

    name: Literal["random"] = "random"


class Evolution(Document):
    """Regularised evolution (arXiv 1802.01548): one gene of the best of `sample` among the youngest `population` is changed.

    The first `sample` proposals are random. For one objective: what it forgets would be its front.
    """

    name: Literal["evolution"] = "evolution"
    population: Annotated[int, Field(ge=2, le=10_000)] = 20
    sample: Annotated[int, Field(ge=2, le=10_000)] = 10

    @model_validator(mode="after")
    def _drawn_from_the_population(self) -> Self:
        if self.sample > self.population:
            raise ValueError(f"sample {self.sample} must not exceed population {self.population}: it is drawn from it")
        return self


class LocalSearch(Document):
    """One gene of the best trial is changed, until all its neighbours are known; then of the next best (arXiv 2005.02960).

    The first `n_startup` proposals are random.
    """

    name: Literal["local_search"] = "local_search"
    n_startup: Annotated[int, Field(ge=1, le=10_000)] = 10


class ModelGuided(Document):
    """Of all unknown neighbours of the `parents` best trials the one that an additive model of the genes expects most of.

    Each proposal weighs several objectives anew. The first `n_startup` proposals are random.
    """

    name: Literal["model_guided"] = "model_guided"
    n_startup: Annotated[int, Field(ge=2, le=10_000)] = 20
    parents: Annotated[int, Field(ge=1, le=100)] = 5


class Hypervolume(Document):
    """Steady-state evolution for several objectives: parents are the `population` trials that hold the most hypervolume.

    Feasible trials come first, then non-dominated fronts, then exact hypervolume. The first `n_startup` proposals are random.
    """

    name: Literal["hypervolume"] = "hypervolume"
    n_startup: Annotated[int, Field(ge=2, le=10_000)] = 10
    population: Annotated[int, Field(ge=2, le=1000)] = 10


class TPE(Document):
    """The tree-structured Parzen estimator, multivariate and grouped (arXiv 2304.11127); `n_startup` random proposals first."""

    name: Literal["tpe"] = "tpe"
    n_startup: Annotated[int, Field(ge=1, le=10_000)] = 10


class NSGA2(Document):
    """NSGA-II, steady-state: random until `population` trials are told, then children of the best so many."""

    name: Literal["nsga2"] = "nsga2"
    population: Annotated[int, Field(ge=2, le=10_000)] = 20


class NSGA3(Document):
    """NSGA-III, steady-state: as NSGA-II, with parents spread by reference directions; for three or four objectives."""

    name: Literal["nsga3"] = "nsga3"
    population: Annotated[int, Field(ge=2, le=10_000)] = 20


class GP(Document):
    """A Gaussian process with expected improvement, for studies of at most 300 trials; `n_startup` random proposals first."""

    name: Literal["gp"] = "gp"
    n_startup: Annotated[int, Field(ge=1, le=MAX_GP_TRIALS)] = 10


class Exhaustive(Document):
    """Every assignment of the genes once, in a random order."""

    name: Literal["exhaustive"] = "exhaustive"


def _own_options(document: Any) -> Any:
    """Version 0.1.0 wrote the options of all its samplers with each; those of the others meant nothing."""
    if not isinstance(document, dict) or document.keys() != {"name", *_OLD_OPTIONS}:
        return document
    if not isinstance(document["name"], str):
        return document
    foreign = {"random": _OLD_OPTIONS, "tpe": ("population",), "nsga2": ("n_startup",)}.get(document["name"], ())
    return {key: value for key, value in document.items() if key not in foreign}


Sampler = Annotated[
    RandomSearch | Evolution | LocalSearch | ModelGuided | Hypervolume | TPE | NSGA2 | NSGA3 | GP | Exhaustive,
    Field(discriminator="name"),
    BeforeValidator(_own_options),
]
"""Who proposes architectures."""


def default_sampler(given: Mapping[str, Any]) -> Sampler:
    """For a study that names none, by its other fields: evolution for one objective, a model of the genes for several.

    Of several, all but one are as a rule exact costs, which are nearly sums over genes: a model soon knows them.
    """
    return ModelGuided() if len(given.get("objectives", ())) > 1 else Evolution()


def unsuitable(sampler: Sampler, trials: int, n_objectives: int) -> str | None:
    """Why a sampler cannot serve a study of so many trials and objectives, and what can; None when it does."""
    if isinstance(sampler, Evolution) and n_objectives > 1:
        return (
            "evolution is for one objective: with several it forgets its front, and finds less than random search;"
            " use model_guided or hypervolume"
        )
    if isinstance(sampler, GP) and trials > MAX_GP_TRIALS:
        return (
            f"gp is for at most {MAX_GP_TRIALS} trials and the budget is {trials:,}: each proposal would take seconds;"
            " use evolution or model_guided, or ask for fewer trials"
        )
    return None
