//! Damages good photos at random places. Photos with all of their pixels must decode to the same pixels as before, and
//! all others must be refused.

use std::ops::Range;

use proptest::{
    prelude::*,
    test_runner::{Config as PropertyConfig, RngSeed, TestCaseResult, TestRunner},
};

use super::*;
use crate::test_support::{config, fixture, photo, workspace};

/// The tests draw the same damages in every run. Some damage to entropy-coded data cannot be noticed, by chance.
const SEED: RngSeed = RngSeed::Fixed(18);

/// A photo that is intact, with the positions of its segments.
pub(super) struct GoodPhoto {
    pub(super) bytes: Vec<u8>,
    /// The segments before the data of the first scan, each with its marker.
    segments: Vec<(u8, Range<usize>)>,
    /// The data of the only scan.
    pub(super) data: Range<usize>,
}

impl GoodPhoto {
    fn new(bytes: Vec<u8>) -> Self {
        let mut segments = Vec::new();
        let mut at = 2;
        loop {
            let length = usize::from(u16::from_be_bytes([bytes[at + 2], bytes[at + 3]]));
            let segment = at..at + 2 + length;
            segments.push((bytes[at + 1], segment.clone()));
            at = segment.end;
            if bytes[segment.start + 1] == 0xda {
                break;
            }
        }
        let data = at..bytes.len() - 2;
        assert_eq!(bytes[data.end..], *b"\xff\xd9");
        Self { bytes, segments, data }
    }

    pub(super) fn person(file: &str) -> Self {
        Self::new(std::fs::read(workspace("people/images").join(file)).unwrap())
    }

    /// A position between two segments.
    fn boundary(&self, place: f64) -> usize {
        self.segments[part(self.segments.len(), place)].1.start
    }

    pub(super) fn insert(&self, at: usize, inserted: &[u8]) -> Vec<u8> {
        [&self.bytes[..at], inserted, &self.bytes[at..]].concat()
    }

    fn replace(&self, range: Range<usize>, replacement: &[u8]) -> Vec<u8> {
        [&self.bytes[..range.start], replacement, &self.bytes[range.end..]].concat()
    }

    fn of_kind(&self, marker: u8) -> Vec<Range<usize>> {
        let found = self.segments.iter().filter(|(kind, _)| *kind == marker);
        found.map(|(_, segment)| segment.clone()).collect()
    }
}

/// The position at a share of a length.
fn part(length: usize, place: f64) -> usize {
    ((length as f64 * place) as usize).min(length - 1)
}

/// Encodes pixels with the tables of the standard.
pub(super) fn encoded(image: impl Into<image::DynamicImage>) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image.into().write_to(&mut bytes, image::ImageFormat::Jpeg).unwrap();
    bytes.into_inner()
}

pub(super) fn segment(marker: &[u8], declared: usize, content: &[u8]) -> Vec<u8> {
    [marker, &(declared as u16).to_be_bytes(), content].concat()
}

fn application(marker: u8, content: &[u8]) -> Vec<u8> {
    segment(&[0xff, marker], content.len() + 2, content)
}

fn exif(content: &[u8]) -> Vec<u8> {
    application(0xe1, &[b"Exif\0\0", content].concat())
}

pub(super) fn thumbnail() -> Vec<u8> {
    encoded(image::open(workspace("people/images/114_s1.jpg")).unwrap().thumbnail(96, 120))
}

/// Random choices for one damage.
#[derive(Debug, Clone)]
struct Choices {
    place: f64,
    other_place: f64,
    number: usize,
    content: Vec<u8>,
}

fn choices() -> impl Strategy<Value = Choices> {
    (0.0..1.0, 0.0..1.0, 0..256_usize, prop::collection::vec(any::<u8>(), 0..600))
        .prop_map(|(place, other_place, number, content)| Choices { place, other_place, number, content })
}

type Damage = fn(&GoodPhoto, &Choices) -> Vec<u8>;

