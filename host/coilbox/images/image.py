"""A guest image: the module, its standard library, and what the host must know of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coilbox.errors import ImageError
from coilbox.support.cache import Cache, Entry, check, read_manifest, sha256
from coilbox.support.checks import NotCopyable
from coilbox.support.locks import ForkSafeLock

if TYPE_CHECKING:
    from coilbox.wasi.vfs.zip import ZipArchive

ABI_VERSION = 2
POLL_PAGE_BYTES = 65536
# Offset of `reply` in struct coilbox_info (docs/abi.md); `reply_length` follows it.
_REPLY_OFFSET = 20
WASM, STDLIB, SBOM = "guest.wasm", "stdlib.zip", "sbom.cdx.json"
REBUILD = "run: coilbox image build --force"


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """The image's ``struct coilbox_info``: addresses in linear memory.

    Attributes:
        address: of the struct itself.
        abi: version of the ABI.
        request: the static request buffer.
        request_capacity: its bytes.
        poll_page: the page that the host protects to stop the guest.
        eval_breaker: the main thread state's eval_breaker word.
        stack_low: lowest address of the shadow stack.
        stack_high: one past its highest.
    """

    address: int
    abi: int
    request: int
    request_capacity: int
    poll_page: int
    eval_breaker: int
    stack_low: int
    stack_high: int

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            # The host protects and writes memory at these addresses.
            if type(value) is not int or not 0 <= value < 1 << 32:
                raise ValueError(f"{name} is no address in linear memory: {value!r}")

    @property
    def reply_field(self) -> int:
        """Address of the two words ``reply`` and ``reply_length``."""
        return self.address + _REPLY_OFFSET

    @property
    def poll_size(self) -> int:
        """Bytes of the poll page."""
        return POLL_PAGE_BYTES


class Image(NotCopyable):
    """An image in the cache, or in any folder. Shared by all sandboxes of the process.

    Attributes:
        name: what it was opened as, for people.
        key: digest of the recipe it was built by.
        digest: SHA-256 of the module: what compiled code depends on.
        path: its folder.
        cache: the cache that its compiled code goes to.
        info: addresses.
        memory_bytes: linear memory of a fresh instance.
        hash_seed: the seed of string hashes, frozen into the image.
        variant: name of the guest build.
    """

    def __init__(self, name: str, entry: Entry, cache: Cache) -> None:
        """Use :func:`coilbox.open_image`.

        Raises:
            ImageError: it is of another version, or its manifest lacks something.
        """
        manifest = entry.manifest
        self.name = name
        self.key = entry.key
        self.path = entry.path
        self.cache = cache
        self.manifest: Mapping[str, Any] = manifest
        abi = manifest.get("abi")
        if abi != ABI_VERSION:
            raise ImageError(
                f"image {name} ({entry.path}) has ABI version {abi}, this coilbox speaks version "
                f"{ABI_VERSION}; {REBUILD}"
            )
        try:
            self.info = ImageInfo(**manifest["info"])
            self.memory_bytes = int(manifest["memory_bytes"])
            self.hash_seed = int(manifest["hash_seed"])
            self.variant = str(manifest["variant"])
            self.digest = entry.digest(WASM)
            self._entry = entry
            self._stdlib_path = entry.file(STDLIB)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise ImageError(
                f"image {name} ({entry.path}) has a manifest of another version of coilbox "
                f"({error}); {REBUILD}"
            ) from None
        self._lock = ForkSafeLock()
        self._stdlib: ZipArchive | None = None

    @classmethod
    def from_folder(cls, path: Path, cache: Cache, name: str | None = None) -> Image:
        """An image in any folder; its files are checked.

        Raises:
            ImageError: it is damaged, of another version, or no image.
        """
        damage = check(path)
        if damage is not None:
            raise ImageError(f"{path} is no sound image: {damage}")
        entry = Entry("images", path.name, path, read_manifest(path))
        return cls(name or path.name, entry, cache)

    @property
    def stdlib(self) -> ZipArchive:
        """The standard library, open for the life of the process."""
        with self._lock:
            if self._stdlib is None:
                from coilbox.wasi.vfs.zip import ZipArchive

                self._stdlib = ZipArchive(self._stdlib_path)
            return self._stdlib

    @property
    def size(self) -> int:
        """Bytes of its files."""
        return self._entry.size

    def read(self, name: str) -> bytes:
        """One of its files, checked against its SHA-256.

        Args:
            name: the file's name, such as ``guest.wasm``.

        Raises:
            ImageError: the file was damaged after the image was opened.
        """
        try:
            data = self._entry.file(name).read_bytes()
        except OSError as error:
            raise ImageError(
                f"{self.path / name} cannot be read ({error.strerror}); {REBUILD}"
            ) from error
        if sha256(data) != self._entry.digest(name):
            raise ImageError(f"{self.path / name} is damaged; {REBUILD}")
        return data

    def __repr__(self) -> str:
        return f"<coilbox.Image {self.name} {self.key[:12]}>"
