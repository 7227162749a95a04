"""Who is where and what is asked of whom. One place: servers, clients and tests read it here."""

from dataclasses import dataclass

# Addresses for documentation stand for the internet: Weir must see a peer that is not in a private network.
WEB = "203.0.113.2"
WEB6 = "2001:db8:77::2"
ROUTER = "192.168.77.1"
# Nobody has it, and nobody says so.
NOBODY = "203.0.113.200"
# Where Weir listens within each host.
WEIR_PORT = 10058


@dataclass(frozen=True)
class Site:
    """Something with a name and an address of its own."""

    name: str
    address: str
    port: int
    # Between two visits, seconds.
    period: float = 1.0
    # Of an answer.
    size: int = 10_000
    # By how much of itself the size goes up and down within a minute.
    swing: float = 0.0


# Milliseconds until the slow site answers.
THINKING = 300
# What the desk looks at, over TLS and in clear text.
SITES = [
    Site("www.video.example", "203.0.113.10", 443, 0.5, 60_000, 0.6),
    Site("cdn.video.example", "203.0.113.10", 443, 1.0, 40_000),
    Site("www.shop.example", "203.0.113.11", 443, 1.0, 20_000, 0.4),
    Site("mail.post.example", "203.0.113.12", 443, 2.0, 10_000),
    Site("www.news.example", "203.0.113.13", 80, 1.0, 15_000),
]
BACKUP = Site("files.backup.example", "203.0.113.14", 9000, 2.0, 30_000)
SLOW = Site("www.slow.example", "203.0.113.9", 80, 1.0, 2_000)
FAST = Site("www.fast.example", "203.0.113.15", 443, 1.0, 20_000)
INTRANET = Site("inside.intranet.example", "203.0.113.16", 8442, 1.0, 2_000)
HIDDEN = Site("cloudflare-ech.com", "203.0.113.19", 443)
MIRROR = Site("dl.mirror.example", "203.0.113.17", 80, 0.5, 400_000)
# Goes on and on over one connection.
RADIO = Site("live.radio.example", "203.0.113.8", 443)
FRESH = Site("www.fresh{}.example", "203.0.113.18", 80, 2.0, 5_000)
# Addresses that are only knocked at: enough of them look like a scan of hosts to the router.
MANY = [f"203.0.113.{host}" for host in range(20, 50)]
# Addresses of the desk: as many sources as a small office has.
OFFICE = [f"192.168.77.{host}" for host in range(100, 130)]
ADDRESSES = sorted({site.address for site in [*SITES, BACKUP, SLOW, FAST, INTRANET, HIDDEN, MIRROR, RADIO, FRESH]}) + MANY

# Ports of the server of what is wrong.
OLD_TLS = 8441
ONLY_NEW_TLS = 8444
MUTE = 8443
RESETS = 9001
STALLS = 9002

# Answers of the name server, by the first label; what is not here is NXDOMAIN.
NAMES = {"files": BACKUP.address, "www": SITES[0].address, "broken": None, "unheard": None, "garbled": None, "late": SITES[0].address}
# Seconds until the name server knows what `late` is.
LATE = 0.7


def domain(name):
    """The registrable domain of one of these names."""
    return ".".join(name.split(".")[-2:])
