//! JPEG decoding by libjpeg-turbo, or without its feature by a decoder in Rust.

#[cfg(not(feature = "turbojpeg"))]
#[path = "jpeg/portable.rs"]
mod decoder;
#[cfg(feature = "turbojpeg")]
#[path = "jpeg/turbo.rs"]
mod decoder;

pub(super) use self::decoder::{decode, size};
