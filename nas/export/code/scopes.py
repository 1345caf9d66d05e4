"""Which names of a piece of code are the module's, and which are bound within it."""

import ast
from collections.abc import Iterator
from functools import lru_cache

Function = ast.FunctionDef | ast.Lambda
Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


def global_names(tree: ast.AST, local: frozenset[str] = frozenset()) -> Iterator[ast.Name]:
    """Every use of a name that is not bound where it stands, builtins among them."""
    match tree:
        case ast.Name():
            if tree.id not in local:
                yield tree
        case ast.FunctionDef():
            outside = [*tree.decorator_list, *_signature(tree.args), *([tree.returns] if tree.returns else [])]
            yield from _of_all(outside, local)
            yield from _of_all(tree.body, local | bound_names(tree))
        case ast.Lambda():
            yield from _of_all(_signature(tree.args), local)
            yield from global_names(tree.body, local | bound_names(tree))
        case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
            inner = local | {name.id for one in tree.generators for name in _stored(one.target)}
            yield from _of_all(list(ast.iter_child_nodes(tree)), inner)
        case ast.ClassDef():
            yield from _of_all([*tree.decorator_list, *tree.bases, *tree.body], local)
        case ast.AnnAssign(target=ast.Name()) | ast.Assign(targets=[ast.Name()]):
            # what a class body or a module binds there is no use of the name
            children = [tree.annotation] if isinstance(tree, ast.AnnAssign) else []
            yield from _of_all([*children, *([tree.value] if tree.value else [])], local)
        case _:
            yield from _of_all(list(ast.iter_child_nodes(tree)), local)


@lru_cache(maxsize=4096)
def bound_names(function: Function) -> frozenset[str]:
    """Parameters, and names that the body assigns; those of comprehensions are their own."""
    body = function.body if isinstance(function.body, list) else [function.body]
    return frozenset((*(one.arg for one in parameters(function.args)), *(name.id for part in body for name in _stored(part))))


def parameters(arguments: ast.arguments) -> list[ast.arg]:
    """All of them, in order."""
    starred = [one for one in (arguments.vararg, arguments.kwarg) if one is not None]
    return [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, *starred]


def _signature(arguments: ast.arguments) -> list[ast.AST]:
    annotations = [one.annotation for one in parameters(arguments) if one.annotation is not None]
    return [*annotations, *arguments.defaults, *(one for one in arguments.kw_defaults if one is not None)]


def _stored(tree: ast.AST) -> Iterator[ast.Name]:
    if isinstance(tree, ast.Name) and isinstance(tree.ctx, ast.Store):
        yield tree
    if isinstance(tree, ast.Lambda | Comprehension):
        return
    for child in ast.iter_child_nodes(tree):
        yield from _stored(child)


def _of_all(trees: list[ast.AST] | list[ast.stmt] | list[ast.expr], local: frozenset[str]) -> Iterator[ast.Name]:
    for tree in trees:
        yield from global_names(tree, local)
