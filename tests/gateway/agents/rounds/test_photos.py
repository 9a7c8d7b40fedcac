"""Photos: metadata is dropped, large ones are reduced, damaged and huge ones refused."""

from io import BytesIO

import pytest
from PIL import Image

from gateway.agents.rounds.errors import RoundPhotoInvalid
from gateway.agents.rounds.photos import MAX_BYTES, MAX_SIDE, read_photo
from tests.support.gateway.rounds import photo


def test_photo_is_stored_as_jpeg_without_metadata_upright_and_reduced() -> None:
    metadata = Image.Exif()
    metadata[0x010E] = "Jane Doe, 48.1 N 11.5 E"
    metadata[0x0112] = 6  # turned by a quarter
    found = read_photo(photo((2_400, 1_200), exif=metadata))
    assert (found.width, found.height) == (MAX_SIDE // 2, MAX_SIDE)
    assert b"Jane" not in found.content
    with Image.open(BytesIO(found.content)) as stored:
        assert (stored.format, len(stored.getexif())) == ("JPEG", 0)


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_other_formats_become_jpeg(kind: str) -> None:
    assert read_photo(photo(kind=kind)).content[:2] == b"\xff\xd8"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no picture",
        photo((400, 300))[:-400],
        photo((8, 8)),
        photo(kind="BMP"),
        b"\xff\xd8" + b"0" * MAX_BYTES,
        photo((10_000, 6_000), kind="PNG"),
    ],
    ids=["empty", "text", "truncated", "tiny", "format", "huge", "pixels"],
)
def test_file_that_is_no_usable_photo_is_refused(content: bytes) -> None:
    with pytest.raises(RoundPhotoInvalid):
        read_photo(content)