const SAME_NUMBERS: &str = "all components have the same number, and zeros before the end";
const HARMLESS: [(&str, Damage); 24] = [
    ("stuffed bytes between segments", |good, c| {
        good.insert(good.boundary(c.place), &b"\xff\x00".repeat(1 + c.number % 9))
    }),
    ("zeros between segments", |good, c| good.insert(good.boundary(c.place), &vec![0; 1 + c.number])),
    ("fill bytes between segments", |good, c| good.insert(good.boundary(c.place), &vec![0xff; 1 + c.number])),
    ("junk between segments", |good, c| good.insert(good.boundary(c.place), &c.content)),
    ("zeros before the end", |good, c| good.insert(good.data.end, &vec![0; 1 + c.number * 20])),
    ("fill bytes before the end", |good, c| good.insert(good.data.end, &vec![0xff; 1 + c.number])),
    ("text before the end", |good, c| good.insert(good.data.end, &b"padding "[..=c.number % 8].repeat(5))),
    ("an application segment whose marker lost its first byte", |good, c| {
        let marker = [c.number as u8 / 2, 0xe0 + c.number as u8 % 16];
        good.insert(good.boundary(c.place), &segment(&marker, c.content.len() + 2, &c.content))
    }),
    ("a needed segment whose marker lost its first byte", |good, c| {
        let (_, segment) = &good.segments[part(good.segments.len(), c.place)];
        good.replace(segment.start..segment.start + 1, &[0; 1][..c.number % 2])
    }),
    ("profiles numbered wrongly, anywhere and twice", |good, c| {
        let numbers = [c.number as u8 % 5, c.content.first().copied().unwrap_or_default() % 5];
        let profile = application(0xe2, &[b"ICC_PROFILE\0", &numbers[..], &c.content].concat());
        let mut bytes = good.insert(good.boundary(c.place.max(c.other_place)), &profile);
        let first = good.boundary(c.place.min(c.other_place));
        bytes.splice(first..first, profile);
        bytes
    }),
    ("JFIF of another version", |good, c| {
        let jfif = good.of_kind(0xe0)[0].start;
        good.replace(jfif + 9..jfif + 11, &[c.number as u8, (c.place * 255.0) as u8])
    }),
    ("an Adobe marker of odd length or transform", |good, c| {
        let content = [b"Adobe\0\x64\0\0\0\0", &[c.number as u8; 9][..]].concat();
        good.insert(good.boundary(c.place), &application(0xee, &content[..5 + c.number % 16]))
    }),
    ("an application segment that declares less than it has", |good, c| {
        let marker = [0xff, 0xe1 + c.number as u8 % 13];
        let declared = part(c.content.len() + 2, c.other_place);
        good.insert(good.boundary(c.place), &segment(&marker, declared, &c.content))
    }),
    ("an application segment that declares more than it has", |good, c| {
        let marker = [0xff, 0xe1 + c.number as u8 % 13];
        let declared = c.content.len() + 3 + c.number * c.number;
        good.insert(good.boundary(c.place), &segment(&marker, declared, &c.content))
    }),
    ("an application segment beyond the end of the file", |good, c| {
        good.insert(good.boundary(c.place), &segment(b"\xff\xe1", 0xffff, &c.content))
    }),
    ("EXIF of random bytes", |good, c| good.insert(good.boundary(c.place), &exif(&c.content))),
    ("EXIF that lies about its directory", |good, c| {
        let tiff = [b"MM\0\x2a", &(c.number as u32 * 7).to_be_bytes()[..], &c.content].concat();
        good.insert(good.boundary(c.place), &exif(&tiff))
    }),
    ("EXIF in EXIF", |good, c| {
        good.insert(good.boundary(c.place), &exif(&[b"Exif\0\0", &exif(&c.content)[..]].concat()))
    }),
    ("EXIF of wrong length with a thumbnail", |good, c| {
        let thumbnail = thumbnail();
        let content = [b"Exif\0\0MM\0\x2a", &c.content[..], &thumbnail].concat();
        let declared = 2 + part(content.len(), c.other_place);
        good.insert([2, good.segments[1].1.start][c.number % 2], &segment(b"\xff\xe1", declared, &content))
    }),
    ("data after the end", |good, c| [&good.bytes[..], &c.content].concat()),
    ("a table after the end", |good, c| {
        let tables = [good.of_kind(0xc4), good.of_kind(0xdb)].concat();
        let table = tables[part(tables.len(), c.place)].clone();
        [&good.bytes[..], &good.bytes[table], &c.content].concat()
    }),
    (SAME_NUMBERS, |good, c| {
        let mut bytes = good.insert(good.data.end, &vec![0; 4 + c.number]);
        let frame = good.of_kind(0xc0)[0].start + 10;
        let scan = good.of_kind(0xda)[0].start + 5;
        for component in 0..3 {
            bytes[frame + 3 * component] = c.content.len() as u8;
            bytes[scan + 2 * component] = c.content.len() as u8;
        }
        bytes
    }),
    ("a scan header without coefficients", |good, _| {
        good.replace(good.data.start - 3..good.data.start, &[0; 3])
    }),
    ("a second start marker", |good, c| good.insert(2, &b"\xff\xd8".repeat(1 + c.number % 3))),
];

