//! JPEG: by libjpeg-turbo, or portably.

#[cfg(not(feature = "turbojpeg"))]
#[path = "jpeg/portable.rs"]
mod decoder;
#[cfg(feature = "turbojpeg")]
#[path = "jpeg/turbo.rs"]
mod decoder;

pub(super) use self::decoder::{decode, size};
