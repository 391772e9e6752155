"""Generates the input, output and resource tables in the READMEs of the Terraform modules.

``python -m lakehouse.terraform_docs`` writes them between the markers ``BEGIN_TF_DOCS`` and ``END_TF_DOCS`` (those of
terraform-docs, so that editors know them); ``--check`` only says which are out of date. What stands outside the markers
is written by people and stays.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lakehouse.errors import LakehouseError, PermanentError, PrerequisiteError

_BEGIN = "<!-- BEGIN_TF_DOCS -->"
_END = "<!-- END_TF_DOCS -->"
_BETWEEN = re.compile(f"{re.escape(_BEGIN)}.*?{re.escape(_END)}", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Input:
    """One variable of a module.

    Attributes:
        name: Its name.
        description: What it means, one paragraph.
        type: Its type constraint as written, on one line.
        default: Its default as HCL, None when it is required.
    """

    name: str
    description: str
    type: str
    default: str | None


@dataclass(frozen=True, slots=True)
class Output:
    """One output of a module.

    Attributes:
        name: Its name.
        description: What it means, one paragraph.
    """

    name: str
    description: str


@dataclass(frozen=True, slots=True)
class Module:
    """What a module takes, gives and makes.

    Attributes:
        folder: Where it lies.
        inputs: Its variables, in the order of the file.
        outputs: Its outputs, in the order of the file.
        resources: Addresses of its resources, sorted.
        calls: Names of the modules it calls, in the order of the file.
    """

    folder: Path
    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]
    resources: tuple[str, ...]
    calls: tuple[str, ...]


def module_folders(root: Path) -> list[Path]:
    """The root module and every module below ``modules``.

    Args:
        root: The root module.

    Returns:
        The folders, the root first.
    """
    return [root, *sorted(folder.parent for folder in root.glob("modules/*/main.tf"))]


def read_module(folder: Path) -> Module:
    """Read a module's variables, outputs, resources and module calls.

    Args:
        folder: The module.

    Returns:
        The module.

    Raises:
        PrerequisiteError: python-hcl2 is not installed.
        PermanentError: A file is not valid HCL.
    """
    blocks: dict[str, list[dict[str, Any]]] = {"variable": [], "output": [], "resource": [], "module": []}
    for file in sorted(folder.glob("*.tf")):
        content = _parse(file)
        for kind, found in blocks.items():
            found.extend(content.get(kind, []))
    variables = [entry for block in blocks["variable"] for entry in _named(block)]
    outputs = [entry for block in blocks["output"] for entry in _named(block)]
    resources = [
        (kind, name) for block in blocks["resource"] for kind, body in _named(block) for name, _ in _named(body)
    ]
    return Module(
        folder=folder,
        inputs=tuple(
            Input(
                name=name,
                description=_text(body.get("description", "")),
                type=_expression(body.get("type", "any")),
                default=_expression(body["default"]) if "default" in body else None,
            )
            for name, body in variables
        ),
        outputs=tuple(Output(name=name, description=_text(body.get("description", ""))) for name, body in outputs),
        resources=tuple(sorted(f"{kind}.{name}" for kind, name in resources)),
        calls=tuple(name for block in blocks["module"] for name, _ in _named(block)),
    )


def _parse(file: Path) -> dict[str, Any]:
    try:
        import hcl2  # of the development group: the package itself works without
    except ImportError as error:
        raise PrerequisiteError(
            "python-hcl2 is not installed: run the command in the development environment (make setup)."
        ) from error
    try:
        with file.open(encoding="utf-8") as stream:
            content: dict[str, Any] = hcl2.load(stream)
    except Exception as error:  # the parser's errors have no common class of their own
        raise PermanentError(f"{file} is not valid HCL: {error}. Run: terraform fmt {file}") from error
    return content


def _named(block: dict[str, Any]) -> list[tuple[str, Any]]:
    """The labels of a block and what they hold: python-hcl2 keeps the quotes and adds marks of its own."""
    return [(key.strip('"'), body) for key, body in block.items() if not key.startswith("__")]


def _text(value: str) -> str:
    """A description: a quoted string."""
    inner = value[1:-1] if value.startswith('"') and value.endswith('"') and len(value) > 1 else value
    unescaped = inner.replace('\\"', '"').replace("<", "\\<")  # Markdown would take <project> for a tag and hide it
    return " ".join(unescaped.split())


def _expression(value: Any) -> str:
    """HCL on one line, from python-hcl2's mixture of values and ``${…}`` expressions."""
    if isinstance(value, str):
        bare = value[2:-1] if value.startswith("${") and value.endswith("}") else value
        return " ".join(bare.split())
    if isinstance(value, list):
        return "[" + ", ".join(_expression(item) for item in value) + "]"
    if isinstance(value, dict):
        items = [f"{name} = {_expression(item)}" for name, item in _named(value)]
        return "{ " + ", ".join(items) + " }" if items else "{}"
    return json.dumps(value)


