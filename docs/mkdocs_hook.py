"""MkDocs hook: links of the documentation that work in the repository and on the site.

Links to files outside `docs/` lead to the repository (`repo_url`, or the file's path as text where
it is unset), and links to the other language lead to its pages.
"""

import re
from typing import Any

_LINK = re.compile(r"\[([^\]]*)\]\((\.\./[^)#]+|[\w-]+\.zh\.md)(#[^)]*)?\)")


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Any) -> str:
    """Return the page with links rewritten; called by MkDocs for each page."""
    chinese = page.file.src_uri.endswith(".zh.md")

    def link(found: re.Match[str]) -> str:
        text, target, anchor = found[1], found[2], found[3] or ""
        if target.endswith(".zh.md") and not target.startswith("../"):
            # The i18n plugin puts the Chinese page at the same address below /zh/.
            address = target.removesuffix(".zh.md")
            return found[0] if chinese else f"[{text}](../zh/{address}/)"
        depth = page.file.src_uri.count("/")
        path = re.sub(r"^(\.\./)+", "", target)
        outside = target.count("../") > depth
        if not outside:
            return found[0]
        return f"[{text}]({config.repo_url}/blob/main/{path}{anchor})" if config.repo_url else text

    return _LINK.sub(link, markdown)
