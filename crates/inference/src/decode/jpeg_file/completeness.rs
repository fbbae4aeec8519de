//! Checks that tables and scans are all there. Decoders fill in missing parts: a standard table for a missing one, grey
//! for a missing component, and coarse pixels where the last scans of a progressive JPEG are missing.

use super::segment::{
    Frame, HUFFMAN_TABLES, LOSSLESS, PROGRESSIVE, QUANTISATION_TABLES, Segment, huffman_tables,
    quantisation_tables,
};

/// Whether each scan has its tables.
pub(super) fn has_all_tables(frame: &Frame, segments: &[Segment<'_>]) -> bool {
    let (mut quantisation, mut dc, mut ac) = ([false; 4], [false; 4], [false; 4]);
    let (progressive, lossless) = (frame.marker == PROGRESSIVE, frame.marker == LOSSLESS);
    segments.iter().all(|segment| match (segment.marker, &segment.scan) {
        (QUANTISATION_TABLES, _) => {
            for number in quantisation_tables(segment.content).unwrap_or_default() {
                quantisation[usize::from(number)] = true;
            }
            true
        }
        (HUFFMAN_TABLES, _) => {
            for table in huffman_tables(segment.content).unwrap_or_default() {
                let tables = if table.is_ac { &mut ac } else { &mut dc };
                tables[usize::from(table.number)] = true;
            }
            true
        }
        (_, Some(scan)) => {
            let needs_dc = !progressive || (scan.first_coefficient == 0 && scan.high_bit == 0);
            let needs_ac = if progressive { scan.first_coefficient > 0 } else { !lossless };
            frame.coded_by(scan).is_some_and(|parts| {
                parts.iter().all(|(component, part)| {
                    let table = frame.components[*component].quantisation;
                    (lossless || quantisation[usize::from(table)])
                        && (!needs_dc || dc[usize::from(part.dc_table)])
                        && (!needs_ac || ac[usize::from(part.ac_table)])
                })
            })
        }
        _ => true,
    })
}

/// Whether the scans have all coefficients of all components, to the last bit.
pub(super) fn has_all_coefficients(frame: &Frame, segments: &[Segment<'_>]) -> bool {
    const MISSING: u8 = u8::MAX;
    let mut lowest_bits = vec![[MISSING; 64]; frame.components.len()];
    for scan in segments.iter().filter_map(|segment| segment.scan.as_ref()) {
        for (component, _) in frame.coded_by(scan).unwrap_or_default() {
            if frame.marker == PROGRESSIVE {
                let last = usize::from(scan.last_coefficient.min(63));
                let coded = lowest_bits[component].get_mut(usize::from(scan.first_coefficient)..=last);
                coded.unwrap_or_default().fill(scan.low_bit);
            } else {
                lowest_bits[component] = [0; 64];
            }
        }
    }
    lowest_bits.iter().all(|bits| *bits == [0; 64])
}
