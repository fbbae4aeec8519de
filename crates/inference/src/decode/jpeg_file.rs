//! Finds the segments of a JPEG that its pixels depend on, and writes them as a clean file.
//!
//! Cameras and programs write files whose pixels are complete and whose other bytes are not as the standard says:
//! padding between segments, markers without their first byte, broken profiles and EXIF blocks. Decoders warn of these
//! with the same means as of missing pixels. A clean file has no such byte, so that every warning is about pixels.

mod completeness;
mod segment;

use crate::orientation::Orientation;

use self::segment::{
    ADOBE, APPLICATION, COMMENT, END_OF_IMAGE, EXIF, JFIF, RESTART, START_OF_IMAGE, START_OF_SCAN, Segment,
    is_frame, is_known, is_needed, is_plausible,
};
pub(crate) use self::segment::{Component, Frame, HUFFMAN_TABLES, RESTART_INTERVAL, Scan, huffman_tables};
use super::exif;

/// The segments of a complete JPEG: every component has all of its coefficients, and every scan its tables. Whether the
/// entropy-coded data is complete is left to the decoder.
#[derive(Debug, Clone)]
pub(crate) struct JpegFile<'a> {
    pub(crate) frame: Frame,
    /// Tables and scans, in order.
    segments: Vec<Segment<'a>>,
    pub(crate) orientation: Option<Orientation>,
    is_jfif: bool,
    /// The transform that an Adobe marker declares.
    adobe_transform: Option<u8>,
}

/// What could be read of a JPEG.
pub(crate) struct ParsedJpeg<'a> {
    /// The frame header, even of an incomplete file.
    pub(crate) frame: Option<Frame>,
    /// `None` when something is missing.
    pub(crate) file: Option<JpegFile<'a>>,
}

impl<'a> ParsedJpeg<'a> {
    pub(crate) fn of(bytes: &'a [u8]) -> Self {
        const AFTER_START_OF_IMAGE: usize = 2;
        let mut parser = Parser { bytes, attempts: MAX_ATTEMPTS, first_frame: None };
        let image = parser.image(AFTER_START_OF_IMAGE, Collected::default(), Trust::default());
        let file = image.and_then(|(image, _)| image.complete());
        let frame = file.as_ref().map(|file| file.frame.clone()).or(parser.first_frame);
        Self { frame, file }
    }
}

impl<'a> JpegFile<'a> {
    /// Tables and scans, in order.
    pub(super) fn segments(&self) -> &[Segment<'a>] {
        &self.segments
    }

    /// The samples that the scans code together. Those of arithmetic coding are weighted.
    pub(crate) fn coded_samples(&self) -> u64 {
        const SAMPLES_PER_BLOCK: u64 = 64;
        /// A coefficient takes up to 33 binary decisions, none of which needs data: a photo of 20 megapixels in 655
        /// bytes takes 85 ns a sample.
        const ARITHMETIC_WEIGHT: u64 = 64;
        let weight = if completeness::is_arithmetic(&self.frame) { ARITHMETIC_WEIGHT } else { 1 };
        let scans = self.segments.iter().filter_map(|segment| segment.scan.as_ref());
        scans.map(|scan| self.frame.coded_blocks(scan)).sum::<u64>() * SAMPLES_PER_BLOCK * weight
    }

    /// The memory for the coefficients of the photo: a decoder needs them all where several scans code them.
    pub(crate) fn coefficient_bytes(&self) -> u64 {
        // Coefficients of 16 bits, and the walk's knowledge about each block.
        const BYTES_PER_BLOCK: u64 = 64 * 2 + 8;
        let scans = self.segments.iter().filter(|segment| segment.scan.is_some()).count();
        let blocks = if scans > 1 { self.frame.stored_blocks() } else { 0 };
        blocks * BYTES_PER_BLOCK
    }

    pub(super) fn size(&self) -> (u32, u32) {
        (self.frame.width, self.frame.height)
    }

    /// The memory for the pixels at a reduction.
    pub(crate) fn pixel_bytes(&self, reduction: u32) -> u64 {
        // Four inks are converted to three colours.
        let bytes = if self.frame.components.len() == 4 { 7 } else { 3 };
        let side = |length: u32| u64::from(length.div_ceil(reduction));
        side(self.frame.width) * side(self.frame.height) * bytes
    }

    /// Whether the inverse transform can reduce the photo.
    pub(crate) fn can_be_reduced(&self) -> bool {
        !matches!(self.frame.marker, 0xc3 | 0xcb)
    }

    pub(crate) fn is_progressive(&self) -> bool {
        matches!(self.frame.marker, 0xc2 | 0xca)
    }

