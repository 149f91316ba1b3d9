"""`urlopen` of `urllib.request`, over `coilbox_http`.

    from coilbox_urllib import urlopen
    with urlopen("https://example.com/", timeout=5) as response:
        page = response.read()

`install()` puts it into `urllib.request`, for code that was not written for a sandbox. Requests may
be `urllib.request.Request` objects.
"""

import email.message
import io
import urllib.error
from datetime import timedelta

import coilbox_http

__all__ = ["HTTPResponse", "install", "uninstall", "urlopen"]

# What the host sets itself.
_OWN_HEADERS = ("host", "connection", "content-length", "transfer-encoding")


class _Raw(io.RawIOBase):
    def __init__(self, response):
        self._response = response

    def readable(self):
        return True

    def readinto(self, buffer):
        try:
            data = self._response.read(len(buffer))
        except OSError as error:
            raise urllib.error.URLError(error) from error
        buffer[: len(data)] = data
        return len(data)

    def close(self):
        if not self.closed:
            self._response.close()
        super().close()


class HTTPResponse(io.BufferedReader):
    """A response: a binary file with the status and the headers.

    Attributes:
        status, code, reason: of the status line.
        url: what answered, after redirects.
        headers, msg: an `email.message.Message`.
    """

    def __init__(self, response):
        super().__init__(_Raw(response), 1 << 16)
        head = response.head()
        self.status = self.code = head.status
        self.reason = head.reason
        self.url = head.url
        self.headers = self.msg = email.message.Message()
        for name, value in head.headers:
            self.headers[name] = value

    def getcode(self):
        """The status code."""
        return self.status

    def geturl(self):
        """The URL that answered, after redirects."""
        return self.url

    def info(self):
        """The headers."""
        return self.headers

    def getheader(self, name, default=None):
        """A header; those of equal names joined with ", "."""
        values = self.headers.get_all(name)
        return default if values is None else ", ".join(values)

    def getheaders(self):
        """All headers."""
        return self.headers.items()


def urlopen(url, data=None, timeout=None, *, context=None):
    """Open a URL or a `Request`.

    Args:
        url: the URL, or a `urllib.request.Request`.
        data: bytes, a file or an iterable to be sent; the method is then POST.
        timeout: for the whole exchange, in seconds.
        context: not offered: how TLS is done is the host's to say.

    Returns:
        An `HTTPResponse`.

    Raises:
        urllib.error.HTTPError: the status is 400 or above; it can be read like a response.
        urllib.error.URLError: there is no answer.
    """
    if context is not None:
        raise NotImplementedError("how TLS is done is the host's to say")
    if isinstance(url, str):
        method, headers = None, []
    else:
        request, url = url, url.full_url
        data = request.data if data is None else data
        method = request.get_method() if data is request.data else None
        headers = request.header_items()
    headers = [(name, value) for name, value in headers if name.lower() not in _OWN_HEADERS]
    if data is not None and not any(name.lower() == "content-type" for name, _ in headers):
        headers.append(("Content-Type", "application/x-www-form-urlencoded"))
    options = {
        "method": method or ("GET" if data is None else "POST"),
        "headers": headers,
        "timeout": timedelta(seconds=timeout) if isinstance(timeout, int | float) else None,
    }
    try:
        if data is None or isinstance(data, bytes | bytearray | memoryview):
            opened = coilbox_http.open(url, body=bytes(data or b""), **options)
        else:
            parts = iter(lambda: data.read(1 << 16), b"") if hasattr(data, "read") else data
            opened = coilbox_http.send(url, parts, **options)
    except coilbox_http.InvalidRequest:
        raise
    except (coilbox_http.TooManyRedirects, OSError) as error:
        raise urllib.error.URLError(error) from error
    response = HTTPResponse(opened)
    if response.status >= 400:
        raise urllib.error.HTTPError(
            response.url, response.status, response.reason, response.headers, response
        )
    return response


_real = []


def install():
    """Put `urlopen` into `urllib.request`."""
    import urllib.request

    if not _real:
        _real.append(urllib.request.urlopen)
        urllib.request.urlopen = urlopen


def uninstall():
    """Put the real one back."""
    import urllib.request

    if _real:
        urllib.request.urlopen = _real.pop()
