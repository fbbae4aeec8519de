"""Enlarges the sample selfies to the size of a phone's photos, as padan-load --size does (colours stored as 4:2:0)."""

import cv2
import numpy as np

SIZE = (1080, 1440)


def enlarged(photo):
    """A photo at 1080 x 1440, cropped to these proportions, with grain so that it compresses like a camera's photo."""
    pixels = cv2.imdecode(np.frombuffer(photo, np.uint8), cv2.IMREAD_COLOR)
    height, width = pixels.shape[:2]
    kept = min(width, height * SIZE[0] // SIZE[1])
    left = (width - kept) // 2
    pixels = cv2.resize(pixels[:, left : left + kept], SIZE, interpolation=cv2.INTER_CUBIC)
    grain = np.random.default_rng(1).integers(-4, 5, pixels.shape)
    pixels = np.clip(pixels + grain, 0, 255).astype(np.uint8)
    return cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 88])[1].tobytes()
