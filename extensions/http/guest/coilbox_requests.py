"""The most used part of the package requests, over `coilbox_http`.

    import coilbox_requests as requests
    reply = requests.get("https://example.com/", params={"q": "coil"}, timeout=5)
    reply.raise_for_status()
    reply.json()

Proxies and certificates are the host's business: `proxies`, `verify` and `cert` are refused.
"""

import base64 as _base64
import json as _json
import time as _time
from datetime import timedelta as _timedelta
from urllib.parse import quote as _quote
from urllib.parse import urlencode as _urlencode
from urllib.parse import urlsplit as _urlsplit
from urllib.parse import urlunsplit as _urlunsplit

import coilbox_http as _http
import coilbox_requests_model as exceptions
from coilbox_requests_model import (
    CaseInsensitiveDict,
    ConnectionError,
    HTTPError,
    InvalidURL,
    JSONDecodeError,
    RequestException,
    Response,
    Timeout,
    TooManyRedirects,
)
from coilbox_requests_model import Errors as _Errors

__all__ = [
    "ConnectionError",
    "HTTPError",
    "InvalidURL",
    "JSONDecodeError",
    "RequestException",
    "Response",
    "Session",
    "Timeout",
    "TooManyRedirects",
    "delete",
    "exceptions",
    "get",
    "head",
    "options",
    "patch",
    "post",
    "put",
    "request",
]

# What stays as it is in a URL.
_SAFE = "!#$%&'()*+,/:;=?@[]~"


class Session:
    """Settings that several requests share, and cookies that servers set.

    Attributes:
        headers, params, auth: defaults of each request.
        cookies: by server and name; sent to the server that set them only.
    """

    def __init__(self):
        self.headers = CaseInsensitiveDict()
        self.params = {}
        self.auth = None
        self.cookies = {}

    def request(
        self,
        method,
        url,
        params=None,
        data=None,
        headers=None,
        cookies=None,
        files=None,
        auth=None,
        timeout=None,
        allow_redirects=True,
        proxies=None,
        hooks=None,
        stream=False,
        verify=None,
        cert=None,
        json=None,
    ):
        """Send a request and return the `Response`."""
        for name, value in (("files", files), ("proxies", proxies), ("hooks", hooks)):
            if value:
                raise NotImplementedError(f"{name} is not offered")
        if verify not in (None, True) or cert is not None:
            raise NotImplementedError("which certificates are trusted is the host's to say")
        url = _with_params(url, [*_pairs(self.params), *_pairs(params)])
        sent = CaseInsensitiveDict(self.headers)
        for name, value in (headers or {}).items():
            if value is None:
                sent.pop(name, None)
            else:
                sent[name] = value
        body, kind = _body(data, json)
        if kind:
            sent.setdefault("Content-Type", kind)
        auth = self.auth if auth is None else auth
        if auth is not None:
            sent["Authorization"] = _basic(*auth)
        jar = self.cookies.setdefault(_urlsplit(url).netloc, {})
        crumbs = {**jar, **(cookies or {})}
        if crumbs:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in crumbs.items())
        options = {
            "method": method.upper(),
            "headers": [(name, _text(value)) for name, value in sent.items()],
            "timeout": _seconds(timeout),
        }
        started = _time.monotonic()
        with _Errors():
            if isinstance(body, bytes):
                resource = _http.open(url, body=body, redirects=allow_redirects, **options)
            else:
                resource = _http.send(url, body, **options)
            head = resource.head()
        elapsed = _timedelta(seconds=_time.monotonic() - started)
        response = Response(head, elapsed, resource)
        if response.cookies:
            self.cookies.setdefault(_urlsplit(head.url).netloc, {}).update(response.cookies)
        if not stream:
            response.content  # noqa: B018 - reads it
        return response

    def get(self, url, **options):
        """Send a GET."""
        return self.request("GET", url, **options)

    def options(self, url, **options):
        """Send an OPTIONS."""
        return self.request("OPTIONS", url, **options)

    def head(self, url, **options):
        """Send a HEAD; redirects are not followed unless asked for."""
        return self.request("HEAD", url, **{"allow_redirects": False, **options})

    def post(self, url, data=None, json=None, **options):
        """Send a POST."""
        return self.request("POST", url, data=data, json=json, **options)

    def put(self, url, data=None, **options):
        """Send a PUT."""
        return self.request("PUT", url, data=data, **options)

    def patch(self, url, data=None, **options):
        """Send a PATCH."""
        return self.request("PATCH", url, data=data, **options)

    def delete(self, url, **options):
        """Send a DELETE."""
        return self.request("DELETE", url, **options)

    def close(self):
        """Do nothing: no connection is kept."""

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()


def session():
    """Make a `Session`."""
    return Session()


def request(method, url, **options):
    """Send a request; see `Session.request`."""
    return Session().request(method, url, **options)


def get(url, params=None, **options):
    """Send a GET."""
    return request("GET", url, params=params, **options)


def options(url, **options):
    """Send an OPTIONS."""
    return request("OPTIONS", url, **options)


def head(url, **options):
    """Send a HEAD; redirects are not followed unless asked for."""
    return Session().head(url, **options)


def post(url, data=None, json=None, **options):
    """Send a POST."""
    return request("POST", url, data=data, json=json, **options)


def put(url, data=None, **options):
    """Send a PUT."""
    return request("PUT", url, data=data, **options)


def patch(url, data=None, **options):
    """Send a PATCH."""
    return request("PATCH", url, data=data, **options)


def delete(url, **options):
    """Send a DELETE."""
    return request("DELETE", url, **options)


def _pairs(values):
    """Pairs of form values: of a dict whose values may be lists, or of pairs."""
    if not values:
        return []
    if isinstance(values, str | bytes):
        return [values]
    pairs = []
    for name, value in values.items() if hasattr(values, "items") else values:
        if value is None:
            continue
        several = value if isinstance(value, list | tuple | set) else [value]
        pairs.extend((name, item) for item in several)
    return pairs


def _with_params(url, pairs):
    parts = _urlsplit(_quote(str(url).lstrip(), _SAFE))
    texts = [_text(item) if isinstance(item, str | bytes) else _urlencode([item]) for item in pairs]
    query = "&".join([text for text in (parts.query, *texts) if text])
    return _urlunsplit((parts.scheme, parts.netloc, parts.path or "/", query, parts.fragment))


def _body(data, json):
    if json is not None and not data:
        return _json.dumps(json, allow_nan=False).encode(), "application/json"
    if not data:
        return b"", None
    if isinstance(data, str):
        return data.encode(), None
    if isinstance(data, bytes | bytearray | memoryview):
        return bytes(data), None
    if hasattr(data, "read"):
        return iter(lambda: data.read(1 << 16), b""), None
    if hasattr(data, "items") or (isinstance(data, list | tuple) and isinstance(data[0], tuple)):
        return _urlencode(_pairs(data)).encode(), "application/x-www-form-urlencoded"
    return (part.encode() if isinstance(part, str) else part for part in data), None


def _basic(user, password):
    pair = f"{user}:{password}".encode("latin-1")
    return "Basic " + _base64.b64encode(pair).decode()


def _seconds(timeout):
    if isinstance(timeout, tuple):
        timeout = None if None in timeout else sum(timeout)
    return None if timeout is None else _timedelta(seconds=timeout)


def _text(value):
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)
