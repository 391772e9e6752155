"""The generator of the module tables."""

from __future__ import annotations

import pytest

from lakehouse.errors import PermanentError
from lakehouse.terraform_docs import main, read_module, tables, update

README = "# thing\n\nWhat people wrote.\n\n<!-- BEGIN_TF_DOCS -->\nold\n<!-- END_TF_DOCS -->\n\nMore of it.\n"

VARIABLES = """
variable "sizes" {
  description = "Sizes of <things>, \\"small\\" | large."
  type = map(object({
    width = number
    depth = optional(list(number), [1, 2])
  }))
  default = { a = { width = 1 } }
}

variable "title" {
  description = "Title."
  type        = string
}
"""


@pytest.fixture
def root(tmp_path):
    """A root module that calls one module."""
    module = tmp_path / "modules" / "thing"
    module.mkdir(parents=True)
    (module / "variables.tf").write_text(VARIABLES, encoding="utf-8")
    (module / "main.tf").write_text('resource "aws_s3_bucket" "this" {\n  bucket = var.title\n}\n', encoding="utf-8")
    (module / "outputs.tf").write_text('output "name" {\n  description = "Name."\n  value = 1\n}\n', encoding="utf-8")
    (module / "README.md").write_text(README, encoding="utf-8")
    (tmp_path / "main.tf").write_text('module "thing" {\n  source = "./modules/thing"\n}\n', encoding="utf-8")
    (tmp_path / "README.md").write_text(README, encoding="utf-8")
    return tmp_path


def test_a_module_is_read_as_it_is_written(root):
    module = read_module(root / "modules" / "thing")

    sizes, title = module.inputs
    assert sizes.type == "map(object({width = number, depth = optional(list(number), [1, 2])}))"
    assert sizes.default == "{ a = { width = 1 } }"
    assert (title.name, title.type, title.default) == ("title", "string", None)
    assert [output.name for output in module.outputs] == ["name"]
    assert module.resources == ("aws_s3_bucket.this",)


def test_a_cell_keeps_what_markdown_would_swallow(root):
    assert 'Sizes of \\<things>, "small" \\| large.' in tables(read_module(root / "modules" / "thing"))


def test_a_variable_without_a_default_is_required(root):
    assert "| `title` | Title. | `string` | required |" in tables(read_module(root / "modules" / "thing"))


def test_what_people_wrote_around_the_tables_stays(root):
    update(root)

    text = (root / "modules" / "thing" / "README.md").read_text(encoding="utf-8")
    assert text.startswith("# thing\n\nWhat people wrote.\n")
    assert text.endswith("\n\nMore of it.\n")
    assert "\nold\n" not in text


def test_a_second_update_changes_nothing(root):
    assert len(update(root)) == 2
    assert update(root) == []


def test_checking_names_what_is_out_of_date_and_writes_nothing(root, capsys):
    assert main(["--check", "--root", str(root)]) == 1

    assert (root / "README.md").read_text(encoding="utf-8") == README
    assert "out of date" in capsys.readouterr().out


def test_writing_and_then_checking_is_content(root):
    assert main(["--root", str(root)]) == 0
    assert main(["--check", "--root", str(root)]) == 0


def test_a_readme_without_markers_is_refused_by_name(root, capsys):
    (root / "README.md").write_text("# thing\n", encoding="utf-8")

    assert main(["--root", str(root)]) == 1

    assert f"{root / 'README.md'} needs the lines" in capsys.readouterr().err


def test_a_module_without_a_readme_is_refused_by_name(root):
    (root / "modules" / "thing" / "README.md").unlink()

    with pytest.raises(PermanentError, match=r"README\.md is missing"):
        update(root)


def test_a_file_that_is_no_hcl_is_refused_by_name(root):
    (root / "main.tf").write_text("module {{{", encoding="utf-8")

    with pytest.raises(PermanentError, match=r"main\.tf is not valid HCL"):
        update(root)
