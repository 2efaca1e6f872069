"""The preparation that a user's own encoder brings: a static method, so that decoder processes can run it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cmcr_worker.decoding.media import Media, Prepared
from cmcr_worker.encoders.python_file import load_module, target_of, users_code
from cmcr_worker.errors import Reason, WorkerError


@dataclass(frozen=True, slots=True)
class PythonPreparation:
    """Calls `prepare(modality, item)` of a class in a user's file, wherever it is unpickled."""

    path: Path
    sha256: str
    class_name: str
    modality: str

    def __call__(self, media: Media) -> Prepared:
        """The item prepared.

        Raises:
            WorkerError: DATA_CORRUPT where the user's code raises ValueError, which is how it says that an
                item cannot be used; CONFIG_INVALID for anything else that it raises.
        """
        target = target_of(load_module(self.path, self.sha256), self.path, self.class_name)
        what = f"{self.class_name}.prepare"
        with users_code(self.path, what):
            try:
                prepared: Prepared = target.prepare(self.modality, media)
            except WorkerError:
                raise
            except ValueError as error:
                raise WorkerError(
                    Reason.DATA_CORRUPT, f"{what} refuses the item: {error}", subject="item"
                ) from error
        return prepared


def static_preparation(target: Any) -> bool:
    """Whether a class has a `prepare` that needs no instance.

    Raises:
        TypeError: for one that does.
    """
    for kind in target.__mro__:
        if "prepare" in vars(kind):
            if isinstance(vars(kind)["prepare"], (staticmethod, classmethod)):
                return True
            raise TypeError(
                f"{target.__name__}.prepare needs an instance, which decoder processes do not have: "
                "put @staticmethod before it"
            )
    return False
