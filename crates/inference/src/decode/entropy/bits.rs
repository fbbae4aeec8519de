/// Reads bits of entropy-coded data, to the next marker.
#[derive(Clone)]
pub(super) struct BitReader<'a> {
    data: &'a [u8],
    /// Where the current run of data between two markers begins.
    run_start: usize,
    /// The next byte to be buffered.
    at: usize,
    /// The next bits, from the highest on.
    buffer: u64,
    buffered: u32,
    /// Bits that were taken since `run_start`.
    taken: usize,
}

impl<'a> BitReader<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        Self { data, run_start: 0, at: 0, buffer: 0, buffered: 0, taken: 0 }
    }

    /// The next 16 bits; those after the last one are zeros.
    pub(super) fn peek_16(&mut self) -> u16 {
        self.fill();
        (self.buffer >> 48) as u16
    }

    /// Takes up to 16 bits; `None` when there are not as many.
    pub(super) fn take(&mut self, count: u32) -> Option<u32> {
        let bits = u32::from(self.peek_16()) >> (16 - count);
        self.skip(count)?;
        Some(bits)
    }

    /// Skips up to 64 bits; `None` when there are not as many.
    pub(super) fn skip(&mut self, mut count: u32) -> Option<()> {
        while count > 0 {
            self.fill();
            let now = count.min(self.buffered).min(32);
            if now == 0 {
                return None;
            }
            self.buffer <<= now;
            self.buffered -= now;
            self.taken += now as usize;
            count -= now;
        }
        Some(())
    }

    /// Goes on after the restart marker of this number; `None` when another byte follows.
    pub(super) fn restart(&mut self, number: u8) -> Option<()> {
        let end = self.used_bytes();
        let rest = &self.data[end..];
        let fill = rest.iter().take_while(|byte| **byte == 0xff).count();
        if fill == 0 || *rest.get(fill)? != 0xd0 + number {
            return None;
        }
        let at = end + fill + 1;
        *self = Self { run_start: at, at, ..Self::new(self.data) };
        Some(())
    }

    /// The position after the byte of the last taken bit.
    pub(super) fn used_bytes(&self) -> usize {
        let mut at = self.run_start;
        for _ in 0..self.taken.div_ceil(8) {
            at = next_byte(self.data, at).map_or(at, |(_, next)| next);
        }
        at
    }

    /// The value of the bits between the last taken one and the end of its byte, if they are all equal.
    pub(super) fn fill_bits(&self) -> Option<bool> {
        let count = (8 - self.taken % 8) % 8;
        let bits = self.buffer.checked_shr(64 - count as u32).unwrap_or_default();
        match bits {
            _ if count == 0 => Some(true),
            0 => Some(false),
            _ => (bits == (1 << count) - 1).then_some(true),
        }
    }

    /// Whether all bytes were taken, and only fill bits are left.
    pub(super) fn is_at_end(&self) -> bool {
        self.used_bytes() == self.data.len() && self.fill_bits() == Some(true)
    }

    fn fill(&mut self) {
        while self.buffered <= 56
            && let Some((byte, next)) = next_byte(self.data, self.at)
        {
            self.buffer |= u64::from(byte) << (56 - self.buffered);
            self.buffered += 8;
            self.at = next;
        }
    }
}

/// The byte of data at a position, and the position of the next one; `None` at a marker and at the end.
fn next_byte(data: &[u8], at: usize) -> Option<(u8, usize)> {
    let byte = *data.get(at)?;
    if byte != 0xff {
        return Some((byte, at + 1));
    }
    let fill = data[at..].iter().take_while(|byte| **byte == 0xff).count();
    (data.get(at + fill) == Some(&0)).then_some((0xff, at + fill + 1))
}
