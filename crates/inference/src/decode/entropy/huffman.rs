use super::bits::BitReader;

/// A Huffman table, indexed by the next 16 bits.
pub(super) struct DecodingTable(Vec<Code>);

#[derive(Clone, Copy)]
struct Code {
    /// 0 where no code begins with these bits.
    bits: u8,
    symbol: u8,
}

impl DecodingTable {
    /// `None` when the codes do not fit.
    pub(super) fn new(counts: &[u8; 16], symbols: &[u8]) -> Option<Self> {
        const MAX_CODES: usize = 1 << 16;
        let mut codes = Vec::with_capacity(MAX_CODES);
        let mut symbols = symbols.iter();
        for (bits, count) in (1u8..).zip(counts) {
            for _ in 0..*count {
                let code = Code { bits, symbol: *symbols.next()? };
                codes.resize(codes.len() + (MAX_CODES >> bits), code);
            }
        }
        if codes.len() > MAX_CODES {
            return None;
        }
        codes.resize(MAX_CODES, Code { bits: 0, symbol: 0 });
        Some(Self(codes))
    }

    /// Takes the next symbol; `None` when the bits are no code, or end within one.
    pub(super) fn symbol(&self, reader: &mut BitReader<'_>) -> Option<u8> {
        let Code { bits, symbol } = self.0[usize::from(reader.peek_16())];
        (bits > 0).then_some(())?;
        reader.skip(bits.into())?;
        Some(symbol)
    }
}