def tables(module: Module) -> str:
    """The generated part of a module's README.

    Args:
        module: The module.

    Returns:
        Markdown, without the markers.
    """
    inputs = [
        (
            f"`{item.name}`",
            item.description,
            _code(item.type),
            "required" if item.default is None else _code(item.default),
        )
        for item in module.inputs
    ]
    outputs = [(f"`{item.name}`", item.description) for item in module.outputs]
    parts = [
        "## Inputs\n\n" + _table(("Name", "Meaning", "Type", "Default"), inputs),
        "## Outputs\n\n" + _table(("Name", "Meaning"), outputs),
    ]
    if module.resources:
        parts.append("## Resources\n\n" + "\n".join(f"- `{address}`" for address in module.resources))
    if module.calls:
        parts.append("## Modules\n\n" + "\n".join(f"- [`{name}`](modules/{name})" for name in module.calls))
    return "\n\n".join(parts)


def _code(expression: str) -> str:
    return f"`{expression}`"


def _table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [header, tuple("---" for _ in header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def render(readme: str, module: Module) -> str:
    """Put the current tables into a README.

    Args:
        readme: The README's text.
        module: The module it belongs to.

    Returns:
        The text with the part between the markers replaced.

    Raises:
        PermanentError: The markers are missing.
    """
    if len(_BETWEEN.findall(readme)) != 1:
        raise PermanentError(
            f"{module.folder / 'README.md'} needs the lines {_BEGIN} and {_END}, once, around the place of its tables."
        )
    generated = f"{_BEGIN}\n{tables(module)}\n{_END}"
    return _BETWEEN.sub(lambda _: generated, readme)


def update(root: Path, *, check: bool = False) -> list[Path]:
    """Bring the tables of all modules up to date.

    Args:
        root: The root module.
        check: Only find out which READMEs are out of date.

    Returns:
        The READMEs that were (or are) out of date.

    Raises:
        PermanentError: A README or its markers are missing.
    """
    stale = []
    for folder in module_folders(root):
        readme = folder / "README.md"
        if not readme.is_file():
            raise PermanentError(f"{readme} is missing: say there what the module is for, and add {_BEGIN} and {_END}.")
        current = readme.read_text(encoding="utf-8")
        wanted = render(current, read_module(folder))
        if wanted != current:
            stale.append(readme)
            if not check:
                readme.write_text(wanted, encoding="utf-8")
    return stale


def main(arguments: list[str] | None = None) -> int:
    """Run as a command.

    Args:
        arguments: The command line, without the program's name.

    Returns:
        0, or 1 when ``--check`` found a table out of date or something could not be read.
    """
    parser = argparse.ArgumentParser(prog="python -m lakehouse.terraform_docs", description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a table is out of date")
    parser.add_argument("--root", type=Path, default=Path("terraform"), help="the root module (default: %(default)s)")
    options = parser.parse_args(arguments)
    try:
        stale = update(options.root, check=options.check)
    except LakehouseError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    for readme in stale:
        sys.stdout.write(f"{'out of date' if options.check else 'written'}: {readme}\n")
    if stale and options.check:
        sys.stderr.write("Bring the tables up to date with: python -m lakehouse.terraform_docs\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
