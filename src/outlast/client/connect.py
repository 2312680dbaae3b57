"""`connect`: checks what the caller passes, and names what is wrong before anything is sent."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from outlast.backends.clock import SystemClock
from outlast.backends.http import transport_over
from outlast.client.assembly import Wiring
from outlast.client.calls import Credentials
from outlast.client.session import Session
from outlast.client.settings import Settings
from outlast.errors import ConfigurationError
from outlast.venues import codec as find_codec
from outlast.wire import Clock, HttpTransport, RecordStore, VenueCodec

if TYPE_CHECKING:
    import httpx

__all__ = ["connect", "connect_from_env", "keys_from_env", "urls_of"]

_SHARED_KEYS: Final = {"kraken": "KRAKEN", "binance": "BINANCE"}


def connect(
    venue: str,
    *,
    key: str | None = None,
    secret: str | None = None,
    journal: str | os.PathLike[str] | RecordStore | None = "outlast.journal",
    settings: Settings | None = None,
    endpoints: Mapping[str, str] | None = None,
    http: httpx.AsyncClient | HttpTransport | None = None,
    clock: Clock | None = None,
    shared: None = None,
) -> Session:
    """Prepare a session; `async with` opens it.

    Args:
        venue: an id of `outlast.venues()`, such as `binance-um`.
        key, secret: without them, market data and status only.
        journal: the file that remembers every intent across crashes. One per process. None keeps it
            in memory, for tests and read-only use. A `RecordStore` of your own keeps the records
            anywhere else; the session closes it.
        endpoints: replaces base URLs, e.g. by those that `outlast mock` prints; the environment
            variable OUTLAST_<VENUE>_ENDPOINTS does the same. `rest_spare` names another host that
            serves what `rest` serves: reads that are slow are asked there as well, one in twenty
            at most.
        http: your own `httpx.AsyncClient`, which stays yours to close, or any `HttpTransport`. Left
            out, the session makes connections of its own, HTTP/1.1 by h11; by httpx only where the
            environment names a proxy for the venue (HTTPS_PROXY and the like). Tests that mock
            httpx (respx) pass an `httpx.AsyncClient()`.
        clock: for tests and simulation.
        shared: state shared by a fleet; this version has none, so it must be None.

    Raises:
        ConfigurationError: something is missing or malformed; the message names it.
    """
    try:
        codec = find_codec(venue)
    except ValueError as error:
        raise ConfigurationError(str(error), venue=venue) from error
    if (key is None) != (secret is None):
        missing = "secret" if secret is None else "key"
        raise ConfigurationError(
            f"{missing} is missing: pass key and secret together, or neither", venue=venue
        )
    for name, value in (("key", key), ("secret", secret)):
        if name == "secret" and value is not None and value.lstrip().startswith("-----BEGIN"):
            continue  # A private key is a file of lines, the last of which ends as it likes.
        if value is not None and (not value.strip() or value != value.strip()):
            raise ConfigurationError(
                f"{name} is empty or has spaces around it; copy it again from the venue's API page",
                venue=venue,
            )
    if shared is not None:
        raise ConfigurationError("shared must be None: this version has no fleet state")
    place = Path(journal) if isinstance(journal, str | os.PathLike) else journal
    if place is not None and not isinstance(place, Path) and not hasattr(place, "records"):
        raise ConfigurationError(
            f"journal is {journal!r}; pass a path, a RecordStore, or None to keep it in memory"
        )
    if isinstance(place, Path) and not place.parent.is_dir():
        raise ConfigurationError(
            f"journal is {str(place)!r}, but the folder {str(place.parent)!r} does not exist; "
            "create it, or pass another path (journal=None keeps it in memory)"
        )
    clock = clock if clock is not None else SystemClock()
    settings = settings if settings is not None else Settings()
    _check_settings(codec, key, secret, settings)
    return Session(
        Wiring(
            codec=codec,
            credentials=Credentials(key, secret),
            journal=place,
            settings=settings,
            base_url=(urls := _base_urls(venue, codec.DEFAULT_ENDPOINTS, endpoints))["rest"],
            urls=urls,
            transport=None if http is None else transport_over(http, clock),
            clock=clock,
        )
    )


def _check_settings(
    codec: VenueCodec, key: str | None, secret: str | None, settings: Settings
) -> None:
    """Try what can only fail by what the caller passed: now, not with the first order.

    Raises:
        ConfigurationError: the venue has no such tier, takes no orders of this validity, or the
            secret cannot sign.
    """
    codec.limits(settings.tier)
    if key is not None:
        codec.sign(
            codec.query_balances(),
            base_url=codec.DEFAULT_ENDPOINTS["rest"],
            key=key,
            secret=secret,
            timestamp_ms=1,
            valid_for_ms=round(settings.valid_for_s * 1000),
            nonce=1,
        )


def connect_from_env(
    venue: str,
    *,
    journal: str | os.PathLike[str] | RecordStore | None = "outlast.journal",
    settings: Settings | None = None,
) -> Session:
    """`connect` with key and secret from the environment.

    OUTLAST_<VENUE>_KEY and OUTLAST_<VENUE>_SECRET (dashes become underscores) come first, then
    KRAKEN_API_KEY/_SECRET or BINANCE_API_KEY/_SECRET.

    Raises:
        ConfigurationError: neither pair is set; the message names the variables.
    """
    found = keys_from_env(venue)
    if found is not None:
        key, secret = found
        return connect(venue, key=key, secret=secret, journal=journal, settings=settings)
    wanted = " or ".join(f"{key_name} and {secret_name}" for key_name, secret_name in _pairs(venue))
    raise ConfigurationError(f"no key in the environment; set {wanted}", venue=venue)


def keys_from_env(venue: str) -> tuple[str | None, str | None] | None:
    """Key and secret as the environment has them; None where it has neither."""
    for key_name, secret_name in _pairs(venue):
        key, secret = os.environ.get(key_name), os.environ.get(secret_name)
        if key is not None or secret is not None:
            return key, secret
    return None


def urls_of(venue: str, endpoints: Mapping[str, str] | None = None) -> dict[str, str]:
    """The roots under which a venue is asked: the given ones, the environment's, or its own.

    Raises:
        ConfigurationError: there is no such venue, or a root is no URL.
    """
    try:
        codec = find_codec(venue)
    except ValueError as error:
        raise ConfigurationError(str(error), venue=venue) from error
    return _base_urls(venue, codec.DEFAULT_ENDPOINTS, endpoints)


def _pairs(venue: str) -> list[tuple[str, str]]:
    """The names under which the environment may have a key and its secret."""
    own = _env_name(venue)
    family = _SHARED_KEYS.get(venue.partition("-")[0])
    pairs = [(f"{own}_KEY", f"{own}_SECRET")]
    if family is not None:
        pairs.append((f"{family}_API_KEY", f"{family}_API_SECRET"))
    return pairs


def _env_name(venue: str) -> str:
    return "OUTLAST_" + venue.upper().replace("-", "_")


def _base_urls(
    venue: str, defaults: Mapping[str, str], endpoints: Mapping[str, str] | None
) -> dict[str, str]:
    """The roots under which the venue's paths are, by name; without a slash at their ends."""
    source = "endpoints"
    if endpoints is None:
        source = f"{_env_name(venue)}_ENDPOINTS"
        text = os.environ.get(source)
        if text is not None:
            try:
                endpoints = json.loads(text)
            except ValueError as error:
                raise ConfigurationError(
                    f"{source} is not JSON ({error}); "
                    'it looks like {"rest": "http://127.0.0.1:8901"}'
                ) from error
    if endpoints is None:
        endpoints = {}
    if not isinstance(endpoints, Mapping):
        raise ConfigurationError(f"{source} must be an object of names and URLs")
    urls = {}
    for name, default in defaults.items():
        url = endpoints.get(name, default)
        schemes = ("ws://", "wss://") if name.endswith("stream") else ("http://", "https://")
        if not isinstance(url, str) or not url.startswith(schemes):
            raise ConfigurationError(
                f"{source}: {name} is {url!r}; it must begin with {schemes[0]} or {schemes[1]}"
            )
        urls[name] = url.rstrip("/")
    if "rest_spare" in endpoints:
        spare = endpoints["rest_spare"]
        if not isinstance(spare, str) or not spare.startswith(("http://", "https://")):
            raise ConfigurationError(
                f"{source}: rest_spare is {spare!r}; it must begin with http:// or https://"
            )
        urls["rest_spare"] = spare.rstrip("/")
    # A page that belongs to other machines than those that are asked would only mislead.
    page = endpoints.get("status_page", "" if "rest" in endpoints else None)
    if page is not None:
        if not isinstance(page, str) or (page and not page.startswith(("http://", "https://"))):
            raise ConfigurationError(
                f"{source}: status_page is {page!r}; it must begin with http:// or https://, "
                "or be empty for none"
            )
        urls["status_page"] = page.rstrip("/")
    return urls
