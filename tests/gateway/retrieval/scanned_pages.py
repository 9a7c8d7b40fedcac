"""Page images with known text, as a scanner or camera would make them, and PDF files of them."""

import io
from collections.abc import Sequence
from importlib.resources import files

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

A4 = (1240, 1754)  # at 150 dpi
CHINESE = (
    "机械密封维护手册",
    "冷却水温度过高时，先检查水泵，再清洗过滤器。",
    "主轴轴承 6205-2RS 每运行 2000 小时更换一次润滑脂。",
    "故障代码 F30001 表示功率单元过流，请检查电机电缆是否短路。",
    "额定压力为 1.6 MPa，试验压力不低于 2.4 MPa。",
    "拆卸前应切断电源，并在操作处悬挂警示牌。",
)
ENGLISH = (
    "Maintenance manual of the centrifugal pump",
    "Check the coupling alignment after every 500 hours of operation.",
    "Fault F30001 means overcurrent of the power unit.",
    "Replace the mechanical seal when leakage exceeds 5 ml per hour.",
    "Tighten the bolts crosswise with a torque of 45 N·m.",
)
TABLE = (
    ("代码", "Meaning", "Limit"),
    ("F1001", "轴承温度过高", "95 °C"),
    ("F1002", "Low oil level", "2.5 L"),
    ("F1003", "振动超限", "7.1 mm/s"),
)
NAMEPLATE = (
    ("型号", "Y2-160M-4"),
    ("功率", "11 kW"),
    ("电压", "380 V"),
    ("转速", "1460 r/min"),
    ("编号", "20261130-07"),
)


def font(size: int) -> ImageFont.FreeTypeFont:
    """The Chinese font that the product installs for its documents."""
    file = files("pylopdf_fonts_zh_cn").joinpath("NotoSansSC-Regular.otf")
    return ImageFont.truetype(io.BytesIO(file.read_bytes()), size)


def page_of(
    lines: Sequence[str], size: int = 26, left: int = 130, page: Image.Image | None = None
) -> Image.Image:
    """A page with one line of text below another, by default in 12.5 point."""
    page = Image.new("RGB", A4, "white") if page is None else page
    draw, letters = ImageDraw.Draw(page), font(size)
    for number, line in enumerate(lines):
        draw.text((left, 150 + number * size * 2), line, "black", letters)
    return page


def table_of(rows: Sequence[Sequence[str]]) -> Image.Image:
    """A page with a ruled table."""
    page = Image.new("RGB", A4, "white")
    draw, letters = ImageDraw.Draw(page), font(26)
    for row, texts in enumerate(rows):
        for column, text in enumerate(texts):
            left, top = 130 + column * 320, 200 + row * 60
            draw.rectangle((left, top, left + 320, top + 60), outline="black", width=2)
            draw.text((left + 18, top + 12), text, "black", letters)
    return page


def nameplate() -> Image.Image:
    """A photo of a metal nameplate: grey, skewed, uneven light, noise, slightly blurred."""
    plate = Image.new("RGB", (1000, 640), (150, 152, 155))
    draw, letters = ImageDraw.Draw(plate), font(44)
    draw.rounded_rectangle((15, 15, 985, 625), 30, outline=(60, 60, 60), width=5)
    for row, (name, value) in enumerate(NAMEPLATE):
        draw.text((80, 60 + row * 105), name, (35, 35, 40), letters)
        draw.text((420, 60 + row * 105), value, (35, 35, 40), letters)
    photo = plate.rotate(3, Image.Resampling.BICUBIC, expand=True, fillcolor=(90, 80, 70))
    return degraded(photo, blur=0.8, noise=6, shade=70)


def degraded(page: Image.Image, blur: float = 0.6, noise: float = 8, shade: int = 0) -> Image.Image:
    """A page with blur, sensor noise and light that falls off to the right."""
    pixels = np.asarray(page.filter(ImageFilter.GaussianBlur(blur)), dtype=np.float32)
    grain = np.random.default_rng(7).normal(0, noise, pixels.shape[:2])[:, :, np.newaxis]
    light = np.linspace(0, shade, pixels.shape[1])[np.newaxis, :, np.newaxis]
    return Image.fromarray(np.clip(pixels + grain - light, 0, 255).astype(np.uint8))


def picture(page: Image.Image, kind: str = "PNG") -> bytes:
    """The page as a file."""
    file = io.BytesIO()
    page.save(file, kind)
    return file.getvalue()


def scanned_pdf(*pages: Image.Image | str, stamp: str = "", tall: int = 842) -> bytes:
    """A PDF with a picture at the top, or text, on each page, and a stamp at the bottom. Pages are
    as wide as A4 and, unless stated otherwise, as tall (in points)."""
    file = io.BytesIO()
    canvas = Canvas(file, pagesize=(595, tall))
    for page in pages:
        if isinstance(page, str):
            canvas.drawString(72, tall - 142, page)
        else:
            jpeg = io.BytesIO(picture(page, "JPEG"))
            height = 595 * page.height / page.width
            canvas.drawImage(ImageReader(jpeg), 0, tall - height, 595, height)
        canvas.drawString(72, 40, stamp)
        canvas.showPage()
    canvas.save()
    return file.getvalue()


def error_rate(expected: str, found: str) -> float:
    """The character error rate: edits per expected character, white space not counted."""
    wanted, read = "".join(expected.split()), "".join(found.split())
    row = list(range(len(read) + 1))
    for number, one in enumerate(wanted, start=1):
        before, row[0] = row[0], number
        for position, other in enumerate(read, start=1):
            before, row[position] = (
                row[position],
                min(before + (one != other), row[position] + 1, row[position - 1] + 1),
            )
    return row[-1] / len(wanted)
