//! Reads the segments of a file, and decides which image in it is the photo.

use super::{
    completeness,
    segment::{
        ADOBE, APPLICATION, COMMENT, END_OF_IMAGE, EXIF, Frame, JFIF, RESTART, START_OF_IMAGE, START_OF_SCAN,
        Scan, Segment, is_frame, is_known, is_needed, is_plausible,
    },
};
use crate::{decode::exif, orientation::Orientation};

/// How often the parser may try another reading of a malformed file.
const MAX_ATTEMPTS: u32 = 8;

/// Reads a file, as long as it has attempts left.
pub(super) struct Parser<'a> {
    bytes: &'a [u8],
    attempts: u32,
    /// Another reading would have been necessary.
    is_exhausted: bool,
    first_frame: Option<Frame>,
    /// The pixels of the largest frame header in any reading.
    most_pixels: u64,
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
pub(super) struct Collected<'a> {
    pub(super) frame: Option<Frame>,
    pub(super) segments: Vec<Segment<'a>>,
    pub(super) orientation: Option<Orientation>,
    pub(super) is_jfif: bool,
    pub(super) adobe_transform: Option<u8>,
    scans: usize,
}

impl<'a> Parser<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, attempts: MAX_ATTEMPTS, is_exhausted: false, first_frame: None, most_pixels: 0 }
    }

    /// The photo; `None` when something is missing.
    ///
    /// A smaller image is no substitute for the photo: it is the thumbnail of a photo that was broken off. Nor is an
    /// image that was found before all readings of the file were tried.
    pub(super) fn photo(&mut self) -> Option<Collected<'a>> {
        const AFTER_START_OF_IMAGE: usize = 2;
        let (image, _) = self.image(AFTER_START_OF_IMAGE, Collected::default(), Trust::default())?;
        let is_photo = !self.is_exhausted && image.pixels() == self.most_pixels;
        (is_photo && image.is_complete()).then_some(image)
    }

    /// The first frame header, even of an incomplete file.
    pub(super) fn into_first_frame(self) -> Option<Frame> {
        self.first_frame
    }

    /// Counts an attempt; `None` when no more is left.
    fn attempt(&mut self) -> Option<()> {
        self.is_exhausted |= self.attempts == 0;
        self.attempts = self.attempts.checked_sub(1)?;
        Some(())
    }

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
                // A run of fill bytes is read once, however long it is.
                at = self.next_marker_byte(at + self.fill_bytes(at).max(1))?;
                at_boundary = false;
                continue;
            };
            match marker {
                END_OF_IMAGE if image.scans > 0 => {
                    return if !trust.nested && self.begins_image(body) {
                        self.photo_or_thumbnail(image, body, trust)
                    } else {
                        Some((image, body))
                    };
                }
                START_OF_IMAGE if image.scans > 0 => return None,
                START_OF_IMAGE if !self.begins_image(body) => at = body,
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
        let fill = self.fill_bytes(at);
        let code = *self.bytes.get(at + fill)?;
        (fill > 0 && is_known(code)).then_some((code, at + fill + 1))
    }

    fn fill_bytes(&self, at: usize) -> usize {
        let rest = self.bytes.get(at..).unwrap_or_default();
        rest.iter().take_while(|byte| **byte == 0xff).count()
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
            self.most_pixels = self.most_pixels.max(frame.pixels());
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

    /// Whether the segments of an image can begin here. If not, a start marker before them is repeated, or its bytes
    /// are of something else.
    fn begins_image(&self, at: usize) -> bool {
        self.marker(at).is_some_and(|(marker, body)| match marker {
            APPLICATION..=0xef | COMMENT => true,
            _ => is_needed(marker) && is_plausible(marker, self.content(body), None),
        })
    }

    /// Decides about an image after whose end marker segments follow. It is a thumbnail whose start was not recognised
    /// if they are a larger image, and else the photo.
    fn photo_or_thumbnail(
        &mut self,
        image: Collected<'a>,
        end: usize,
        trust: Trust,
    ) -> Option<(Collected<'a>, usize)> {
        self.attempt()?;
        let begun = Collected { frame: None, segments: Vec::new(), scans: 0, ..image };
        let next = self.image(end, begun, trust).filter(|(next, _)| next.is_complete());
        let is_photo =
            |(next, _): &(Collected<'a>, usize)| !image.is_complete() || next.pixels() > image.pixels();
        Some(next.filter(is_photo).unwrap_or((image, end)))
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
        if self.attempt().is_none() {
            return Inside::Skip(body);
        }
        let first_frame = self.first_frame.clone();
        let inner = self.image(body, Collected::default(), Trust { nested: true, ..trust });
        let Some((inner, end)) = inner else { return Inside::Skip(body) };
        if let Some((outer, end)) = self.image(end, outer.clone(), Trust { nested: true, ..trust })
            && outer.is_complete()
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
        self.attempt()?;
        let trust = Trust { in_application_segment: true, ..trust };
        let content = self.content(body);
        let content = if content.is_empty() { self.bytes.get(body + 2..)? } else { content };
        image.read_application(marker, &content[..content.len().min(usize::from(u16::MAX))]);
        let after_length = self.segment_end(body).and_then(|end| self.image(end, image.clone(), trust));
        let within = self.image(body, image, trust);
        let complete = |(image, _): &(Collected<'a>, usize)| image.is_complete();
        let (after_length, within) = (after_length.filter(complete), within.filter(complete));
        match (after_length, within) {
            (Some(one), Some(other)) => Some(if one.0.pixels() >= other.0.pixels() { one } else { other }),
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

    fn pixels(&self) -> u64 {
        self.frame.as_ref().map_or(0, Frame::pixels)
    }

    /// Whether nothing is missing.
    fn is_complete(&self) -> bool {
        self.frame.as_ref().is_some_and(|frame| {
            frame.is_supported()
                && completeness::has_all_tables(frame, &self.segments)
                && completeness::has_all_coefficients(frame, &self.segments)
        })
    }
}
