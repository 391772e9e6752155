"""Where ``terraform init`` gets the AWS provider from: the registry, or a mirror on this machine.

Terraform looks into its implied mirror directories by itself, but not into the folders that machine images without a
network tend to use. This module finds those too, so that nobody has to configure anything.
Layout of a mirror: https://developer.hashicorp.com/terraform/cli/config/config-file#filesystem_mirror
"""

from __future__ import annotations

import functools
import os
import platform
import re
import sys
import time
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from lakehouse.errors import PrerequisiteError

_PROVIDER = Path("registry.terraform.io", "hashicorp", "aws")
_REGISTRY = "https://registry.terraform.io/.well-known/terraform.json"
_REGISTRY_TIMEOUT_SECONDS = 3.0

# terraform/versions.tf asks for `~> 5.100`.
_OLDEST_VERSION = (5, 100)
_VERSION = re.compile(r"(?:terraform-provider-aws_)?(\d+)\.(\d+)\.\d+")

_MACHINES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}

_SEARCH_DEPTH = 4
_SEARCH_SECONDS = 3.0
_NEVER_A_MIRROR = frozenset({"node_modules", "site-packages", "__pycache__", "proc", "sys", "dev", "include", "man"})


def _platform() -> str:
    machine = platform.machine().lower()
    return f"{platform.system().lower()}_{_MACHINES.get(machine, machine)}"


def _is_wanted(version: str) -> bool:
    match = _VERSION.match(version)
    if match is None:
        return False
    major, minor = int(match[1]), int(match[2])
    return major == _OLDEST_VERSION[0] and minor >= _OLDEST_VERSION[1]


def _serves(mirror: Path) -> bool:
    """Whether the mirror holds a fitting AWS provider for this platform, unpacked or as a zip."""
    folder = mirror / _PROVIDER
    try:
        entries = list(folder.iterdir())
        wanted = [entry for entry in entries if _is_wanted(entry.name)]
        return any(
            entry.name.endswith(f"_{_platform()}.zip") or any((entry / _platform()).glob("terraform-provider-aws*"))
            for entry in wanted
        )
    except OSError:
        # A folder we may not read is no mirror for us; the search goes on and the final error lists the places.
        return False


