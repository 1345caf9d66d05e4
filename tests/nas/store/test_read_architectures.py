"""Reading an architecture by its digest: whose, by how much of it, and what is refused."""

import pytest
from sqlalchemy import Engine, text

from nas.errors import Conflict, Invalid, NotFound
from nas.ports import Claim
from nas.store.driver_store import PostgresDriverStore
from nas.store.reads import get_architecture
from tests.nas.store.examples import ADMIN, ALICE, BOB, architecture, claimed, trial, write_trials


@pytest.fixture
def tried(store: PostgresDriverStore) -> Claim:
    """A study of Alice's that has tried two architectures, one of them twice."""
    claim = claimed(store)
    write_trials(store, claim, [trial(0, d_model=32), trial(1, d_model=48), trial(2, d_model=32)])
    return claim


@pytest.mark.usefixtures("tried")
@pytest.mark.parametrize("n_digits", [8, 9, 63, 64])
def test_architecture_is_found_by_a_digest_or_its_beginning(engine: Engine, n_digits: int) -> None:
    for d_model in (32, 48):
        wanted = architecture(d_model)
        assert get_architecture(engine, ALICE, wanted.digest[:n_digits]) == wanted
    assert get_architecture(engine, ADMIN, architecture(32).digest) == architecture(32)


@pytest.mark.usefixtures("tried")
def test_architecture_is_there_only_for_those_who_tried_it(engine: Engine, store: PostgresDriverStore) -> None:
    digest = architecture(32).digest
    with pytest.raises(NotFound, match=digest):
        get_architecture(engine, BOB, digest)
    with pytest.raises(NotFound, match="0123456789"):
        get_architecture(engine, ADMIN, "0123456789")
    write_trials(store, claimed(store, BOB), [trial(0, d_model=32)])
    assert get_architecture(engine, BOB, digest).digest == digest


def test_beginning_that_several_share_is_refused(engine: Engine, tried: Claim) -> None:
    digest = architecture(32).digest
    other = digest[:20] + digest[20:][::-1]
    with engine.begin() as connection:
        copy = "INSERT INTO nas_architecture SELECT :other, document FROM nas_architecture WHERE digest = :digest"
        connection.execute(text(copy), {"other": other, "digest": digest})
        move = "UPDATE nas_trial SET architecture = :other WHERE study_id = :study AND number = 2"
        connection.execute(text(move), {"other": other, "study": tried.study_id})
    with pytest.raises(Conflict, match="give more of its 64 digits"):
        get_architecture(engine, ALICE, digest[:20])
    assert get_architecture(engine, ALICE, digest).digest == digest


@pytest.mark.parametrize("digest", ["", "1234567", "0" * 65, "ABCDEF0123", "12345678%", "1234567g"])
def test_what_is_no_digest_is_refused(engine: Engine, digest: str) -> None:
    with pytest.raises(Invalid, match="64 lower-case hexadecimal digits"):
        get_architecture(engine, ALICE, digest)