    /// Whether the photo may be its own negative: programs store inks inverted, and only Adobe's marker says so.
    pub(crate) fn may_be_negative(&self) -> bool {
        const INKS: usize = 4;
        self.frame.components.len() == INKS && self.adobe_transform.is_none()
    }

    /// Keeps the first bytes of each scan's data, whose lengths are given in order.
    pub(super) fn shorten_scans(&mut self, lengths: &[usize]) {
        let scans = self.segments.iter_mut().filter(|segment| segment.scan.is_some());
        for (scan, length) in scans.zip(lengths) {
            scan.entropy = &scan.entropy[..(*length).min(scan.entropy.len())];
        }
    }

    /// Writes the file without what its pixels do not depend on.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.clear();
        out.extend([0xff, START_OF_IMAGE]);
        if self.is_jfif {
            out.extend(b"\xff\xe0\x00\x10JFIF\0\x01\x01\x00\x00\x01\x00\x01\x00\x00");
        }
        if let Some(transform) = self.adobe_transform {
            out.extend(b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00");
            out.push(self.known_transform(transform));
        }
        for segment in &self.segments {
            out.extend([0xff, segment.marker]);
            // The length was read from two bytes.
            out.extend(((segment.content.len() + 2) as u16).to_be_bytes());
            match &segment.scan {
                Some(scan) if self.is_sequential() => {
                    // Some cameras write zeros. A sequential scan has all coefficients, whatever its header says.
                    let components = 1 + 2 * scan.components.len();
                    out.extend(&segment.content[..components]);
                    out.extend([0, 63, 0]);
                }
                Some(_) | None => out.extend(segment.content),
            }
            out.extend(segment.entropy);
        }
        out.extend([0xff, END_OF_IMAGE]);
    }

    fn is_sequential(&self) -> bool {
        matches!(self.frame.marker, 0xc0 | 0xc1 | 0xc9)
    }

    /// The transform as decoders read an unknown one: brightness and two colours, and black if there is a fourth
    /// component.
    fn known_transform(&self, declared: u8) -> u8 {
        match (self.frame.components.len(), declared) {
            (_, 0) => 0,
            (4, _) => 2,
            _ => 1,
        }
    }
}

/// How often the parser may try another reading of a malformed file.
const MAX_ATTEMPTS: u32 = 8;

struct Parser<'a> {
    bytes: &'a [u8],
    attempts: u32,
    first_frame: Option<Frame>,
}

/// How far the bytes at a position can be trusted.
#[derive(Debug, Clone, Copy, Default)]
struct Trust {
    /// The position may be inside an application segment, whose thumbnail is a JPEG too.
    in_application_segment: bool,
    /// The image begins inside another one.
    nested: bool,
}

/// What was found before the end marker.
#[derive(Debug, Clone, Default)]
struct Collected<'a> {
    frame: Option<Frame>,
    segments: Vec<Segment<'a>>,
    orientation: Option<Orientation>,
    is_jfif: bool,
    adobe_transform: Option<u8>,
    scans: usize,
}

impl<'a> Parser<'a> {
    /// Reads an image whose start marker ends at `at`, to its end marker. Returns it with the position after it.
    ///
    /// Data after the end marker is ignored: cameras append videos and depth maps.
    fn image(
        &mut self,
        mut at: usize,
        mut image: Collected<'a>,
        trust: Trust,
    ) -> Option<(Collected<'a>, usize)> {
        let mut at_boundary = true;
        // A thumbnail is in an application segment.
        let mut after_application = trust.in_application_segment;
        loop {
            let Some((marker, body)) = self.marker(at) else {
                if at_boundary && let Some((marker, body)) = self.marker_without_first_byte(at, &image) {
                    at = self.segment(marker, body, &mut image)?;
                    after_application = !is_needed(marker);
                    continue;
                }
                at = self.next_marker_byte(at + 1)?;
                at_boundary = false;
                continue;
            };
            match marker {
                END_OF_IMAGE if image.scans > 0 => {
                    return if trust.nested || !self.goes_on(body) {
                        Some((image, body))
                    } else {
                        self.image_after_thumbnail(body, &image, trust)
                    };
                }
                START_OF_IMAGE if image.scans > 0 => return None,
                // Without a marker behind it, these are bytes of something else.
                START_OF_IMAGE if self.marker(body).is_none() => at = body,
                START_OF_IMAGE if trust.nested => return None,
                START_OF_IMAGE => {
                    let may_be_photo = at_boundary && !after_application;
                    match self.start_inside(body, may_be_photo, &image, trust) {
                        Inside::Image(found, end) => return Some((*found, end)),
                        Inside::Skip(end) => at = end,
                    }
                }
                0x01 | RESTART..=0xd7 => at = body,
                APPLICATION..=0xef | COMMENT => {
                    let end = self.segment_end(body);
                    if end.is_some_and(|end| self.marker(end).is_some()) {
                        at = self.segment(marker, body, &mut image)?;
                    } else if at_boundary {
                        return self.application_of_wrong_length(marker, body, image, trust);
                    } else {
                        at = body;
                    }
                    at_boundary = end == Some(at);
                    after_application |= at_boundary;
                    continue;
                }
                _ if is_needed(marker) && is_plausible(marker, self.content(body), image.frame.as_ref()) => {
                    at = self.segment(marker, body, &mut image)?;
                    after_application = false;
                }
                _ => {
                    let known_length = self.segment_end(body).filter(|end| {
                        at_boundary
                            && !is_needed(marker)
                            && self.marker(*end).is_some()
                            && marker != END_OF_IMAGE
                    });
                    at = known_length.unwrap_or(body);
                    at_boundary = known_length.is_some();
                    continue;
                }
            }
            at_boundary = true;
        }
    }

