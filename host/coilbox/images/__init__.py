"""Guest images: opening, listing, verifying and pruning them; building one that is missing."""

from coilbox.images.image import ABI_VERSION, Image, ImageInfo
from coilbox.images.store import ImageStore, open_image

__all__ = ["ABI_VERSION", "Image", "ImageInfo", "ImageStore", "open_image"]
