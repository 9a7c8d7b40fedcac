"""Decoding and validation of customers' images."""

import struct
import zlib
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image

from models.surface_defect import picture
from models.surface_defect.picture import (
    MAX_BYTES,
    MAX_PIXELS,
    TARGET_PIXELS,
    PictureInvalid,
    decode_base64,
    decode_picture,
)
from models.surface_defect.views import mirror_images
from tests.support.models.made_up_surfaces import base64_of, file_of, surface

ORIENTATION = 0x0112


def refused(data: bytes) -> str:
    with pytest.raises(PictureInvalid) as caught:
        decode_picture(data)
    return str(caught.value)


def png(width: int, height: int, depth: int, colours: int, packed: bytes) -> bytes:
    """Return a PNG file with arbitrary header fields."""
    header = struct.pack(">IIBBBBB", width, height, depth, colours, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", packed), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in chunks
    )


def pages(kind: str, **settings: Any) -> bytes:
    first, second = (Image.fromarray(surface("rough", seed)) for seed in (1, 2))
    file = BytesIO()
    first.save(file, kind, save_all=True, append_images=[second], **settings)
    return file.getvalue()


class TestImageDecoding:
    @pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "JPEG", "WEBP"])
    def test_formats_decode_to_the_same_pixels(self, kind: str) -> None:
        settings: dict[str, Any] = {
            "JPEG": {"quality": 95},
            "WEBP": {"lossless": True},
        }.get(kind, {})
        seen = decode_picture(file_of(surface("pitted", 1), kind, **settings))
        exact = decode_picture(file_of(surface("pitted", 1)))
        assert np.abs(seen.astype(int) - exact).mean() < 2

    def test_greyscale_has_three_equal_channels(self) -> None:
        seen = decode_picture(file_of(surface("rough", 1)))
        assert seen.dtype == np.uint8
        assert (seen == seen[..., :1]).all()
        assert seen.std() > 10

    def test_image_is_scaled_to_target_area_keeping_aspect_ratio(self) -> None:
        for height, width in ((64, 64), (16, 256), (700, 900), (30, 20)):
            rows, columns, colours = decode_picture(
                file_of(surface("rough", 1, height, width))
            ).shape
            assert colours == 3
            assert rows * columns == pytest.approx(TARGET_PIXELS, rel=0.05)
            assert rows / columns == pytest.approx(height / width, rel=0.05)

    def test_large_jpeg_decodes_like_scaled_copy(self) -> None:
        large = Image.fromarray(surface("pitted", 1)).resize((2400, 1920), Image.Resampling.BICUBIC)
        small = large.resize((300, 240), Image.Resampling.BOX)
        files = [file_of(np.asarray(one), "JPEG", quality=95) for one in (large, small)]
        first, second = (decode_picture(file).astype(int) for file in files)
        assert np.abs(first - second).mean() < 2

    def test_exif_orientation_is_applied(self) -> None:
        upright = Image.fromarray(surface("brushed", 1))
        lying, exif = upright.transpose(Image.Transpose.ROTATE_90), Image.Exif()
        exif[ORIENTATION] = 6  # to be turned clockwise
        file = file_of(np.asarray(lying), exif=exif)
        np.testing.assert_array_equal(
            decode_picture(file), decode_picture(file_of(np.asarray(upright)))
        )

    def test_opaque_alpha_channel_is_ignored(self) -> None:
        grey = surface("pitted", 1)
        opaque = np.dstack([grey, grey, grey, np.full_like(grey, 255)])
        np.testing.assert_array_equal(
            decode_picture(file_of(opaque)), decode_picture(file_of(grey))
        )

    def test_palette_and_bilevel_images_are_decoded(self) -> None:
        image = Image.fromarray(surface("pitted", 1))
        for mode in ("P", "1"):
            file = BytesIO()
            image.convert(mode).save(file, "PNG")
            assert decode_picture(file.getvalue()).std() > 10

    def test_base64_with_line_breaks_is_decoded(self) -> None:
        text = base64_of(file_of(surface("rough", 1)))
        broken = "\n".join(text[at : at + 76] for at in range(0, len(text), 76))
        np.testing.assert_array_equal(decode_base64(broken), decode_base64(text))

    def test_second_image_of_mpo_file_is_ignored(self) -> None:
        seen = decode_picture(pages("MPO", quality=95))
        first = decode_picture(file_of(surface("rough", 1), "JPEG", quality=95))
        np.testing.assert_array_equal(seen, first)

    def test_mirror_images_keep_texture_direction(self) -> None:
        seen = decode_base64(base64_of(file_of(surface("brushed", 1))))
        for view in mirror_images(seen):
            assert view.shape == seen.shape
            steps_down, steps_across = (np.diff(view[..., 0].astype(int), axis=a) for a in (0, 1))
            assert np.abs(steps_down).mean() > 3 * np.abs(steps_across).mean()


