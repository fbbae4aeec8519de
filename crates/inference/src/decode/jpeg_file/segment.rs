//! The segments of a JPEG that its pixels depend on.

/// The frame headers of JPEGs that are read. All of them use Huffman codes. Arithmetic coding is refused: no camera,
/// browser or registry writes it, and its data does not show where it was cut off, since a decoder may go on for ever
/// without further data.
pub(super) const BASELINE: u8 = 0xc0;
pub(super) const EXTENDED: u8 = 0xc1;
pub(super) const PROGRESSIVE: u8 = 0xc2;
pub(super) const LOSSLESS: u8 = 0xc3;
pub(super) const RESTART: u8 = 0xd0;
pub(super) const START_OF_IMAGE: u8 = 0xd8;
pub(super) const END_OF_IMAGE: u8 = 0xd9;
pub(super) const START_OF_SCAN: u8 = 0xda;
pub(crate) const QUANTISATION_TABLES: u8 = 0xdb;
pub(crate) const HUFFMAN_TABLES: u8 = 0xc4;
pub(crate) const RESTART_INTERVAL: u8 = 0xdd;
const ARITHMETIC_CONDITIONING: u8 = 0xcc;
pub(super) const APPLICATION: u8 = 0xe0;
pub(super) const JFIF: u8 = 0xe0;
pub(super) const EXIF: u8 = 0xe1;
pub(super) const ADOBE: u8 = 0xee;
pub(super) const COMMENT: u8 = 0xfe;

/// A table, a frame header, or a scan with its data.
#[derive(Debug, Clone)]
pub(crate) struct Segment<'a> {
    pub(crate) marker: u8,
    /// What follows the length.
    pub(crate) content: &'a [u8],
    /// The header of a scan.
    pub(crate) scan: Option<Scan>,
    /// The entropy-coded data of a scan, with its restart markers.
    pub(crate) entropy: &'a [u8],
}

/// A frame header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) marker: u8,
    pub(crate) precision: u8,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) components: Vec<Component>,
}

/// A colour component of a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Component {
    pub(crate) id: u8,
    pub(crate) horizontal: u32,
    pub(crate) vertical: u32,
    pub(crate) quantisation: u8,
}

/// The header of a scan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scan {
    pub(crate) components: Vec<ScanComponent>,
    pub(crate) first_coefficient: u8,
    pub(crate) last_coefficient: u8,
    /// The bit that earlier scans reached; 0 in a first scan.
    pub(crate) high_bit: u8,
    /// The lowest bit that this scan has.
    pub(crate) low_bit: u8,
}

/// A component of a scan, with the numbers of its Huffman tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ScanComponent {
    pub(crate) id: u8,
    pub(crate) dc_table: u8,
    pub(crate) ac_table: u8,
}

impl Frame {
    pub(crate) fn parse(marker: u8, content: &[u8]) -> Option<Self> {
        let (head, components) = content.split_first_chunk::<6>()?;
        let [precision, height_high, height_low, width_high, width_low, count] = *head;
        let (components, rest) = components.as_chunks::<3>();
        if components.is_empty() || components.len() != usize::from(count) || !rest.is_empty() {
            return None;
        }
        let components = components.iter().map(|[id, sampling, quantisation]| {
            let (horizontal, vertical) = (u32::from(sampling >> 4), u32::from(sampling & 15));
            let valid = (1..=4).contains(&horizontal) && (1..=4).contains(&vertical) && *quantisation < 4;
            valid.then_some(Component { id: *id, horizontal, vertical, quantisation: *quantisation })
        });
        let components: Vec<_> = components.collect::<Option<_>>()?;
        let (width, height) = ([width_high, width_low], [height_high, height_low]);
        Some(Self {
            marker,
            precision,
            width: u16::from_be_bytes(width).into(),
            height: u16::from_be_bytes(height).into(),
            components: (components.len() <= 4).then_some(components)?,
        })
    }

    /// Blocks of 8 x 8 samples of a component, across and down, in a scan of this component alone.
    pub(crate) fn blocks(&self, component: &Component) -> (u32, u32) {
        let (most_across, most_down) = self.most_samples();
        let blocks = |length: u32, samples: u32, most: u32| (length * samples).div_ceil(most).div_ceil(8);
        (
            blocks(self.width, component.horizontal, most_across),
            blocks(self.height, component.vertical, most_down),
        )
    }

    /// Groups of blocks of all components, across and down, in a scan of several components.
    pub(crate) fn groups(&self) -> (u32, u32) {
        let (across, down) = self.most_samples();
        (self.width.div_ceil(8 * across), self.height.div_ceil(8 * down))
    }

    /// Blocks of all components, with those outside the photo.
    pub(crate) fn stored_blocks(&self) -> u64 {
        let groups = self.groups();
        let blocks = |component: &Component| u64::from(component.horizontal) * u64::from(component.vertical);
        u64::from(groups.0) * u64::from(groups.1) * self.components.iter().map(blocks).sum::<u64>()
    }

    /// Whether photos of this kind are read.
    pub(crate) fn is_supported(&self) -> bool {
        matches!(self.marker, BASELINE | EXTENDED | PROGRESSIVE | LOSSLESS)
    }

    pub(crate) fn pixels(&self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }

