"""Responses and errors of `coilbox_requests`, which has them under its own name, too."""

import json as _json
from http.cookies import CookieError as _CookieError
from http.cookies import SimpleCookie as _SimpleCookie

import coilbox_http as _http


class RequestException(OSError):
    """The base of all errors; `response` is set if there is one."""

    def __init__(self, *args, response=None):
        super().__init__(*args)
        self.response = response


class HTTPError(RequestException):
    """The status says so."""


class ConnectionError(RequestException):
    """There was no answer, or the host does not allow the request."""


class Timeout(RequestException):
    """Time ran out."""


class TooManyRedirects(RequestException):
    """Redirects did not end."""


class InvalidURL(RequestException, ValueError):
    """A URL, header or method that cannot be sent."""


class ChunkedEncodingError(RequestException):
    """The body is larger than the host allows."""


class JSONDecodeError(RequestException, _json.JSONDecodeError):
    """The body is no JSON."""

    def __init__(self, error):
        _json.JSONDecodeError.__init__(self, error.msg, error.doc, error.pos)
        self.response = None


class CaseInsensitiveDict(dict):
    """Headers: names are kept as they came, and found whatever their case."""

    def __init__(self, items=()):
        super().__init__()
        self._names = {}
        self.update(items)

    def __setitem__(self, name, value):
        name = self._names.setdefault(name.lower(), name)
        super().__setitem__(name, value)

    def __getitem__(self, name):
        return super().__getitem__(self._names.get(name.lower(), name))

    def __delitem__(self, name):
        super().__delitem__(self._names.pop(name.lower(), name))

    def __contains__(self, name):
        return isinstance(name, str) and name.lower() in self._names

    def get(self, name, default=None):
        """Return a header, or the default."""
        return super().get(self._names.get(name.lower(), name), default)

    def pop(self, name, *default):
        """Remove and return a header."""
        if name not in self and default:
            return default[0]
        value = self[name]
        del self[name]
        return value

    def setdefault(self, name, default=None):
        """Return a header, which is set if it is missing."""
        if name not in self:
            self[name] = default
        return self[name]

    def update(self, items=(), **more):
        """Set several headers."""
        pairs = items.items() if hasattr(items, "items") else items
        for name, value in (*pairs, *more.items()):
            self[name] = value

    def copy(self):
        """Return a copy."""
        return CaseInsensitiveDict(self)


