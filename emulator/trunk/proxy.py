"""One of the trunk's twelve proxies."""

from emulator.sip.digest import Nonces
from emulator.sip.endpoint import Endpoint
from emulator.sip.flow import Paths
from emulator.trunk.regions import Place


class Proxy:
    """Its place, its endpoint with its own transactions, its nonces, its health."""

    __slots__ = ("down", "endpoint", "name", "nonces", "place")

    def __init__(self, place: Place, endpoint: Endpoint, nonces: Nonces) -> None:
        self.name = place.name
        self.place = place
        self.endpoint = endpoint
        self.nonces = nonces
        self.down = False
        """Whether it is down for all transports: while another one is not, no call goes out by it."""

    @property
    def paths(self) -> Paths:
        """How it reaches a customer; set by whoever opens its listeners."""
        assert self.endpoint.paths is not None
        return self.endpoint.paths

    @paths.setter
    def paths(self, paths: Paths) -> None:
        self.endpoint.paths = paths