    /// The marker at a position, past fill bytes, and the position after it.
    fn marker(&self, at: usize) -> Option<(u8, usize)> {
        let rest = self.bytes.get(at..)?;
        let fill = rest.iter().take_while(|byte| **byte == 0xff).count();
        let code = *rest.get(fill)?;
        (fill > 0 && is_known(code)).then_some((code, at + fill + 1))
    }

    /// The next byte from `at` that can begin a marker.
    fn next_marker_byte(&self, at: usize) -> Option<usize> {
        memchr::memchr(0xff, self.bytes.get(at..)?).map(|offset| at + offset)
    }

    /// A segment at a position where one is expected, whose marker's first byte is lost or overwritten.
    fn marker_without_first_byte(&self, at: usize, image: &Collected<'_>) -> Option<(u8, usize)> {
        [at + 1, at].into_iter().find_map(|at| {
            let code = *self.bytes.get(at)?;
            let body = at + 1;
            let end = self.segment_end(body)?;
            let leads_on = || code == START_OF_SCAN || self.marker(end).is_some();
            let fits = match code {
                APPLICATION..=0xef | COMMENT => leads_on(),
                _ if is_needed(code) => {
                    is_plausible(code, self.content(body), image.frame.as_ref()) && leads_on()
                }
                _ => false,
            };
            fits.then_some((code, body))
        })
    }

    /// The end of a segment according to its length, which is at `body`.
    fn segment_end(&self, body: usize) -> Option<usize> {
        let length = usize::from(u16::from_be_bytes(*self.bytes.get(body..)?.first_chunk()?));
        let end = body + length;
        (length >= 2 && end <= self.bytes.len()).then_some(end)
    }

