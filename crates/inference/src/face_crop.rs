use std::fmt;

use zeroize::Zeroizing;

use crate::align::{AlignedFace, CROP_SIDE};

/// The aligned crop of a face as a PNG file, to be shown to an operator. Its bytes are overwritten when it is dropped.
///
/// The pixels are not compressed, so that no buffer of a compressor keeps them.
#[derive(Clone)]
pub struct FaceCrop(Zeroizing<Vec<u8>>);

/// The bytes of a row: a filter type, and three bytes for each pixel.
const ROW_BYTES: usize = 1 + CROP_SIDE * 3;
/// The size of the file: signature, header, one block of pixels, end.
const FILE_BYTES: usize = 8 + (12 + 13) + (12 + 2 + 5 + CROP_SIDE * ROW_BYTES + 4) + 12;

impl FaceCrop {
    pub(crate) fn of(face: &AlignedFace) -> Self {
        // With the whole capacity at once, no copy is left behind.
        let mut file = Zeroizing::new(Vec::with_capacity(FILE_BYTES));
        file.extend_from_slice(b"\x89PNG\r\n\x1a\n");
        let side = (CROP_SIDE as u32).to_be_bytes();
        // Eight bits for each of red, green and blue; not interlaced.
        write_chunk(&mut file, *b"IHDR", |file| {
            file.extend_from_slice(&side);
            file.extend_from_slice(&side);
            file.extend_from_slice(&[8, 2, 0, 0, 0]);
        });
        write_chunk(&mut file, *b"IDAT", |file| write_pixels(file, face.rgb()));
        write_chunk(&mut file, *b"IEND", |_| {});
        Self(file)
    }

    /// The file.
    pub fn png(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for FaceCrop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FaceCrop")
    }
}

/// The pixels as one stored block of a zlib stream (RFC 1950 and 1951).
fn write_pixels(file: &mut Vec<u8>, rgb: &[f32]) {
    let length = (CROP_SIDE * ROW_BYTES) as u16;
    file.extend_from_slice(&[0x78, 0x01, 1]);
    file.extend_from_slice(&length.to_le_bytes());
    file.extend_from_slice(&(!length).to_le_bytes());
    let from = file.len();
    for row in rgb.chunks_exact(CROP_SIDE * 3) {
        file.push(0);
        file.extend(row.iter().map(|value| value.round().clamp(0.0, 255.0) as u8));
    }
    let checksum = adler32(&file[from..]);
    file.extend_from_slice(&checksum.to_be_bytes());
}

fn write_chunk(file: &mut Vec<u8>, kind: [u8; 4], write: impl FnOnce(&mut Vec<u8>)) {
    let length_at = file.len();
    file.extend_from_slice(&[0; 4]);
    file.extend_from_slice(&kind);
    write(file);
    let length = (file.len() - length_at - 8) as u32;
    file[length_at..length_at + 4].copy_from_slice(&length.to_be_bytes());
    let checksum = crc32(&file[length_at + 4..]);
    file.extend_from_slice(&checksum.to_be_bytes());
}

/// The checksum of a zlib stream (RFC 1950).
fn adler32(bytes: &[u8]) -> u32 {
    const MODULUS: u32 = 65_521;
    let (low, high) = bytes.iter().fold((1, 0), |(low, high), &byte| {
        let low = (low + u32::from(byte)) % MODULUS;
        (low, (high + low) % MODULUS)
    });
    (high << 16) | low
}

/// The checksum of a chunk of a PNG file (ISO 3309).
fn crc32(bytes: &[u8]) -> u32 {
    let crc = bytes.iter().fold(!0_u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 * (crc & 1)))
    });
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_read_by_another_decoder_with_the_same_pixels() {
        let values = (0..CROP_SIDE * CROP_SIDE * 3).map(|at| (at * 7 % 256) as f32 + 0.4);
        let crop = FaceCrop::of(&AlignedFace::from_rgb(values.collect()));
        assert_eq!(crop.png().len(), FILE_BYTES);
        let decoded =
            image::load_from_memory_with_format(crop.png(), image::ImageFormat::Png).unwrap().into_rgb8();
        assert_eq!(decoded.dimensions(), (112, 112));
        for (at, value) in decoded.as_raw().iter().enumerate() {
            assert_eq!(usize::from(*value), at * 7 % 256, "value {at}");
        }
        assert_eq!(format!("{crop:?}"), "FaceCrop");
    }

    #[test]
    fn values_beyond_the_range_of_a_byte_are_cut() {
        let mut values = vec![300.0; CROP_SIDE * CROP_SIDE * 3];
        values[0] = -7.0;
        let crop = FaceCrop::of(&AlignedFace::from_rgb(values));
        let decoded = image::load_from_memory(crop.png()).unwrap().into_rgb8();
        assert_eq!(decoded.as_raw()[..4], [0, 255, 255, 255]);
    }
}
