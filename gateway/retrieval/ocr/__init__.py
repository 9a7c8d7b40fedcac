"""Text recognition (OCR) on page images with the PP-OCRv5 models of the extra `ocr`.

    image -> detection (line boxes) -> orientation -> recognition (line texts) -> reading order

Runs in the process of gateway/retrieval/chunker_process.py, which limits memory and time.
"""
