"""A browser in two words of ours.

Whoever knows a password chooses the User-Agent of his login, and the mail goes to
the account's owner: repeated as sent, it would be a letter from the attacker under
the site's name.
"""

# The first that matches: nearly every browser also calls itself Chrome, Safari and Mozilla.
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
    """`Firefox, Windows` for a User-Agent, or less where less is known; its own result comes back unchanged."""
    return ", ".join(filter(None, (_first(BROWSERS, agent), _first(SYSTEMS, agent))))


def _first(known: tuple[tuple[str, str], ...], agent: str) -> str:
    return next((word for mark, word in known if mark in agent), "")
