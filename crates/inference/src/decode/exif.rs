use crate::orientation::Orientation;

/// The orientation of an EXIF block, which begins with its TIFF header; `None` when it names none.
///
/// Only what leads to the value must be intact. Writers cut blocks, declare more entries than there are, and write the
/// value in other integer types than the standard's.
pub(crate) fn orientation(block: &[u8]) -> Option<Orientation> {
    const ENTRY: usize = 12;
    let big_endian = match block.get(..2)? {
        b"MM" => true,
        b"II" => false,
        _ => return None,
    };
    let tiff = Tiff { block, big_endian };
    let directory = tiff.long(4)? as usize;
    let entries = usize::from(tiff.short(directory)?);
    let first = directory.checked_add(2)?;
    (0..entries)
        .map_while(|number| first.checked_add(number * ENTRY))
        .find_map(|entry| tiff.orientation(entry))
}

/// A TIFF structure. Every read checks that it is inside the block.
struct Tiff<'a> {
    block: &'a [u8],
    big_endian: bool,
}

impl Tiff<'_> {
    /// The orientation, if the entry at this position holds a valid one.
    fn orientation(&self, entry: usize) -> Option<Orientation> {
        const TAG: u16 = 0x0112;
        if self.short(entry)? != TAG {
            return None;
        }
        let value = entry + 8;
        let number = match self.short(entry + 2)? {
            // Bytes, signed or not.
            1 | 6 => u32::from(*self.block.get(value)?),
            // Shorts, signed or not.
            3 | 8 => u32::from(self.short(value)?),
            // Longs, signed or not. Some writers declare a long and store a short.
            4 | 9 => self
                .long(value)
                .filter(|long| u8::try_from(*long).is_ok())
                .or_else(|| self.short(value).map(u32::from))?,
            _ => return None,
        };
        Orientation::from_exif(u8::try_from(number).ok()?)
    }

    fn short(&self, at: usize) -> Option<u16> {
        let bytes = *self.block.get(at..)?.first_chunk()?;
        Some(if self.big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    }

    fn long(&self, at: usize) -> Option<u32> {
        let bytes = *self.block.get(at..)?.first_chunk()?;
        Some(if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An EXIF block with entries for a width and for the orientation.
    fn block(big_endian: bool, kind: u16, value: [u8; 4]) -> Vec<u8> {
        let short = |value: u16| if big_endian { value.to_be_bytes() } else { value.to_le_bytes() };
        let long = |value: u32| if big_endian { value.to_be_bytes() } else { value.to_le_bytes() };
        let mut block = if big_endian { b"MM".to_vec() } else { b"II".to_vec() };
        block.extend(short(42));
        block.extend(long(8));
        block.extend(short(2));
        for (tag, kind, value) in [(0x0100, 3, [0, 0, 0, 0]), (0x0112, kind, value)] {
            block.extend(short(tag));
            block.extend(short(kind));
            block.extend(long(1));
            block.extend(value);
        }
        block
    }

    #[test]
    fn every_integer_type_is_read_in_both_byte_orders() {
        for value in 0..=9 {
            let read = |big_endian, kind, bytes| orientation(&block(big_endian, kind, bytes));
            for read in [
                read(true, 3, [0, value, 0, 0]),
                read(true, 4, [0, 0, 0, value]),
                read(true, 4, [0, value, 0, 0]),
                read(true, 9, [0, 0, 0, value]),
                read(true, 1, [value, 0, 0, 0]),
                read(false, 3, [value, 0, 0, 0]),
                read(false, 4, [value, 0, 0, 0]),
                read(false, 1, [value, 0, 0, 0]),
            ] {
                assert_eq!(read, Orientation::from_exif(value), "{value}");
            }
        }
    }

    #[test]
    fn a_cut_block_gives_its_orientation_or_none() {
        let mut whole = block(true, 3, [0, 6, 0, 0]);
        // More entries than there are.
        whole[9] = 200;
        for end in 0..=whole.len() {
            let read = orientation(&whole[..end]);
            assert_eq!(read, Orientation::from_exif(6).filter(|_| end >= whole.len() - 2), "cut at {end}");
        }
        whole[4..8].copy_from_slice(&[0xff; 4]);
        assert_eq!(orientation(&whole), None, "the directory is outside the block");
    }
}