class TestImageValidation:
    @pytest.mark.parametrize("text", ["%%%", "data:image/png;base64,iVBO", "iVBOR", "表面"])
    def test_invalid_base64_is_rejected(self, text: str) -> None:
        with pytest.raises(PictureInvalid, match="is not the base64"):
            decode_base64(text)

    def test_empty_image_is_rejected(self) -> None:
        with pytest.raises(PictureInvalid, match="is empty"):
            decode_base64("")

    @pytest.mark.parametrize(
        "data",
        [
            pytest.param(b"label,defect\n1,scratch\n", id="a table"),
            pytest.param(b"%PDF-1.7\n", id="a document"),
            pytest.param(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n", id="a program"),
            pytest.param(file_of(surface("rough", 1), "GIF"), id="a format that is not taken"),
            pytest.param(bytes(1000), id="zeros"),
        ],
    )
    def test_unsupported_file_type_is_rejected(self, data: bytes) -> None:
        assert "is not an image in one of the formats PNG, JPEG, BMP, TIFF, WEBP" in refused(data)

    @pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "BMP", "WEBP"])
    def test_truncated_file_is_rejected(self, kind: str) -> None:
        whole = file_of(surface("rough", 1), kind)
        assert refused(whole[: len(whole) // 2]) in (
            "is damaged or truncated",
            f"is not an image in one of the formats {', '.join(picture.FORMATS)}",
        )

    def test_damaged_file_is_rejected(self) -> None:
        whole = bytearray(file_of(surface("rough", 1)))
        whole[200:240] = bytes(40)
        assert refused(bytes(whole)) == "is damaged or truncated"

    @pytest.mark.parametrize("side", [6_000, 12_000, 60_000])
    def test_decompression_bomb_is_rejected_before_decoding(
        self, side: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def decode(self: Image.Image) -> None:
            raise AssertionError("it was decoded")

        monkeypatch.setattr("PIL.ImageFile.ImageFile.load", decode)
        packed = zlib.compress(bytes(10_000_000), 9)
        message = refused(png(side, side, 8, 0, packed))
        assert str(MAX_PIXELS) in message
        assert "pixels" in message

    def test_decompression_bomb_in_comment_is_rejected(self) -> None:
        image = file_of(surface("rough", 1))
        comment = b"Comment\0\0" + zlib.compress(bytes(200_000_000), 9)
        chunk = struct.pack(">I", len(comment)) + b"zTXt" + comment
        chunk += struct.pack(">I", zlib.crc32(b"zTXt" + comment))
        assert refused(image[:33] + chunk + image[33:]) == "is damaged or truncated"

    def test_file_over_size_limit_is_rejected(self) -> None:
        assert str(MAX_BYTES) in refused(bytes(MAX_BYTES + 1))

    @pytest.mark.parametrize("size", [(1, 1), (15, 200), (200, 15)])
    def test_too_small_image_is_rejected(self, size: tuple[int, int]) -> None:
        assert "each side needs at least 16" in refused(file_of(np.zeros(size, np.uint8)))

    def test_extreme_aspect_ratio_is_rejected(self) -> None:
        message = refused(file_of(np.zeros((20, 400), np.uint8)))
        assert message == ("has 400 × 20 pixels, one side more than 16 times the other; crop it")

    @pytest.mark.parametrize(
        "kind", [pytest.param("PNG", id="PNG"), pytest.param("TIFF", id="TIFF")]
    )
    def test_16_bit_greyscale_is_rejected(self, kind: str) -> None:
        deep = surface("rough", 1).astype(np.uint16) * 16
        assert (
            refused(file_of(deep, kind)) == "has more than 8 bits per channel; convert it to 8 bits"
        )

    @pytest.mark.parametrize(("colours", "channels"), [(2, 3), (4, 2), (6, 4)])
    def test_16_bit_colour_is_rejected(self, colours: int, channels: int) -> None:
        rows = b"".join(b"\0" + bytes(2 * channels * 32) for _ in range(32))
        assert "more than 8 bits" in refused(png(32, 32, 16, colours, zlib.compress(rows)))

    def test_floating_point_pixels_are_rejected(self) -> None:
        deep = surface("rough", 1).astype(np.float32)
        assert "more than 8 bits" in refused(file_of(deep, "TIFF"))

    @pytest.mark.parametrize("kind", ["TIFF", "WEBP", "PNG"])
    def test_file_with_several_frames_is_rejected(self, kind: str) -> None:
        message = refused(pages(kind))
        assert message == "has several frames or pages; send each as a separate image"

    @pytest.mark.parametrize("colours", ["CMYK", "LAB"])
    def test_print_colour_modes_are_rejected(self, colours: str) -> None:
        file = BytesIO()
        Image.new(colours, (64, 64)).save(file, "TIFF")
        assert (
            refused(file.getvalue())
            == f"has the colour mode {colours}; save it as RGB or greyscale"
        )

    def test_transparent_pixels_are_rejected(self) -> None:
        grey = surface("rough", 1)
        alpha = np.full_like(grey, 255)
        alpha[5, 5] = 254
        message = refused(file_of(np.dstack([grey, grey, grey, alpha])))
        assert message == "has transparent pixels; save it without transparency"