const HARMFUL: [(&str, Damage); 10] = [
    ("the end is cut off", |good, c| good.bytes[..good.data.start + part(good.data.len(), c.place)].to_vec()),
    ("the end is cut off, and an end marker is added", |good, c| {
        let end = good.data.start + part(good.data.len() - 60, c.place);
        [&good.bytes[..end], b"\xff\xd9"].concat()
    }),
    ("the end marker is missing", |good, _| good.bytes[..good.data.end].to_vec()),
    ("data is missing", |good, c| {
        let missing = 300 + c.number * 10;
        let start = good.data.start + part(good.data.len() - missing, c.place);
        good.replace(start..start + missing, b"")
    }),
    ("data is replaced by zeros", |good, c| {
        let replaced = 1000 + c.number * 10;
        let start = good.data.start + part(good.data.len() - replaced, c.place);
        good.replace(start..start + replaced, &vec![0; replaced])
    }),
    ("the end is replaced by zeros", |good, c| {
        let start = good.data.end - 4 - part(good.data.len() / 2, c.place);
        good.replace(start..good.data.end, &vec![0; good.data.end - start])
    }),
    ("data is replaced by a marker", |good, c| {
        let start = good.data.start + part(good.data.len() - 100, c.place);
        good.replace(start..start + 2, &[0xff, 1 + (c.number as u8).min(0xfd)])
    }),
    ("a table is missing", |good, c| {
        let tables = [good.of_kind(0xc4), good.of_kind(0xdb)].concat();
        good.replace(tables[c.number % tables.len()].clone(), b"")
    }),
    ("the frame header is missing", |good, _| {
        let frame = [good.of_kind(0xc0), good.of_kind(0xc2)].concat();
        good.replace(frame[0].clone(), b"")
    }),
    ("the photo was broken off, and only its thumbnail is complete", |good, c| {
        let thumbnail = thumbnail();
        let content = [b"Exif\0\0MM\0\x2a", &c.content[..], &thumbnail].concat();
        let declared = content.len() + 2 + c.number % 2 * 100;
        let bytes = good.insert(2, &segment(b"\xff\xe1", declared, &content));
        bytes[..bytes.len() - 2 - part(good.data.len(), c.place)].to_vec()
    }),
];

pub(super) fn decode(bytes: Vec<u8>) -> Result<Picture, FaceError> {
    Decoder::new(Bounds::of(&config())).decode(&photo(bytes), u32::MAX)
}

/// Runs a property with the same random choices every time.
fn for_all_choices(cases: u32, property: impl Fn(Choices) -> TestCaseResult) {
    let config =
        PropertyConfig { cases, rng_seed: SEED, failure_persistence: None, ..PropertyConfig::default() };
    TestRunner::new(config).run(&choices(), property).unwrap();
}

/// The kinds that the decoder in use reads. The portable one tells components by their numbers.
fn harmless() -> Vec<(&'static str, Damage)> {
    let is_read = |kind: &str| cfg!(feature = "turbojpeg") || kind != SAME_NUMBERS;
    HARMLESS.into_iter().filter(|(kind, _)| is_read(kind)).collect()
}

fn good_photos() -> [GoodPhoto; 3] {
    ["101_s1.jpg", "114_id.jpg", "110_s2.jpg"].map(GoodPhoto::person)
}

#[test]
fn a_photo_with_all_of_its_pixels_is_read_whatever_else_is_wrong() {
    for good in good_photos() {
        let expected = decode(good.bytes.clone()).unwrap();
        for (kind, damage) in harmless() {
            for_all_choices(40, |choices| {
                let decoded = decode(damage(&good, &choices));
                prop_assert!(decoded.is_ok(), "{kind}");
                prop_assert!(decoded.unwrap().raster.rgb() == expected.raster.rgb(), "{kind}: other pixels");
                Ok(())
            });
        }
    }
}

#[test]
fn a_photo_with_missing_pixels_is_unreadable() {
    for good in good_photos() {
        for (kind, damage) in HARMFUL {
            for_all_choices(40, |choices| {
                let decoded = decode(damage(&good, &choices)).map(|_| ());
                prop_assert_eq!(decoded, Err(PhotoFault::Unreadable.into()), "{}", kind);
                Ok(())
            });
        }
    }
}

