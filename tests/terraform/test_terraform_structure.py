"""Every module is built alike: the same files, described variables and outputs, the same words for the same things."""

from __future__ import annotations

from pathlib import Path

import hcl2
import pytest

from lakehouse.terraform_docs import module_folders, read_module, update

TERRAFORM = Path(__file__).resolve().parents[2] / "terraform"
FOLDERS = module_folders(TERRAFORM)
MODULES = FOLDERS[1:]


def name_of(folder):
    return folder.name


def variables_of(folder):
    """Each variable's block as python-hcl2 reads it."""
    with (folder / "variables.tf").open(encoding="utf-8") as stream:
        blocks = hcl2.load(stream)["variable"]
    return {name.strip('"'): body for block in blocks for name, body in block.items() if not name.startswith("__")}


def test_every_module_is_called_by_the_root():
    assert sorted(read_module(TERRAFORM).calls) == sorted(folder.name for folder in MODULES)


@pytest.mark.parametrize("folder", FOLDERS, ids=name_of)
def test_a_module_has_the_usual_files(folder):
    missing = [
        name
        for name in ("README.md", "main.tf", "outputs.tf", "variables.tf", "versions.tf")
        if not (folder / name).is_file()
    ]

    assert missing == []


@pytest.mark.parametrize("folder", FOLDERS, ids=name_of)
def test_every_variable_is_described_and_typed(folder):
    for variable in read_module(folder).inputs:
        assert len(variable.description) > 10, f"{variable.name} is not described"
        assert variable.description.endswith("."), f"{variable.name}: a description is a sentence"
        assert "any" not in variable.type.replace("(", " ").replace(")", " ").split(), f"{variable.name} has no type"


@pytest.mark.parametrize("folder", FOLDERS, ids=name_of)
def test_every_output_is_described(folder):
    for output in read_module(folder).outputs:
        assert output.description.endswith("."), f"{output.name} is not described by a sentence"


@pytest.mark.parametrize("folder", FOLDERS, ids=name_of)
def test_variables_and_outputs_are_in_alphabetical_order(folder):
    module = read_module(folder)

    assert [variable.name for variable in module.inputs] == sorted(variable.name for variable in module.inputs)
    assert [output.name for output in module.outputs] == sorted(output.name for output in module.outputs)


@pytest.mark.parametrize("folder", FOLDERS, ids=name_of)
def test_a_refusal_is_a_sentence(folder):
    for name, variable in variables_of(folder).items():
        for validation in variable.get("validation", []):
            message = validation["error_message"].strip('"')
            assert message[0].isupper(), f"{name}: {message}"
            assert message.endswith("."), f"{name}: {message}"


@pytest.mark.parametrize("folder", MODULES, ids=name_of)
def test_every_module_takes_a_name_prefix_and_tags(folder):
    assert {"name_prefix", "tags"} <= set(variables_of(folder))


def test_a_variable_of_several_modules_means_the_same_in_all():
    shared = ("artifacts_bucket", "files_table", "kms_key_arn", "log_retention_days", "name_prefix", "settings", "tags")
    for name in shared:
        definitions = {folder.name: variables_of(folder)[name] for folder in MODULES if name in variables_of(folder)}
        assert len(definitions) > 1, f"{name} is not shared any more: take it off this test's list"
        assert len({repr(definition) for definition in definitions.values()}) == 1, f"{name} differs: {definitions}"


def test_all_modules_ask_for_the_same_versions():
    texts = {(folder / "versions.tf").read_text(encoding="utf-8") for folder in FOLDERS}

    assert len(texts) == 1


def test_the_tables_in_the_readmes_are_current():
    stale = update(TERRAFORM, check=True)

    assert stale == [], "Run: python -m lakehouse.terraform_docs"


@pytest.mark.parametrize("environment", sorted(folder.name for folder in (TERRAFORM / "environments").iterdir()))
def test_an_environment_says_what_it_is_and_where_its_state_lies(environment):
    folder = TERRAFORM / "environments" / environment
    with (folder / "terraform.tfvars").open(encoding="utf-8") as stream:
        values = hcl2.load(stream)
    with (folder / "backend.hcl").open(encoding="utf-8") as stream:
        backend = hcl2.load(stream)

    assert values["environment"].strip('"') == environment
    assert {name for name in values if not name.startswith("__")} <= set(variables_of(TERRAFORM))
    assert f"/{environment}/" in backend["key"]
