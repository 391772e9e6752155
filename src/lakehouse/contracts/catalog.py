"""All contracts together. Adding a dataset is adding one YAML file to this folder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from lakehouse.contracts.model import Contract
from lakehouse.contracts.odcs import load
from lakehouse.errors import ContractError


class ContractCatalog:
    """The contracts by dataset.

    Args:
        contracts: The contracts.

    Raises:
        ContractError: Two contracts are for one dataset.
    """

    def __init__(self, contracts: Iterable[Contract]) -> None:
        self._contracts: dict[str, Contract] = {}
        for contract in contracts:
            if contract.dataset in self._contracts:
                raise ContractError(f"Two contracts for the dataset {contract.dataset!r}. Keep one file a dataset.")
            self._contracts[contract.dataset] = contract

    @classmethod
    @cache
    def packaged(cls) -> ContractCatalog:
        """The contracts that lie beside the code, read once a process: reading them takes longer than a call of S3.

        Raises:
            ContractError: One of them cannot be read.
        """
        return cls.from_folder(Path(__file__).parent)

    @classmethod
    def from_folder(cls, folder: Path) -> ContractCatalog:
        """The contracts of a folder's ``*.yaml`` files.

        Args:
            folder: Where they lie.

        Raises:
            ContractError: There is no such folder, or one of the files cannot be read.
        """
        if not folder.is_dir():
            raise ContractError(f"{folder}: no such folder of contracts. Name a folder that holds *.yaml files.")
        return cls(load(path) for path in sorted(folder.glob("*.yaml")))

    def find(self, dataset: str) -> Contract | None:
        """The contract of a dataset, None if it has none."""
        return self._contracts.get(dataset)

    def for_file_name(self, name: str) -> Contract | None:
        """The contract whose file pattern matches a file's name, None if none does.

        Raises:
            ContractError: More than one does.
        """
        found = [contract for contract in self if contract.matches(name)]
        if len(found) > 1:
            datasets = ", ".join(contract.dataset for contract in found)
            raise ContractError(
                f"{name} matches the file patterns of several contracts: {datasets}. Make their filePattern narrower."
            )
        return found[0] if found else None

    def __iter__(self) -> Iterator[Contract]:
        return iter(self._contracts.values())

    def __len__(self) -> int:
        return len(self._contracts)
