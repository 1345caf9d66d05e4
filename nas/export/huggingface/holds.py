"""What a family of transformers can hold of a document of ours: the fields it has, and the defaults of all others."""

from collections.abc import Collection, Mapping

from search_spaces.document import Document


def require(document: Document, family: str, has: Collection[str], always: Mapping[str, object] | None = None) -> None:
    """Raise ValueError when a field that the family does not have is not at its default, or one that it `always` has differs.

    `has` names the fields that may take any value, those without a default among them.
    """
    fixed = always or {}
    for name, field in type(document).model_fields.items():
        value = getattr(document, name)
        if name in fixed and value != fixed[name]:
            raise ValueError(f"{name} {value!r}: transformers' {family} always has {fixed[name]!r}")
        if name not in fixed and name not in has and value != field.default:
            raise ValueError(f"{name} {value!r}: transformers' {family} only has {field.default!r}")
