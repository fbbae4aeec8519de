//! JPEG decoding with libjpeg-turbo, or with a decoder in Rust if the feature `turbojpeg` is off.

#[cfg(not(feature = "turbojpeg"))]
#[path = "jpeg/portable.rs"]
mod decoder;
#[cfg(feature = "turbojpeg")]
#[path = "jpeg/turbo.rs"]
mod decoder;

pub(super) use self::decoder::{CAN_REDUCE, decode};
