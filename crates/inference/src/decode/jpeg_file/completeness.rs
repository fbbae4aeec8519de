//! Checks that tables and scans are all there. Decoders fill in missing parts: a standard table for a missing one, grey
//! for a missing component, and coarse pixels where the last scans of a progressive JPEG are missing.

use super::segment::{
    Frame, HUFFMAN_TABLES, QUANTISATION_TABLES, Segment, huffman_tables, quantisation_tables,
};

/// Whether each scan has its tables.
pub(super) fn has_all_tables(frame: &Frame, segments: &[Segment<'_>]) -> bool {
    let (mut quantisation, mut dc, mut ac) = ([false; 4], [false; 4], [false; 4]);
    let has_huffman_codes = !is_arithmetic(frame);
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
        (_, Some(scan)) => scan.components.iter().all(|part| {
            let Some(component) = frame.components.iter().find(|component| component.id == part.id) else {
                return false;
            };
            let progressive = is_progressive(frame);
            let needs_dc = if progressive { scan.first_coefficient == 0 && scan.high_bit == 0 } else { true };
            let needs_ac = if progressive { scan.first_coefficient > 0 } else { !is_lossless(frame) };
            (is_lossless(frame) || quantisation[usize::from(component.quantisation)])
                && (!has_huffman_codes || !needs_dc || dc[usize::from(part.dc_table)])
                && (!has_huffman_codes || !needs_ac || ac[usize::from(part.ac_table)])
        }),
        _ => true,
    })
}

/// Whether the scans have all coefficients of all components, to the last bit.
pub(super) fn has_all_coefficients(frame: &Frame, segments: &[Segment<'_>]) -> bool {
    const MISSING: u8 = u8::MAX;
    frame.components.iter().all(|component| {
        let of_component = segments.iter().filter_map(|segment| segment.scan.as_ref());
        let of_component =
            of_component.filter(|scan| scan.components.iter().any(|part| part.id == component.id));
        if !is_progressive(frame) {
            return of_component.count() > 0;
        }
        let mut lowest_bits = [MISSING; 64];
        for scan in of_component {
            let last = usize::from(scan.last_coefficient.min(63));
            let range = lowest_bits.get_mut(usize::from(scan.first_coefficient)..=last).unwrap_or_default();
            range.fill(scan.low_bit);
        }
        lowest_bits == [0; 64]
    })
}

fn is_progressive(frame: &Frame) -> bool {
    matches!(frame.marker, 0xc2 | 0xca)
}

fn is_lossless(frame: &Frame) -> bool {
    matches!(frame.marker, 0xc3 | 0xcb)
}

pub(super) fn is_arithmetic(frame: &Frame) -> bool {
    frame.marker >= 0xc8
}
