"""Guest images: finding, listing, verifying and pruning them."""

from coilbox.images.image import ABI_VERSION, Image, ImageInfo
from coilbox.images.store import ImageStore

__all__ = ["ABI_VERSION", "Image", "ImageInfo", "ImageStore"]