def implied_directories(environment: Mapping[str, str], home: Path) -> list[Path]:
    """Terraform's own implied mirror directories.

    Source: https://developer.hashicorp.com/terraform/cli/config/config-file#implied-local-mirror-directories

    Args:
        environment: For example ``os.environ``.
        home: The user's home directory.

    Returns:
        The directories, whether they exist or not.
    """
    if sys.platform == "darwin":
        vendor = Path("Library", "Application Support", "io.terraform", "plugins")
        return [home / ".terraform.d" / "plugins", home / vendor, Path("/") / vendor]
    if sys.platform == "win32":
        roaming = environment.get("APPDATA", str(home / "AppData" / "Roaming"))
        return [Path(roaming, "terraform.d", "plugins"), Path(roaming, "HashiCorp", "Terraform", "plugins")]
    data_home = environment.get("XDG_DATA_HOME") or str(home / ".local" / "share")
    data_dirs = (environment.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share").split(":")
    shared = [Path(folder, "terraform", "plugins") for folder in (data_home, *data_dirs) if folder]
    return [home / ".terraform.d" / "plugins", *shared]


def install_prefixes(home: Path) -> list[Path]:
    """Where machine images put software: searched a few levels deep.

    Args:
        home: The user's home directory.

    Returns:
        The directories, whether they exist or not.
    """
    system = [Path(name) for name in ("/usr/local", "/opt", "/usr/share", "/usr/lib", "/srv", "/var/lib")]
    return [*system, home]


def _subfolders(folder: Path) -> Iterator[Path]:
    try:
        with os.scandir(folder) as entries:
            names = [
                entry.name
                for entry in entries
                if entry.name not in _NEVER_A_MIRROR and entry.is_dir(follow_symlinks=False)
            ]
    except OSError:
        # Folders of others are closed to us; what is closed cannot be used as a mirror either.
        return
    yield from (folder / name for name in sorted(names))


def search(prefixes: Iterable[Path], *, depth: int = _SEARCH_DEPTH, seconds: float = _SEARCH_SECONDS) -> Path | None:
    """Look for a provider mirror below some directories, shallow ones first.

    Args:
        prefixes: Directories to look into.
        depth: How many levels below each prefix the mirror may lie.
        seconds: When to give up.

    Returns:
        The mirror's root (the folder that holds ``registry.terraform.io``), or None.
    """
    waiting = deque((prefix, 0) for prefix in prefixes)
    give_up_at = time.monotonic() + seconds
    while waiting and time.monotonic() < give_up_at:
        folder, level = waiting.popleft()
        if _serves(folder):
            return folder
        if level < depth:
            waiting.extend((child, level + 1) for child in _subfolders(folder))
    return None


def locate(environment: Mapping[str, str], home: Path, prefixes: Iterable[Path]) -> Path | None:
    """Find a mirror: the one that is named, else Terraform's implied ones, else any below the install prefixes.

    Args:
        environment: ``TF_PLUGIN_DIR`` names a mirror; ``TF_PLUGIN_CACHE_DIR`` has the same layout.
        home: The user's home directory.
        prefixes: Directories to search when none of the known ones serves.

    Returns:
        The mirror's root, or None.
    """
    named = [Path(environment[name]) for name in ("TF_PLUGIN_DIR", "TF_PLUGIN_CACHE_DIR") if environment.get(name)]
    for folder in (*named, *implied_directories(environment, home)):
        if _serves(folder):
            return folder
    return search(prefixes)


@functools.cache
def find_mirror() -> Path | None:
    """This machine's provider mirror; looked up once a process.

    Returns:
        The mirror's root, fit for ``terraform init -plugin-dir``, or None.
    """
    home = Path.home()
    return locate(os.environ, home, install_prefixes(home))


@functools.cache
def registry_answers() -> bool:
    """Whether the Terraform registry can be reached quickly; asked once a process.

    Returns:
        True when its discovery document came back within a few seconds.
    """
    try:
        with urllib.request.urlopen(_REGISTRY, timeout=_REGISTRY_TIMEOUT_SECONDS) as answer:
            return bool(answer.status == 200 and b"providers.v1" in answer.read())
    except (urllib.error.URLError, OSError, ValueError):
        # No network, a proxy's refusal, a time-out: all the same to us, a mirror has to do.
        return False


def _has_own_installation(environment: Mapping[str, str], home: Path) -> bool:
    """Whether the user's Terraform CLI configuration already says where providers come from."""
    name = environment.get("TF_CLI_CONFIG_FILE")
    file = Path(name) if name else home / (".terraformrc" if sys.platform != "win32" else "terraform.rc")
    try:
        return "provider_installation" in file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False


def cli_configuration(mirror: Path) -> str:
    """A Terraform CLI configuration that installs the AWS provider from a mirror and all else from its origin.

    Args:
        mirror: The mirror's root.

    Returns:
        The text for a file that ``TF_CLI_CONFIG_FILE`` names.
    """
    path = str(mirror).replace("\\", "/")
    provider = _PROVIDER.as_posix()
    return (
        "provider_installation {\n"
        "  filesystem_mirror {\n"
        f'    path    = "{path}"\n'
        f'    include = ["{provider}"]\n'
        "  }\n"
        "  direct {\n"
        f'    exclude = ["{provider}"]\n'
        "  }\n"
        "}\n"
    )


def init_arguments() -> list[str]:
    """What ``terraform init`` needs on this machine to find the AWS provider.

    Returns:
        Nothing where Terraform's own ways work (the user's CLI configuration, the registry), else ``-plugin-dir``.

    Raises:
        PrerequisiteError: No registry and no mirror.
    """
    if os.environ.get("TF_PLUGIN_DIR"):
        return [f"-plugin-dir={_named_mirror(Path(os.environ['TF_PLUGIN_DIR']))}"]
    if _has_own_installation(os.environ, Path.home()) or registry_answers():
        return []
    mirror = find_mirror()
    if mirror is None:
        raise PrerequisiteError(_no_provider())
    return [f"-plugin-dir={mirror}"]


def _no_provider() -> str:
    home = Path.home()
    implied = ", ".join(str(folder) for folder in implied_directories(os.environ, home))
    prefixes = ", ".join(str(folder) for folder in install_prefixes(home))
    return (
        "Terraform cannot get the AWS provider (hashicorp/aws ~> 5.100): registry.terraform.io did not answer within "
        f"{_REGISTRY_TIMEOUT_SECONDS:.0f} s, and no provider mirror for {_platform()} was found in {implied}, "
        f"nor below {prefixes}. Connect to the network; or fill a mirror on a machine that has one "
        "(terraform -chdir=terraform providers mirror ~/.terraform.d/plugins), copy it here, and name it with "
        "TF_PLUGIN_DIR if it lies elsewhere."
    )


def _named_mirror(mirror: Path) -> Path:
    if not _serves(mirror):
        raise PrerequisiteError(
            f"TF_PLUGIN_DIR names {mirror}, but there is no hashicorp/aws ~> 5.100 for {_platform()} in "
            f"{mirror / _PROVIDER}. Fill it with: terraform -chdir=terraform providers mirror {mirror}; "
            "or unset TF_PLUGIN_DIR."
        )
    return mirror
