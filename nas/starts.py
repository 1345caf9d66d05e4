"""Finds the members that a warm start asks for: the best of another study, and the nearest to published architectures."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from nas.errors import Conflict, FieldProblem, Invalid, NotFound
from nas.nearest import nearest
from nas.references import build_reference, only_for_tokens
from nas.study import StudySpec
from nas.warm_start import MAX_STARTS, Sources, WarmStart
from search_spaces.architecture import Architecture, ContinuousInput
from search_spaces.genes import GeneValue
from search_spaces.space import OutsideSpace, Params, Space
from search_spaces.summary import summarise
from search_spaces.zoo import ZOO


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What another study found, best first: gene values by trial number."""

    study_id: str
    name: str
    space: Space
    best: Sequence[tuple[int, Params]]


FindStudy = Callable[[str], Tried]
"""Reads a study by id or name. Raises `NotFound`, and `Conflict` where several have the name."""


def no_studies(_: str) -> Tried:
    """Where there are none to read."""
    raise NotFound("no studies can be read here; submit to a service that has it, or give params")


def found(sources: Sources, spec: StudySpec, find: FindStudy) -> WarmStart:
    """The study's own warm start with what the sources have, each member once. Raises `Invalid`."""
    given = spec.warm_start
    params, notes = list(given.params), list(given.notes)
    for more, note in _members(sources, spec.space, find):
        params += more
        notes.append(note)
    distinct = dict[tuple[tuple[str, GeneValue], ...], Mapping[str, GeneValue]]()
    for each in params:
        distinct.setdefault(tuple(sorted(each.items())), each)
    if len(distinct) > MAX_STARTS:
        raise _invalid("", f"{len(distinct):,} members; ask for at most {MAX_STARTS:,}")
    return WarmStart(params=tuple(distinct.values()), notes=tuple(notes))


def fitting(
    space: Space, tried: Iterable[tuple[int, Params]], top: int
) -> tuple[list[tuple[int, Params]], list[tuple[int, str]]]:
    """The first `top` that are members of the space, by number, and why each one before them that is not was left out."""
    kept, left_out = list[tuple[int, Params]](), list[tuple[int, str]]()
    for number, params in tried:
        if len(kept) == top:
            break
        problems = space.problems(params)
        if problems:
            left_out.append((number, f"{problems[0].field}: {problems[0].reason}"))
        else:
            kept.append((number, params))
    return kept, left_out


def summary(what: str, kept: Sequence[tuple[int, Params]], left_out: Sequence[tuple[int, str]]) -> str:
    """How many fit, and why others do not."""
    text = f"{len(kept)} of {what}"
    if not left_out:
        return text
    number, reason = left_out[0]
    return f"{text}; {len(left_out)} better ones are outside this space, the first (trial {number}) because of {reason}"


def _members(sources: Sources, space: Space, find: FindStudy) -> Iterator[tuple[list[Params], str]]:
    if sources.study is not None:
        yield _of_study(sources.study, sources.top, space, find)
    for index, name in enumerate(sources.zoo):
        yield _of_zoo(index, name, space)


def _of_study(name: str, top: int, space: Space, find: FindStudy) -> tuple[list[Params], str]:
    try:
        tried = find(name)
    except (NotFound, Conflict) as error:
        raise _invalid("/study", str(error)) from error
    kept, left_out = fitting(space, _translated(tried, space), top)
    note = summary(f'the best of study "{tried.name}" ({tried.study_id})', kept, left_out)
    if not kept:
        raise _invalid(
            "/study", f"{note}; take a study of a space like this one" if left_out else f"{note}: it has no scored trials yet"
        )
    return [params for _, params in kept], note


def _translated(tried: Tried, space: Space) -> Iterator[tuple[int, Params]]:
    """Params as this space has them: what one space has settled, another may leave open."""
    for number, params in tried.best:
        try:
            yield number, space.params_of(tried.space.assignment(params))
        except OutsideSpace:
            yield number, params


def _of_zoo(index: int, name: str, space: Space) -> tuple[list[Params], str]:
    if name not in ZOO:
        close = get_close_matches(name[:80], ZOO, n=1)
        raise _invalid(
            f"/zoo/{index}", f"there is no zoo entry {name[:80]!r}" + (f"; did you mean {close[0]!r}?" if close else "")
        )
    problem = only_for_tokens(name) if isinstance(space.input, ContinuousInput) else None
    if problem is not None:
        raise _invalid(f"/zoo/{index}", problem)
    wanted = build_reference(name, space)
    member = nearest(space, wanted)
    short = summarise(member.architecture)
    if not _mixers(wanted) & _mixers(member.architecture):
        words = ", ".join(sorted(_mixers(wanted)))
        reason = (
            f"no member is like {name}: its mixers are {words}, and the nearest member, {short}, has none of them; leave it out"
        )
        raise _invalid(f"/zoo/{index}", reason)
    apart = f"{member.distance:.3f} away (0 is equal, 1 wholly unlike)"
    return [member.params], f"the member nearest to zoo:{name}, {apart}: {short}"


def _mixers(architecture: Architecture) -> set[str]:
    return {mixer.kind for layer in architecture.layers() for mixer in layer.mixers}


def _invalid(place: str, reason: str) -> Invalid:
    pointer = f"/warm_start{place}"
    return Invalid(f"{pointer}: {reason}", (FieldProblem(pointer, reason),))
