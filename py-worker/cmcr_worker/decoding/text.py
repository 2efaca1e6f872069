"""Text files to texts."""

from __future__ import annotations

from cmcr_worker.decoding.encoded import Encoded, Limits, Part

TEXT_BYTES = 1 << 20
"""Of one text; what is longer is no caption but a file that was taken for one."""


def decode_text(source: Encoded, limits: Limits, part: Part | None) -> str:
    """The text of a UTF-8 file, without a byte order mark and without the white space around it.

    Raises:
        WorkerError: as `Encoded.open`; DATA_CORRUPT where it is not UTF-8, blank, or longer than
            `TEXT_BYTES`.
    """
    size = source.size()
    if size > TEXT_BYTES:
        raise source.corrupt(f"has {size} bytes; a text may have {TEXT_BYTES}")
    with source.open(limits) as file:
        content = file.read(TEXT_BYTES)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise source.corrupt(f"is not UTF-8 text (byte {error.start})") from error
    if "\0" in text:
        raise source.corrupt("is not text: it holds a zero byte")
    if not text.strip():
        raise source.corrupt("is blank")
    return text.strip()
