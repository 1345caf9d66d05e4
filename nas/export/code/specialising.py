"""A program made ready for one architecture: analysed, folded and written again until nothing more goes."""

from nas.export.code.documents import occurring
from nas.export.code.entry import MODEL, analyse
from nas.export.code.folding import Folding
from nas.export.code.inlining import inlined
from nas.export.code.liveness import Liveness
from nas.export.code.program import Program
from nas.export.code.rewriting import Rewriter
from search_spaces.architecture import Architecture

MAX_PASSES = 16


def specialise(architecture: Architecture) -> Program:
    """What is left of the library for this architecture."""
    program = Program(frozenset(occurring(architecture)))
    for _ in range(MAX_PASSES):
        changed = one_pass(program, architecture)
        if not changed.changed_since(program):
            break
        program = changed
    return program


def one_pass(program: Program, architecture: Architecture) -> Program:
    """Fold once; once nothing folds any more, leave out functions that only hand on what they are given."""
    folding = Folding(analyse(program, architecture))
    liveness = Liveness(folding)
    keys = program.reachable([MODEL])
    folded = program.with_changes({key: Rewriter(folding, liveness, key).rewritten() for key in keys})
    return folded if folded.changed_since(program) else inlined(program, folding, keys)
