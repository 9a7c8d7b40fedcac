"""Read labelled pictures from a ZIP: the folder that contains a picture is its label.

All sizes are checked before anything is unpacked, and nothing is written to disk.
"""

import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import PurePosixPath
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from infra.zip_errors import ZIP_ERRORS
from models.problems import Problem, Problems
from models.sentences import listing, sentence
from models.surface_defect.picture import MAX_BYTES, PictureInvalid, decode_picture
from models.surface_defect.picture_place import (
    LabelledPicture,
    PicturePlace,
    is_valid_label,
    label_problem,
    picture_problem,
)

_SIGNATURES = (b"PK\x03\x04", b"PK\x05\x06")
MAX_FILES = 10_000
# Unpacked bytes of all pictures together. Pictures hardly shrink in a ZIP of 32 MiB at most.
MAX_UNPACKED = 128 << 20
_METHODS = frozenset({ZIP_STORED, ZIP_DEFLATED})
_ENCRYPTED, _UTF8 = 0x1, 0x800
# What operating systems and labelling programs add; anything else must be a picture.
_SYSTEM_NAMES = frozenset({"thumbs.db", "desktop.ini"})
_SYSTEM_FOLDERS = frozenset({"__MACOSX"})
_TEXT_SUFFIXES = frozenset(
    {".csv", ".html", ".json", ".md", ".pdf", ".txt", ".xlsx", ".xml", ".yaml", ".yml"}
)
_MAX_NAMED = 5


def is_zip(content: bytes) -> bool:
    """Return whether a file is a ZIP, by its first bytes."""
    return content.startswith(_SIGNATURES)


def read_zip(content: bytes, problems: Problems) -> Iterator[LabelledPicture]:
    """Yield the valid pictures of a ZIP by name, numbers in names in numerical order.

    Adds what is wrong with the others to `problems`.
    """
    try:
        archive = ZipFile(BytesIO(content))
    except ZIP_ERRORS:
        message = sentence("The ZIP is damaged or incomplete.")
        problems.add(Problem("invalid_zip", message, sentence("Create it again and upload it.")))
        return
    with archive:
        files = _list_files(archive, problems)
        if not files and not problems.count:
            message = sentence("The ZIP has no images.")
            problems.add(
                Problem("no_images", message, sentence("Add a folder of images for each label."))
            )
        for path, info in sorted(files.items(), key=lambda item: _natural_order(item[0])):
            example = _read_picture(archive, PurePosixPath(path), info, problems)
            if example is not None:
                yield example


def _list_files(archive: ZipFile, problems: Problems) -> dict[str, ZipInfo]:
    """Return the entries that should be pictures, by path; none if the ZIP is too large."""
    entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    unpacked = sum(entry.file_size for entry in entries)
    if len(entries) > MAX_FILES or unpacked > MAX_UNPACKED:
        message = sentence(
            "The ZIP has {count} files with {unpacked} MiB; at most {most} files "
            "and {most_unpacked} MiB are allowed.",
            count=len(entries),
            unpacked=unpacked >> 20,
            most=MAX_FILES,
            most_unpacked=MAX_UNPACKED >> 20,
        )
        problems.add(
            Problem("zip_too_large", message, sentence("Scale the images down, or remove some."))
        )
        return {}
    files = {_decode_name(entry): entry for entry in entries}
    files = {path: entry for path, entry in files.items() if not _is_system_file(path)}
    texts = [path for path in files if PurePosixPath(path).suffix.lower() in _TEXT_SUFFIXES]
    if texts:
        told = sentence(
            "Files that are no images are not used: {names}{more}.",
            names=listing(texts[:_MAX_NAMED]),
            more=sentence(" and more") if len(texts) > _MAX_NAMED else "",
        )
        problems.notes.append(told)
    return {path: entry for path, entry in files.items() if path not in texts}


def _read_picture(
    archive: ZipFile, path: PurePosixPath, info: ZipInfo, problems: Problems
) -> LabelledPicture | None:
    """Return the picture of a file; report its problems and return None if it is invalid."""
    place, label = PicturePlace(path=str(path)), path.parent.name.strip()
    if not label:
        reason = sentence("the image is in no folder.")
        fix = sentence("Put it into a folder that is named as its label.")
        problems.add(place.problem("no_folder", reason, fix, "image"))
        return None
    if not is_valid_label(label):
        problems.add(label_problem(place))
        return None
    try:
        return LabelledPicture(place, label, decode_picture(_unpack(archive, info)))
    except PictureInvalid as error:
        problems.add(picture_problem(place, error))
        return None


def _unpack(archive: ZipFile, info: ZipInfo) -> bytes:
    """Return the bytes of a file. Raises PictureInvalid."""
    if info.flag_bits & _ENCRYPTED:
        raise PictureInvalid(sentence("is encrypted; create the ZIP without a password"))
    if info.compress_type not in _METHODS:
        raise PictureInvalid(sentence("is compressed by an unusual method; create an ordinary ZIP"))
    if info.file_size > MAX_BYTES:
        raise PictureInvalid(
            sentence(
                "has {count} bytes; at most {most} are allowed",
                count=info.file_size,
                most=MAX_BYTES,
            )
        )
    try:
        return archive.read(info)
    except ZIP_ERRORS as error:
        raise PictureInvalid(sentence("is damaged in the ZIP")) from error


def _decode_name(info: ZipInfo) -> str:
    """Return a file's path with slashes.

    Names without the flag for UTF-8 are decoded as code page 437 by zipfile, but are UTF-8 (macOS)
    or GBK (Chinese Windows) in practice.
    """
    name = info.filename
    if not info.flag_bits & _UTF8 and not name.isascii():
        raw = name.encode("cp437", "replace")
        for encoding in ("utf-8", "gb18030"):
            try:
                name = raw.decode(encoding)
                break
            except UnicodeDecodeError:
                continue
    return name.replace("\\", "/")


def _is_system_file(path: str) -> bool:
    """Return whether a file was added by an operating system, or is hidden."""
    parts = PurePosixPath(path).parts
    hidden = any(part.startswith(".") and part not in {".", ".."} for part in parts)
    return hidden or parts[-1].lower() in _SYSTEM_NAMES or bool(_SYSTEM_FOLDERS & set(parts))


def _natural_order(path: str) -> tuple[tuple[int, str], ...]:
    """Return a sort key by which `2.png` comes before `10.png`."""
    return tuple(
        (int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", path)
    )
