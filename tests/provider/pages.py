"""`python -m tests.provider.pages` writes docs/judged.md: the reviewed tables that the judgement rests on."""

from collections.abc import Iterable
from pathlib import Path

from tests.provider.differences import DIFFERENCES, EVERYWHERE
from tests.provider.emulation import ADJUSTED, ONE_AT_A_TIME, UNHELD
from tests.provider.tables import FIELDS, MODULES, NAMED, TYPES
from tests.provider.twins import NO_TWIN, TWINS

PAGE = Path(__file__).parents[2] / "docs" / "judged.md"


def page() -> str:
    """The text, from the tables."""
    return "\n".join(
        [
            "# What the clouds' own judges are asked",
            "",
            "Written by `python -m tests.provider.pages` from the tables in [tests/provider](../tests/provider);",
            "a test holds the two together, and each entry of a table is checked to be needed still. What came of",
            "it is in [infrastructure](infrastructure.md#what-each-claim-rests-on).",
            "",
            "## AWS: provider 5.100 instead of 6",
            "",
            "pulumi-aws 7 bridges version 6 of Terraform's AWS provider; 5.100 is asked. This is all that differs",
            "in the types of the program, by the types of the Python package and the schema of 5.100. The program",
            f"sets none of it. New in 6 for every regional type is `{EVERYWHERE}`, for which the program has a",
            "provider a region.",
            "",
            *_table(
                ("Type", "Only in 6", "Only in 5.100", "What it means here"),
                (
                    (f"`{kind}`", _code(found.added), _code(found.removed), found.reason)
                    for kind, found in DIFFERENCES.items()
                ),
            ),
            "",
            "## AWS: what does not follow from the schema",
            "",
            *_table(
                ("Pulumi", "Provider"),
                (
                    *(
                        (f"`aws:{module}/...`", f"`aws_{name}_...`" if name else "`aws_...`")
                        for module, name in MODULES.items()
                    ),
                    *((f"`{kind}`", f"`{name}`") for kind, name in TYPES.items()),
                    *((f"`{kind}` {path}", f"`{name}`") for (kind, path), name in FIELDS.items()),
                ),
            ),
            "",
            "A name that is not given is made by the bridge, of the resource's own and eight characters: "
            + "; ".join(f"`{kind}` {key} up to {longest}" for kind, (key, longest) in NAMED.items())
            + "; all others up to 255.",
            "",
            "## AWS: what moto cannot hold",
            "",
            "Each is applied all the same and must fail, or the test does.",
            "",
            *_table(("Type", "Why"), ((f"`{kind}`", reason) for kind, reason in UNHELD.items())),
            "",
            "Told to moto otherwise than to AWS:",
            "",
            *_table(
                ("Type", "What", "Why"),
                (
                    *(
                        (f"`{kind}`", f"`{found.path}` is {found.value}", found.reason)
                        for kind, found in ADJUSTED.items()
                    ),
                    *((f"`{kind}`", "one after another", reason) for kind, reason in ONE_AT_A_TIME.items()),
                ),
            ),
            "",
            "## Google Cloud: twins in the REST API",
            "",
            "Names, types, enums, patterns and read-only marks are those of the discovery documents that",
            "`google-api-python-client` carries. What must be given is what they say in words, and:",
            "",
            *_table(
                ("Type", "Twin", "Must be given", "Source"),
                (
                    (f"`{kind}`", f"{twin.document} {twin.schema}", _code(twin.required), twin.source)
                    for kind, twin in TWINS.items()
                    if twin.required
                ),
            ),
            "",
            "Named otherwise, or not part of the body:",
            "",
            *_table(
                ("Type", "Twin", "Named otherwise", "Beside the body"),
                (
                    (
                        f"`{kind}`",
                        f"{twin.document} {twin.schema}",
                        "; ".join(f"`{ours}` as `{name}`" for ours, name in twin.renamed.items()),
                        "; ".join(f"`{ours}`: {reason}" for ours, reason in twin.beside.items()),
                    )
                    for kind, twin in TWINS.items()
                ),
            ),
            "",
            "No schema can judge:",
            "",
            *_table(("Type", "Why"), ((f"`{kind}`", reason) for kind, reason in NO_TWIN.items())),
            "",
        ]
    )


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    lines = [head, tuple("---" for _ in head), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]


def _code(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