    /// The positions of the components that a scan codes, with their tables. `None` when the frame has no such
    /// component.
    ///
    /// Some cameras give all components the same number. As in libjpeg, each part is the first component of its number
    /// that the scan does not have yet.
    pub(crate) fn coded_by(&self, scan: &Scan) -> Option<Vec<(usize, ScanComponent)>> {
        let mut found: Vec<(usize, ScanComponent)> = Vec::new();
        for part in &scan.components {
            let is_new = |position: &usize| found.iter().all(|(earlier, _)| earlier != position);
            let of_number = |position: &usize| self.components[*position].id == part.id;
            let position = (0..self.components.len()).filter(of_number).find(is_new)?;
            found.push((position, *part));
        }
        Some(found)
    }

    /// Blocks that a scan codes.
    pub(crate) fn coded_blocks(&self, scan: &Scan) -> u64 {
        let parts = self.coded_by(scan).unwrap_or_default();
        if let [(alone, _)] = parts[..] {
            let (across, down) = self.blocks(&self.components[alone]);
            return u64::from(across) * u64::from(down);
        }
        let (across, down) = self.groups();
        let components = parts.iter().map(|(component, _)| &self.components[*component]);
        let blocks = components.map(|component| u64::from(component.horizontal * component.vertical));
        u64::from(across) * u64::from(down) * blocks.sum::<u64>()
    }

    fn most_samples(&self) -> (u32, u32) {
        let components = || self.components.iter();
        (
            components().map(|component| component.horizontal).max().unwrap_or(1),
            components().map(|component| component.vertical).max().unwrap_or(1),
        )
    }
}

impl Scan {
    pub(crate) fn parse(content: &[u8]) -> Option<Self> {
        let (count, rest) = content.split_first()?;
        let (components, spectral) = rest.split_at_checked(2 * usize::from(*count))?;
        let [first_coefficient, last_coefficient, bits] = *spectral else { return None };
        let components = components.as_chunks::<2>().0.iter().map(|[id, tables]| {
            let (dc_table, ac_table) = (tables >> 4, tables & 15);
            (dc_table < 4 && ac_table < 4).then_some(ScanComponent { id: *id, dc_table, ac_table })
        });
        let components: Vec<_> = components.collect::<Option<_>>()?;
        (1..=4).contains(&components.len()).then_some(Self {
            components,
            first_coefficient,
            last_coefficient,
            high_bit: bits >> 4,
            low_bit: bits & 15,
        })
    }
}

/// Whether a code can follow 0xff where a marker is expected.
pub(super) fn is_known(code: u8) -> bool {
    code == 0x01 || (0xc0..0xff).contains(&code)
}

/// Whether pixels depend on the segments of this marker.
pub(super) fn is_needed(marker: u8) -> bool {
    is_frame(marker)
        || matches!(marker, HUFFMAN_TABLES | START_OF_SCAN | QUANTISATION_TABLES | RESTART_INTERVAL)
}

pub(super) fn is_frame(marker: u8) -> bool {
    matches!(marker, 0xc0..=0xcf) && !matches!(marker, HUFFMAN_TABLES | 0xc8 | ARITHMETIC_CONDITIONING)
}

/// Whether the content of a needed segment has the form that its marker requires.
pub(super) fn is_plausible(marker: u8, content: &[u8], frame: Option<&Frame>) -> bool {
    match marker {
        QUANTISATION_TABLES => quantisation_tables(content).is_some(),
        HUFFMAN_TABLES => huffman_tables(content).is_some(),
        RESTART_INTERVAL => content.len() == 2,
        START_OF_SCAN => {
            Scan::parse(content).zip(frame).is_some_and(|(scan, frame)| frame.coded_by(&scan).is_some())
        }
        _ => Frame::parse(marker, content).is_some(),
    }
}

/// The numbers of the tables that a segment defines; `None` when it is malformed.
pub(super) fn quantisation_tables(mut content: &[u8]) -> Option<Vec<u8>> {
    let mut numbers = Vec::new();
    while let Some((head, rest)) = content.split_first() {
        let (wide, number) = (head >> 4, head & 15);
        (wide < 2 && number < 4).then_some(())?;
        content = rest.get(64 * (usize::from(wide) + 1)..)?;
        numbers.push(number);
    }
    (!numbers.is_empty()).then_some(numbers)
}

/// A Huffman table as it is stored.
pub(crate) struct HuffmanTable<'a> {
    pub(crate) is_ac: bool,
    pub(crate) number: u8,
    /// How many codes there are of 1 to 16 bits.
    pub(crate) counts: &'a [u8; 16],
    pub(crate) symbols: &'a [u8],
}

/// The tables that a segment defines; `None` when it is malformed.
pub(crate) fn huffman_tables(mut content: &[u8]) -> Option<Vec<HuffmanTable<'_>>> {
    let mut tables = Vec::new();
    while let Some((head, rest)) = content.split_first() {
        let (class, number) = (head >> 4, head & 15);
        let (counts, rest) = rest.split_first_chunk::<16>()?;
        let symbols = counts.iter().map(|count| usize::from(*count)).sum();
        (class < 2 && number < 4 && symbols <= 256).then_some(())?;
        let (symbols, rest) = rest.split_at_checked(symbols)?;
        tables.push(HuffmanTable { is_ac: class == 1, number, counts, symbols });
        content = rest;
    }
    (!tables.is_empty()).then_some(tables)
}
