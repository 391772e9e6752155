"""Where the AWS provider comes from when there is no network."""

from __future__ import annotations

import platform

import pytest

from lakehouse.errors import PrerequisiteError
from lakehouse.local import terraform_mirror
from lakehouse.local.terraform_mirror import cli_configuration, implied_directories, init_arguments, locate, search

PROVIDER = "registry.terraform.io/hashicorp/aws"


@pytest.fixture(autouse=True)
def this_machine(monkeypatch):
    """An x86 Linux whose environment names no mirror."""
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr("sys.platform", "linux")
    for name in ("TF_PLUGIN_DIR", "TF_PLUGIN_CACHE_DIR", "TF_CLI_CONFIG_FILE", "XDG_DATA_HOME", "XDG_DATA_DIRS"):
        monkeypatch.delenv(name, raising=False)


def make_mirror(root, version="5.100.0", target="linux_amd64"):
    """An unpacked mirror."""
    folder = root / PROVIDER / version / target
    folder.mkdir(parents=True)
    (folder / f"terraform-provider-aws_v{version}_x5").touch()
    return root


def test_the_mirror_that_is_named_comes_first(tmp_path):
    named = make_mirror(tmp_path / "named")
    make_mirror(tmp_path / "home" / ".terraform.d" / "plugins")

    assert locate({"TF_PLUGIN_DIR": str(named)}, tmp_path / "home", []) == named


def test_terraforms_own_directories_come_before_any_search(tmp_path):
    implied = make_mirror(tmp_path / "home" / ".terraform.d" / "plugins")
    make_mirror(tmp_path / "opt" / "mirror")

    assert locate({}, tmp_path / "home", [tmp_path / "opt"]) == implied


def test_a_shared_data_directory_is_one_of_terraforms_own(tmp_path):
    environment = {"XDG_DATA_DIRS": f"{tmp_path / 'share'}:/usr/share"}

    assert tmp_path / "share" / "terraform" / "plugins" in implied_directories(environment, tmp_path / "home")


def test_a_mirror_some_levels_below_an_install_prefix_is_found(tmp_path):
    deep = make_mirror(tmp_path / "opt" / "vendor" / "terraform" / "plugins")

    assert locate({}, tmp_path / "home", [tmp_path / "opt"]) == deep


def test_a_zipped_mirror_serves_as_well(tmp_path):
    folder = tmp_path / "opt" / "mirror" / PROVIDER
    folder.mkdir(parents=True)
    (folder / "terraform-provider-aws_5.100.0_linux_amd64.zip").touch()

    assert search([tmp_path / "opt"]) == tmp_path / "opt" / "mirror"


@pytest.mark.parametrize(
    ("version", "target"), [("4.67.0", "linux_amd64"), ("5.99.1", "linux_amd64"), ("6.0.0", "linux_amd64")]
)
def test_a_mirror_of_another_version_does_not_serve(tmp_path, version, target):
    make_mirror(tmp_path / "opt" / "mirror", version, target)

    assert search([tmp_path / "opt"]) is None


def test_a_mirror_for_another_platform_does_not_serve(tmp_path):
    make_mirror(tmp_path / "opt" / "mirror", target="darwin_arm64")

    assert search([tmp_path / "opt"]) is None


def test_an_unfit_mirror_does_not_hide_a_fit_one(tmp_path):
    make_mirror(tmp_path / "opt" / "a", "4.67.0")
    fit = make_mirror(tmp_path / "opt" / "b")

    assert search([tmp_path / "opt"]) == fit


def test_the_search_goes_no_deeper_than_it_is_told(tmp_path):
    make_mirror(tmp_path / "1" / "2" / "3")

    assert search([tmp_path], depth=2) is None
    assert search([tmp_path], depth=3) == tmp_path / "1" / "2" / "3"


def test_the_search_follows_no_links_so_that_it_ends(tmp_path):
    (tmp_path / "loop").symlink_to(tmp_path, target_is_directory=True)

    assert search([tmp_path]) is None


def test_the_search_gives_up_when_its_time_is_over(tmp_path):
    make_mirror(tmp_path / "mirror")

    assert search([tmp_path], seconds=0) is None


def test_the_registry_is_used_when_it_answers(monkeypatch, tmp_path):
    monkeypatch.setattr(terraform_mirror, "registry_answers", lambda: True)
    monkeypatch.setattr(terraform_mirror, "find_mirror", lambda: tmp_path)

    assert init_arguments() == []


def test_a_mirror_is_used_when_the_registry_does_not_answer(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(terraform_mirror, "registry_answers", lambda: False)
    monkeypatch.setattr(terraform_mirror, "find_mirror", lambda: tmp_path)

    assert init_arguments() == [f"-plugin-dir={tmp_path}"]


def test_the_users_own_installation_method_is_left_alone(monkeypatch, tmp_path):
    configuration = tmp_path / "terraform.rc"
    configuration.write_text(cli_configuration(tmp_path), encoding="utf-8")
    monkeypatch.setenv("TF_CLI_CONFIG_FILE", str(configuration))
    monkeypatch.setattr(terraform_mirror, "registry_answers", lambda: pytest.fail("the registry was asked"))

    assert init_arguments() == []


def test_without_registry_and_mirror_the_error_says_where_it_looked_and_how_to_mend_it(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(terraform_mirror, "registry_answers", lambda: False)
    monkeypatch.setattr(terraform_mirror, "find_mirror", lambda: None)

    with pytest.raises(PrerequisiteError) as raised:
        init_arguments()

    message = str(raised.value)
    assert "registry.terraform.io did not answer" in message
    assert str(tmp_path / ".terraform.d" / "plugins") in message
    assert "TF_PLUGIN_DIR" in message
    assert "providers mirror" in message


def test_a_named_mirror_without_the_provider_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("TF_PLUGIN_DIR", str(tmp_path))

    with pytest.raises(PrerequisiteError, match="TF_PLUGIN_DIR names"):
        init_arguments()


def test_a_registry_that_cannot_be_reached_is_no_error(monkeypatch):
    monkeypatch.setattr(terraform_mirror, "_REGISTRY", "http://127.0.0.1:9/terraform.json")

    # The function itself: what it finds here must not be remembered for the rest of the session.
    assert terraform_mirror.registry_answers.__wrapped__() is False


def test_the_cli_configuration_serves_only_the_aws_provider_from_the_mirror(tmp_path):
    text = cli_configuration(tmp_path)

    assert f'path    = "{tmp_path}"' in text
    assert text.count(f'["{PROVIDER}"]') == 2
