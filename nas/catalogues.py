"""What studies are made of, described for people and programs: primitives, tasks, protocols, the zoo, spaces and genes."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from inspect import getdoc
from typing import Any

from nas.protocol import Protocol
from nas.protocol_presets import PRESETS as PROTOCOLS
from nas.study import CostAt
from nas.tasks.catalogue import CATALOGUE as TASKS
from search_spaces.architecture import Architecture
from search_spaces.catalogue import genes_of
from search_spaces.cost import price
from search_spaces.genes import Gene, GeneValue, Mode
from search_spaces.presets import PRESETS
from search_spaces.primitives import CATALOGUE as PRIMITIVES
from search_spaces.primitives import Cost
from search_spaces.primitives.primitive import Family, Formulas, Role
from search_spaces.reference.examples import EXAMPLES, example_cost
from search_spaces.space import Space
from search_spaces.summary import summarise
from search_spaces.zoo import ZOO

JsonSchema = dict[str, Any]

SHOWN_POSITIONS = 1
"""Layer positions that the micro catalogue lists; further ones are the same with a higher number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PrimitiveInfo:
    """A layer part; `schema` is that of its config, `cost` that of its example at a width of 64 and 1024 tokens."""

    kind: str
    role: Role
    family: Family
    title: str
    source: str
    causal: bool
    """False for encoder mixers, which see later tokens: tasks that predict the next one refuse them."""
    equation: str
    formulas: Formulas
    oracle: str
    """What the tests compare the layer with."""
    example: dict[str, Any]
    cost: Cost
    schema: JsonSchema


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskInfo:
    """A task; `defaults` is the document that its name alone stands for."""

    name: str
    title: str
    source: str
    metric: str
    higher_is_better: bool
    further_metrics: tuple[str, ...]
    """What it reports beside `metric` at its defaults."""
    chance: float
    """The metric of a predictor that has learnt nothing, at the defaults."""
    defaults: dict[str, Any]
    schema: JsonSchema


@dataclass(frozen=True, slots=True, kw_only=True)
class ZooInfo:
    """A named architecture at its default width, priced at the default context."""

    name: str
    title: str
    source: str
    simplified: str
    causal: bool
    """False for encoders, which see later tokens: tasks that predict the next one refuse them as references."""
    summary: str
    cost: Cost
    architecture: Architecture


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneInfo:
    """One decision: its allowed values in words, the value it has when a space does not name it, and when it is made."""

    name: str
    title: str
    allowed: str
    default: GeneValue
    condition: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PresetInfo:
    """A named space; submit it as `{"preset": NAME}` or copy the document and change it. `size` counts assignments."""

    name: str
    question: str
    size: int
    space: Space


@dataclass(frozen=True, slots=True, kw_only=True)
class SpacesInfo:
    """Presets, the genes of each mode in the order of decision, and the schema of a space document."""

    presets: tuple[PresetInfo, ...]
    genes: dict[Mode, tuple[GeneInfo, ...]]
    schema: JsonSchema


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolInfo:
    """A named protocol; submit it as `{"preset": NAME}` or copy the document and change it."""

    name: str
    question: str
    optimiser_steps: int
    """Of one architecture up to the last rung."""
    task_keys: tuple[str, ...]
    task_labels: tuple[str, ...]
    """What tells them apart, in the same order."""
    protocol: Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolsInfo:
    """Named protocols, and the schema of a protocol document."""

    presets: tuple[ProtocolInfo, ...]
    schema: JsonSchema


@cache
def primitives() -> tuple[PrimitiveInfo, ...]:
    """Every primitive."""
    return tuple(
        PrimitiveInfo(
            kind=kind,
            role=part.role,
            family=part.family,
            title=part.title,
            source=part.source,
            causal=part.causal,
            equation=part.equation,
            formulas=part.formulas,
            oracle=part.oracle,
            example=EXAMPLES[kind].to_data(),
            cost=example_cost(kind),
            schema=part.model_json_schema(),
        )
        for kind, part in PRIMITIVES.items()
    )


@cache
def tasks() -> tuple[TaskInfo, ...]:
    """Every task."""
    return tuple(
        TaskInfo(
            name=name,
            title=task.title,
            source=task.source,
            metric=task.metric,
            higher_is_better=task.higher_is_better,
            further_metrics=tuple(metric.name for metric in task.from_data({}).further_metrics()),
            chance=task.from_data({}).chance(),
            defaults=task.from_data({}).to_data(),
            schema=task.model_json_schema(),
        )
        for name, task in TASKS.items()
    )


@cache
def zoo() -> tuple[ZooInfo, ...]:
    """Every named architecture."""
    built = {name: entry.build() for name, entry in ZOO.items()}
    return tuple(
        ZooInfo(
            name=name,
            title=entry.title,
            source=entry.source,
            simplified=entry.simplified,
            causal=built[name].causal,
            summary=summarise(built[name]),
            cost=price(built[name], CostAt().context),
            architecture=built[name],
        )
        for name, entry in ZOO.items()
    )


@cache
def spaces() -> SpacesInfo:
    """Every preset and gene."""
    return SpacesInfo(
        presets=tuple(_preset(name) for name in PRESETS),
        genes={"macro": _genes("macro"), "micro": _genes("micro")},
        schema=Space.model_json_schema(),
    )


@cache
def protocols() -> ProtocolsInfo:
    """Every named protocol."""
    return ProtocolsInfo(
        presets=tuple(_protocol(name, build) for name, build in PROTOCOLS.items()), schema=Protocol.model_json_schema()
    )


def _protocol(name: str, build: Callable[[], Protocol]) -> ProtocolInfo:
    protocol = build()
    return ProtocolInfo(
        name=name,
        question=getdoc(build) or "",
        optimiser_steps=sum(protocol.optimiser_steps(rung) for rung in range(len(protocol.rungs))),
        task_keys=protocol.task_keys(),
        task_labels=protocol.task_labels(),
        protocol=protocol,
    )


def _preset(name: str) -> PresetInfo:
    space = PRESETS[name]()
    return PresetInfo(name=name, question=(PRESETS[name].__doc__ or "").strip(), size=space.size(), space=space)


def _genes(mode: Mode) -> tuple[GeneInfo, ...]:
    return tuple(_gene(gene) for gene in genes_of(mode, SHOWN_POSITIONS))


def _gene(gene: Gene) -> GeneInfo:
    return GeneInfo(name=gene.name, title=gene.title, allowed=str(gene.limits), default=gene.default, condition=gene.condition)
