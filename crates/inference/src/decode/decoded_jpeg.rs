/// The pixels of a JPEG.
pub(super) struct DecodedJpeg {
    /// Width and height of the photo.
    pub(super) photo: (u32, u32),
    /// Pixels of the photo for a decoded pixel, along each side.
    pub(super) reduction: u32,
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) rgb: Vec<u8>,
}