#[test]
fn several_harmless_damages_together_are_harmless() {
    let good = GoodPhoto::person("101_s1.jpg");
    let expected = decode(good.bytes.clone()).unwrap();
    for_all_choices(60, |choices| {
        let padded = good.insert(good.data.end, &[0; 12]);
        let zeroed =
            GoodPhoto::new(GoodPhoto::new(padded).replace(good.data.start - 3..good.data.start, &[0; 3]));
        let harmless = harmless();
        let (_, damage) = harmless[choices.number % harmless.len()];
        let decoded = decode(damage(&zeroed, &choices));
        prop_assert!(decoded.is_ok_and(|decoded| decoded.raster.rgb() == expected.raster.rgb()));
        Ok(())
    });
}

#[test]
fn a_missing_or_misnumbered_restart_marker_makes_a_photo_unreadable() {
    let whole = fixture("odd/restart.jpg");
    assert!(decode(whole.clone()).is_ok());
    let markers: Vec<_> =
        whole.windows(2).enumerate().filter(|(_, bytes)| matches!(bytes, [0xff, 0xd0..=0xd7])).collect();
    assert!(markers.len() > 3, "{}", markers.len());
    for (at, marker) in &markers {
        let renumbered = [0xff, 0xd0 + (marker[1] + 3) % 8];
        for replacement in [&b""[..], &renumbered] {
            let damaged = [&whole[..*at], replacement, &whole[at + 2..]].concat();
            assert!(decode(damaged).is_err(), "at {at}: {replacement:?}");
        }
    }
}

/// The last scans of a progressive JPEG only refine the picture, and decoders do not miss them.
#[test]
fn a_progressive_jpeg_without_its_last_scans_is_unreadable() {
    let whole = fixture("odd/progressive.jpg");
    let scans: Vec<_> =
        whole.windows(2).enumerate().filter(|(_, bytes)| **bytes == [0xff, 0xda]).map(|(at, _)| at).collect();
    assert!(scans.len() > 4);
    assert!(decode(whole.clone()).is_ok());
    for at in &scans[1..] {
        let cut = [&whole[..*at], b"\xff\xd9"].concat();
        assert!(decode(cut).is_err(), "cut at {at} of {}", whole.len());
        let padded = [&whole[..*at], &[0; 30], &whole[*at..]].concat();
        assert!(decode(padded).is_ok(), "padding at {at}");
    }
}

/// Nothing else says that its inks are stored inverted.
#[test]
fn cmyk_without_adobes_marker_is_unreadable() {
    for file in ["odd/cmyk.jpg", "odd/ycck.jpg"] {
        let whole = fixture(file);
        assert!(whole[2..].starts_with(b"\xff\xee\x00\x0eAdobe"), "{file}");
        assert!(decode(whole.clone()).is_ok());
        let stripped = [&whole[..2], &whole[18..]].concat();
        let cut = [&whole[..2], &application(0xee, b"Adobe\0\x64"), &whole[18..]].concat();
        for damaged in [stripped, cut] {
            assert_eq!(decode(damaged).map(|_| ()), Err(PhotoFault::Unreadable.into()), "{file}");
        }
    }
}

#[test]
fn every_orientation_is_read_from_a_long() {
    let good = GoodPhoto::person("101_s1.jpg");
    for value in 1..=8 {
        let [short, long] = [(3, [0, value, 0, 0]), (4, [0, 0, 0, value])].map(|(kind, value)| {
            let entry = [b"\x01\x12\0", &[kind][..], &[0, 0, 0, 1], &value].concat();
            let tiff = [b"MM\0\x2a\0\0\0\x08\0\x01", &entry[..], &[0; 4]].concat();
            decode(good.insert(2, &exif(&tiff))).unwrap().orientation
        });
        assert_eq!(short, long, "{value}");
        assert_eq!(short == Orientation::UPRIGHT, value == 1, "{value}");
    }
}

#[test]
fn a_broken_off_image_before_the_photo_is_never_mixed_with_it() {
    let good = GoodPhoto::person("101_s1.jpg");
    let expected = decode(good.bytes.clone()).unwrap();
    for end in [2, 10, good.segments[3].1.start, good.data.start, good.data.start + 500] {
        let twice = [&good.bytes[..end], &good.bytes].concat();
        if let Ok(decoded) = decode(twice) {
            assert!(decoded.raster.rgb() == expected.raster.rgb(), "{end}");
        }
    }
}