class Response:
    """An answer.

    Attributes:
        status_code, reason, url: of the last response, after redirects.
        headers: by name, whatever its case; values of equal names are joined with ", ".
        encoding: what `text` is decoded with; may be set.
        elapsed: until the head was there.
    """

    def __init__(self, head, elapsed, resource=None, body=None):
        self.status_code = head.status
        self.reason = head.reason
        self.url = head.url
        self.elapsed = elapsed
        self.headers = CaseInsensitiveDict()
        self.cookies = {}
        for name, value in head.headers:
            if name.lower() == "set-cookie":
                self.cookies.update(_cookies(value))
            joined = self.headers.get(name)
            self.headers[name] = value if joined is None else f"{joined}, {value}"
        self.encoding = _charset(self.headers.get("content-type", ""))
        self._resource = resource
        self._content = body
        self._consumed = False

    @property
    def content(self):
        """The whole body."""
        if self._content is None:
            if self._consumed:
                raise RuntimeError("the body was read in parts")
            self._content = b"".join(self.iter_content(None))
        return self._content

    @property
    def text(self):
        """The body as text."""
        encoding = self.encoding or self.apparent_encoding
        try:
            return self.content.decode(encoding, "replace")
        except LookupError:
            return self.content.decode("utf-8", "replace")

    @property
    def apparent_encoding(self):
        """UTF-8 if the body can be, else Latin-1."""
        try:
            self.content.decode()
        except UnicodeDecodeError:
            return "iso-8859-1"
        return "utf-8"

    def json(self, **options):
        """The body as JSON."""
        try:
            return _json.loads(self.content, **options)
        except _json.JSONDecodeError as error:
            raise JSONDecodeError(error) from None
        except UnicodeDecodeError:
            raise JSONDecodeError(_json.JSONDecodeError("not UTF-8", "", 0)) from None

    def iter_content(self, chunk_size=1, decode_unicode=False):
        """Read the body in parts; as they come if `chunk_size` is None."""
        if decode_unicode:
            raise NotImplementedError("decode_unicode is not offered")
        if self._content is not None:
            size = chunk_size or max(1, len(self._content))
            for start in range(0, len(self._content), size):
                yield self._content[start : start + size]
            return
        if self._consumed:
            raise RuntimeError("the body was read already")
        self._consumed = True
        rest = b""
        with Errors(self):
            for part in self._resource.body():
                if chunk_size is None:
                    yield part
                    continue
                rest += part
                whole = len(rest) - len(rest) % chunk_size
                for start in range(0, whole, chunk_size):
                    yield rest[start : start + chunk_size]
                rest = rest[whole:]
        if rest:
            yield rest
        self.close()

    def iter_lines(self, chunk_size=512, decode_unicode=False, delimiter=None):
        """Read the body line by line, without their ends."""
        rest = b""
        for part in self.iter_content(None if self._content is None else chunk_size):
            rest += part
            lines = rest.split(delimiter) if delimiter else rest.splitlines(keepends=True)
            rest = b""
            if lines and (delimiter or not lines[-1].endswith((b"\n", b"\r"))):
                rest = lines.pop()
            elif lines and lines[-1].endswith(b"\r"):
                rest = lines.pop()  # its newline may come yet
            for line in lines:
                line = line if delimiter else line.rstrip(b"\r\n")
                yield line.decode(self.encoding or "utf-8") if decode_unicode else line
        if rest:
            line = rest if delimiter else rest.rstrip(b"\r\n")
            yield line.decode(self.encoding or "utf-8") if decode_unicode else line

    __iter__ = iter_content

    @property
    def ok(self):
        """Whether the status is below 400."""
        return self.status_code < 400

    @property
    def is_redirect(self):
        """Whether it leads elsewhere."""
        return "location" in self.headers and self.status_code in (301, 302, 303, 307, 308)

    def __bool__(self):
        return self.ok

    def raise_for_status(self):
        """Raise `HTTPError` if the status is 400 or above."""
        if not self.ok:
            kind = "Client" if self.status_code < 500 else "Server"
            text = f"{self.status_code} {kind} Error: {self.reason} for url: {self.url}"
            raise HTTPError(text, response=self)

    def close(self):
        """Give the connection back."""
        resource, self._resource = self._resource, None
        if resource is not None:
            resource.close()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def __repr__(self):
        return f"<Response [{self.status_code}]>"


class Errors:
    """Turn errors of the host into those of requests."""

    def __init__(self, response=None):
        self._response = response

    def __enter__(self):
        pass

    def __exit__(self, kind, error, traceback):
        for theirs, ours in (
            (_http.TimedOut, Timeout),
            (_http.TooManyRedirects, TooManyRedirects),
            (_http.InvalidRequest, InvalidURL),
            (_http.TooLarge, ChunkedEncodingError),
            ((_http.Denied, _http.ConnectionFailed), ConnectionError),
        ):
            if isinstance(error, theirs):
                raise ours(str(error), response=self._response) from error


def _charset(content_type):
    kind, _, rest = content_type.partition(";")
    for part in rest.split(";"):
        name, _, value = part.partition("=")
        if name.strip().lower() == "charset":
            return value.strip("\"' ")
    return "iso-8859-1" if kind.strip().lower().startswith("text/") else None


def _cookies(text):
    try:
        return {name: morsel.value for name, morsel in _SimpleCookie(text).items()}
    except _CookieError:
        return {}
