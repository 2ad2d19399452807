"""The name of a browser and of its system, from a list of ours.

An attacker who knows a password chooses the User-Agent of the login, and the mail goes to the owner of the account. If
the mail repeated the User-Agent, the attacker could write to the owner under the site's name.
"""

# The first match counts: nearly every browser also calls itself Chrome, Safari and Mozilla.
BROWSERS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Opera", "Opera"),
    ("SamsungBrowser", "Samsung Internet"),
    ("Samsung Internet", "Samsung Internet"),
    ("Firefox", "Firefox"),
    ("FxiOS", "Firefox"),
    ("CriOS", "Chrome"),
    ("Chrome", "Chrome"),
    ("Safari", "Safari"),
)
SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("okhttp", "Android"),
    ("Windows", "Windows"),
    ("CrOS", "ChromeOS"),
    ("ChromeOS", "ChromeOS"),
    ("Mac", "macOS"),
    ("macOS", "macOS"),
    ("Linux", "Linux"),
)


def browser_of(agent: str) -> str:
    """`Firefox, Windows` for a User-Agent; one of the two, or neither, when the rest is unknown.

    A name that this function returned is returned unchanged.
    """
    return ", ".join(filter(None, (_first(BROWSERS, agent), _first(SYSTEMS, agent))))


def _first(known: tuple[tuple[str, str], ...], agent: str) -> str:
    return next((word for mark, word in known if mark in agent), "")
