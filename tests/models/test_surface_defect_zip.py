"""Training files as a ZIP with a folder for each label."""

import io
from zipfile import ZIP_LZMA, ZipFile

import numpy as np
import pytest

from models.adaptation import TrainingFileInvalid
from models.surface_defect import zipped_pictures
from models.surface_defect.labelled_pictures import read_training_file
from tests.support.models.made_up_surfaces import (
    LABELS,
    file_of,
    folders,
    lines,
    surface,
    training_file,
    zip_of,
)


def problems(content: bytes) -> dict[str, str]:
    """The messages of a file's problems by their code."""
    with pytest.raises(TrainingFileInvalid) as caught:
        read_training_file(content)
    return {one.code: one.message for one in caught.value.problems.shown}


class TestZip:
    def test_folders_are_labels_and_numbers_sort_as_numbers(self) -> None:
        read = read_training_file(zip_of(folders(11)))
        assert {one.label for one in read.pictures} == set(LABELS)
        paths = [one.place.path for one in read.pictures if one.label == "rough"]
        assert paths == [f"rough/{seed}.png" for seed in range(11)]
        assert read.notes[0] == "Images by label: brushed: 11, pitted: 11, rough: 11."

    def test_innermost_folder_is_the_label(self) -> None:
        inner = {f"data\\train/{path}": content for path, content in folders(5).items()}
        assert {one.label for one in read_training_file(zip_of(inner)).pictures} == set(LABELS)

    def test_files_of_the_system_and_texts_are_left_out(self) -> None:
        files = folders(5)
        files |= {"__MACOSX/rough/._0.png": b"x", "rough/Thumbs.db": b"x", ".DS_Store": b"x"}
        read = read_training_file(zip_of(files | {"classes.txt": b"rough"}))
        assert len(read.pictures) == 15
        assert "Files that are no images are not used: classes.txt." in read.notes

    def test_chinese_names_without_the_utf8_flag_are_read(self) -> None:
        files = {path.replace("rough", "划痕"): content for path, content in folders(5).items()}
        whole = zip_of({path: content for path, content in files.items()})
        for name in {path for path in files if "划痕" in path}:
            whole = whole.replace(
                name.encode(), name.encode("gb18030").ljust(len(name.encode()), b"0")
            )
        # Names keep their length in bytes; the flag for UTF-8 is cleared in both headers.
        whole = whole.replace(b"PK\x03\x04\x14\x00\x00\x08", b"PK\x03\x04\x14\x00\x00\x00")
        whole = whole.replace(
            b"PK\x01\x02\x14\x03\x14\x00\x00\x08", b"PK\x01\x02\x14\x03\x14\x00\x00\x00"
        )
        assert "划痕" in {one.label for one in read_training_file(whole).pictures}

    def test_damaged_images_and_images_in_no_folder_are_named(self) -> None:
        files = folders(5) | {
            "rough/broken.png": file_of(surface("rough", 9))[:900],
            "pitted/photo.heic": b"no picture",
            "alone.png": file_of(surface("rough", 8)),
        }
        with pytest.raises(TrainingFileInvalid) as caught:
            read_training_file(zip_of(files))
        shown = caught.value.problems.shown
        assert [(one.code, one.field) for one in shown] == [
            ("no_folder", "alone.png"),
            ("invalid_image", "pitted/photo.heic"),
            ("invalid_image", "rough/broken.png"),
        ]
        assert shown[2].message == "rough/broken.png: the image is damaged or truncated."

    def test_same_image_in_two_folders_is_rejected_with_both_paths(self) -> None:
        files = folders(5)
        files["pitted/copy.bmp"] = file_of(surface("rough", 2), "BMP")
        assert problems(zip_of(files))["contradiction"] == (
            "rough/2.png: the image is the same as in pitted/copy.bmp, but its label is 'rough' "
            "instead of 'pitted'."
        )

    def test_zip_bomb_is_rejected_before_it_is_unpacked(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        files = folders(5) | {"rough/bomb.png": bytes(9 << 20)}
        assert "has 9437184 bytes" in problems(zip_of(files))["invalid_image"]
        monkeypatch.setattr(zipped_pictures, "MAX_UNPACKED", 1 << 20)
        assert set(problems(zip_of(files))) == {"zip_too_large"}

    @pytest.mark.parametrize("cut", [10, 400, -30])
    def test_truncated_zip_is_rejected(self, cut: int) -> None:
        assert set(problems(zip_of(folders(5))[:cut])) == {"invalid_zip"}

    def test_damaged_content_of_a_file_is_rejected(self) -> None:
        content = bytearray(zip_of(folders(5)))
        content[200:240] = bytes(40)
        assert problems(bytes(content)) == {
            "invalid_image": "brushed/0.png: the image is damaged in the ZIP."
        }

    def test_unusual_compression_is_rejected(self) -> None:
        file = io.BytesIO()
        with ZipFile(file, "w", ZIP_LZMA) as archive:
            archive.writestr("rough/0.png", file_of(surface("rough", 0)))
        assert "unusual method" in problems(file.getvalue())["invalid_image"]

    def test_empty_zip_is_rejected(self) -> None:
        assert set(problems(zip_of({}))) == {"no_images"}


class TestNearCopies:
    def test_copies_are_one_group_and_told(self) -> None:
        grey = surface("pitted", 3)
        files = folders(5) | {
            "pitted/z1.jpg": file_of(grey, "JPEG", quality=85),
            "pitted/z2.png": file_of(np.ascontiguousarray(np.rot90(grey))),
        }
        read = read_training_file(zip_of(files))
        at = {one.place.path: row for row, one in enumerate(read.pictures)}
        assert read.groups[at["pitted/z1.jpg"]] == at["pitted/3.png"]
        assert read.groups[at["pitted/z2.png"]] == at["pitted/3.png"]
        assert np.sum(read.groups != np.arange(len(read.groups))) == 2
        assert any(note.startswith("Images that are nearly the same") for note in read.notes)

    def test_copies_with_another_label_are_told(self) -> None:
        files = folders(5) | {"rough/z.jpg": file_of(surface("pitted", 3), "JPEG", quality=85)}
        (told,) = [
            one for one in read_training_file(zip_of(files)).notes if "different labels" in one
        ]
        assert "pitted/3.png and rough/z.jpg" in told

    def test_blank_images_are_no_copies_of_each_other(self) -> None:
        blank = {
            f"blank/{at}.png": file_of(np.full((90, 90), 100 + at, np.uint8)) for at in range(5)
        }
        read = read_training_file(zip_of(folders(5) | blank))
        assert read.groups.tolist() == list(range(len(read.pictures)))

    def test_rare_label_is_told(self) -> None:
        more = {f"rough/{at}.png": file_of(surface("rough", at)) for at in range(30)}
        notes = read_training_file(zip_of(folders(5) | more)).notes
        assert any("Some labels have 5 images, others 30" in note for note in notes)

    def test_lines_have_the_same_notes(self) -> None:
        assert read_training_file(training_file(*lines(5))).notes == (
            "Images by label: brushed: 5, pitted: 5, rough: 5.",
        )
