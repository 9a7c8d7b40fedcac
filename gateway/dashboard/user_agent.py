"""Readable names of browsers and operating systems, from User-Agent headers, for display only."""

# The first match wins: most User-Agent headers also contain the names of other browsers.
_BROWSERS = (
    ("MicroMessenger", "WeChat"),
    ("Edg", "Edge"),
    ("OPR", "Opera"),
    ("Firefox", "Firefox"),
    ("Chrome", "Chrome"),
    ("Safari", "Safari"),
)
_SYSTEMS = (
    ("HarmonyOS", "HarmonyOS"),
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)
_MAX_LENGTH = 60


def browser_name(user_agent: str) -> str:
    """Return the browser and operating system of a User-Agent header, as `Firefox, Windows`.

    If neither is recognized, returns the start of the header.
    """
    parts = [
        next((name for token, name in names if token in user_agent), "")
        for names in (_BROWSERS, _SYSTEMS)
    ]
    return ", ".join(filter(None, parts)) or user_agent[:_MAX_LENGTH]
