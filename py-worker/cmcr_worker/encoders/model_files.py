"""Where a model's files lie: a local folder, or a snapshot of a hub repository; and their checksum."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cmcr_worker.errors import Reason, WorkerError

_READ_BYTES = 1 << 20
_lock = threading.Lock()
_checksums: dict[tuple[str, int, int], str] = {}


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A model's folder; `origin` is what people call it: the path given, or `owner/name@revision`."""

    path: Path
    origin: str

    def file(self, name: str) -> Path:
        """One of its files.

        Raises:
            WorkerError: CHECKPOINT_MISSING where it is not there.
        """
        path = self.path / name
        if not path.is_file():
            raise WorkerError(
                Reason.CHECKPOINT_MISSING,
                f"{self.origin} has no file {name}",
                subject=self.origin,
                remedy="Give the folder that save_pretrained writes: configuration, weights and tokenizer.",
            )
        return path

    def json(self, name: str) -> dict[str, object]:
        """The content of one of its JSON files.

        Raises:
            WorkerError: CHECKPOINT_MISSING where it is not there, DATA_CORRUPT where it is no JSON object.
        """
        path = self.file(name)
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (ValueError, OSError) as error:
            raise WorkerError(
                Reason.DATA_CORRUPT, f"{path} is not JSON ({error})", subject=str(path)
            ) from error
        if not isinstance(content, dict):
            raise WorkerError(Reason.DATA_CORRUPT, f"{path} is no JSON object", subject=str(path))
        return content

    def sha256(self, patterns: Sequence[str]) -> str:
        """SHA-256 over names and contents of the files that match, in the order of their names."""
        names = sorted({path for pattern in patterns for path in self.path.glob(pattern) if path.is_file()})
        return files_sha256(names)


def model_folder(
    provider: str, model: str, checkpoint: Path | None, revision: str, patterns: Sequence[str]
) -> ModelFolder:
    """The local folder `checkpoint`, or a snapshot of the hub repository `model` at `revision`.

    `patterns` are the files of a repository that are fetched, such as `*.safetensors`. The hub's own
    cache is used first; what is in it needs no network.

    Raises:
        WorkerError: CHECKPOINT_MISSING where neither is to be had.
    """
    if checkpoint is not None:
        if not checkpoint.is_dir():
            raise WorkerError(
                Reason.CHECKPOINT_MISSING,
                f"there is no folder {checkpoint}",
                subject=str(checkpoint),
                remedy="Give the folder that save_pretrained writes, or a model of the hub in its place.",
            )
        return ModelFolder(checkpoint, str(checkpoint))
    if not model:
        raise WorkerError(
            Reason.CHECKPOINT_MISSING,
            f"the provider {provider} was given neither a model nor a checkpoint",
            subject="encoder.model",
            remedy="Give model: a hub id such as owner/name, or checkpoint: a local folder.",
        )
    from huggingface_hub import snapshot_download

    try:
        path = snapshot_download(model, revision=revision, allow_patterns=list(patterns))
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WorkerError(
            Reason.CHECKPOINT_MISSING,
            f"{model} at revision {revision} is not in the hub's cache and cannot be fetched ({reason})",
            subject=model,
            remedy="Check name and network, or download it elsewhere and give its folder as checkpoint.",
        ) from error
    return ModelFolder(Path(path), f"{model}@{revision}")


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, lower-case hexadecimal; remembered while its size and time stay the same."""
    status = path.stat()
    known = (str(path.resolve()), status.st_size, status.st_mtime_ns)
    with _lock:
        if known in _checksums:
            return _checksums[known]
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_READ_BYTES):
            digest.update(block)
    with _lock:
        _checksums[known] = digest.hexdigest()
    return digest.hexdigest()


def files_sha256(paths: Iterable[Path]) -> str:
    """SHA-256 over the names and checksums of files, in the order given; of one file, its own."""
    found = list(paths)
    if len(found) == 1:
        return file_sha256(found[0])
    digest = hashlib.sha256()
    for path in found:
        digest.update(f"{path.name}\0{file_sha256(path)}\n".encode())
    return digest.hexdigest()