    /// The content of a segment, as far as it is inside the file; empty when it has none.
    fn content(&self, body: usize) -> &'a [u8] {
        self.segment_end(body).and_then(|end| self.bytes.get(body + 2..end)).unwrap_or_default()
    }

    /// Collects a segment. Returns the position after it and its entropy-coded data; `None` when it cannot be part of
    /// this image.
    fn segment(&mut self, marker: u8, body: usize, image: &mut Collected<'a>) -> Option<usize> {
        let end = self.segment_end(body)?;
        let content = self.content(body);
        if !is_needed(marker) {
            image.read_application(marker, content);
            return Some(end);
        }
        let mut segment = Segment { marker, content, scan: None, entropy: &[] };
        if is_frame(marker) {
            if image.scans > 0 {
                return None;
            }
            let frame = Frame::parse(marker, content)?;
            self.first_frame.get_or_insert_with(|| frame.clone());
            image.segments.retain(|segment| !is_frame(segment.marker));
            image.frame = Some(frame);
        } else if marker == START_OF_SCAN {
            image.frame.as_ref()?;
            let after = self.entropy_end(end)?;
            segment.scan = Some(Scan::parse(content)?);
            segment.entropy = &self.bytes[end..after];
            image.segments.push(segment);
            image.scans += 1;
            return Some(after);
        }
        image.segments.push(segment);
        Some(end)
    }

    /// The end of the entropy-coded data from `at`: the next marker that is no restart marker.
    fn entropy_end(&self, mut at: usize) -> Option<usize> {
        loop {
            at = self.next_marker_byte(at)?;
            let rest = &self.bytes[at..];
            let fill = rest.iter().take_while(|byte| **byte == 0xff).count();
            match rest.get(fill)? {
                0x00 | RESTART..=0xd7 => at += fill + 1,
                _ => return Some(at),
            }
        }
    }

    /// Whether tables or a frame header follow directly. They never follow a photo, but a thumbnail.
    fn goes_on(&self, at: usize) -> bool {
        self.marker(at).is_some_and(|(marker, body)| {
            marker != START_OF_SCAN && is_needed(marker) && is_plausible(marker, self.content(body), None)
        })
    }

    /// Reads the image after a thumbnail that was taken for the photo, since its start was not recognised.
    fn image_after_thumbnail(
        &mut self,
        at: usize,
        thumbnail: &Collected<'a>,
        trust: Trust,
    ) -> Option<(Collected<'a>, usize)> {
        self.attempts = self.attempts.checked_sub(1)?;
        let begun = Collected { frame: None, segments: Vec::new(), scans: 0, ..*thumbnail };
        self.image(at, begun, trust)
    }

    /// Decides about a start marker inside an image. The image that begins there is a thumbnail if the surrounding one
    /// goes on after it. Otherwise the surrounding one was broken off, and this may be the photo.
    fn start_inside(
        &mut self,
        body: usize,
        may_be_photo: bool,
        outer: &Collected<'a>,
        trust: Trust,
    ) -> Inside<'a> {
        let Some(attempts) = self.attempts.checked_sub(1) else { return Inside::Skip(body) };
        self.attempts = attempts;
        let first_frame = self.first_frame.clone();
        let inner = self.image(body, Collected::default(), Trust { nested: true, ..trust });
        let Some((inner, end)) = inner else { return Inside::Skip(body) };
        if let Some((outer, end)) = self.image(end, outer.clone(), Trust { nested: true, ..trust })
            && outer.clone().complete().is_some()
        {
            self.first_frame = first_frame;
            return Inside::Image(Box::new(outer), end);
        }
        if may_be_photo { Inside::Image(Box::new(inner), end) } else { Inside::Skip(end) }
    }

    /// Continues after an application segment that is not followed by a marker: where its length says, and from its
    /// content on. Of two images the larger one is the photo, and the other one its thumbnail.
    fn application_of_wrong_length(
        &mut self,
        marker: u8,
        body: usize,
        mut image: Collected<'a>,
        trust: Trust,
    ) -> Option<(Collected<'a>, usize)> {
        self.attempts = self.attempts.checked_sub(1)?;
        let trust = Trust { in_application_segment: true, ..trust };
        let content = self.content(body);
        let content = if content.is_empty() { self.bytes.get(body + 2..)? } else { content };
        image.read_application(marker, &content[..content.len().min(usize::from(u16::MAX))]);
        let after_length = self.segment_end(body).and_then(|end| self.image(end, image.clone(), trust));
        let within = self.image(body, image, trust);
        let complete = |(image, _): &(Collected<'a>, usize)| image.clone().complete().is_some();
        let (after_length, within) = (after_length.filter(complete), within.filter(complete));
        let pixels = |(image, _): &(Collected<'a>, usize)| {
            image.frame.as_ref().map_or(0, |frame| u64::from(frame.width) * u64::from(frame.height))
        };
        match (after_length, within) {
            (Some(one), Some(other)) => Some(if pixels(&one) >= pixels(&other) { one } else { other }),
            (one, other) => one.or(other),
        }
    }
}

/// What a start marker inside an image begins.
enum Inside<'a> {
    /// The photo, with the position after it.
    Image(Box<Collected<'a>>, usize),
    /// Nothing that matters, up to this position.
    Skip(usize),
}

impl<'a> Collected<'a> {
    /// Reads what decides about the pixels' meaning: colours and orientation.
    fn read_application(&mut self, marker: u8, content: &'a [u8]) {
        const TRANSFORM: usize = 11;
        match marker {
            JFIF => self.is_jfif |= content.starts_with(b"JFIF\0"),
            EXIF => {
                let mut block = content;
                // Some programs put a block into another one.
                while let Some(inner) = block.strip_prefix(b"Exif\0") {
                    block = inner.get(1..).unwrap_or_default();
                }
                if block.len() < content.len() {
                    self.orientation = self.orientation.or_else(|| exif::orientation(block));
                }
            }
            ADOBE if content.starts_with(b"Adobe") => {
                self.adobe_transform = content.get(TRANSFORM).copied().or(self.adobe_transform);
            }
            _ => {}
        }
    }

    /// The file, if nothing is missing.
    fn complete(self) -> Option<JpegFile<'a>> {
        let Self { frame, segments, orientation, is_jfif, adobe_transform, .. } = self;
        let frame = frame?;
        completeness::has_all_tables(&frame, &segments).then_some(())?;
        completeness::has_all_coefficients(&frame, &segments).then_some(())?;
        Some(JpegFile { frame, segments, orientation, is_jfif, adobe_transform })
    }
}
