//! Small files that declare large photos.

use std::time::Duration;

#[cfg(feature = "turbojpeg")]
use rustix::time::{ClockId, clock_gettime};

use super::*;
use crate::test_support::{config, photo, workspace};

fn segment(marker: u8, content: &[u8]) -> Vec<u8> {
    [&[0xff, marker][..], &((content.len() + 2) as u16).to_be_bytes(), content].concat()
}

/// The head of a JPEG with one component, and tables whose only code is a zero for the value zero.
fn head(frame: u8, width: u16, height: u16) -> Vec<u8> {
    let size = [height.to_be_bytes(), width.to_be_bytes()].concat();
    let table = |class: u8| [&[class, 1][..], &[0; 15], &[0]].concat();
    [
        b"\xff\xd8".to_vec(),
        segment(0xdb, &[&[0][..], &[1; 64]].concat()),
        segment(frame, &[&[8][..], &size, &[1, 1, 0x11, 0]].concat()),
        segment(0xc4, &[table(0x00), table(0x10)].concat()),
    ]
    .concat()
}

/// A grey photo.
fn baseline(width: u16, height: u16) -> Vec<u8> {
    const BITS_PER_BLOCK: usize = 2;
    let blocks = usize::from(width).div_ceil(8) * usize::from(height).div_ceil(8);
    let data = vec![0; (blocks * BITS_PER_BLOCK).div_ceil(8)];
    [head(0xc0, width, height), segment(0xda, &[1, 1, 0, 0, 63, 0]), data, b"\xff\xd9".to_vec()].concat()
}

/// A grey photo as a progressive JPEG with all of its scans, of one bit a block.
fn progressive(width: u16, height: u16, bands: u8) -> Vec<u8> {
    let blocks = usize::from(width).div_ceil(8) * usize::from(height).div_ceil(8);
    let data = vec![0; blocks.div_ceil(8)];
    let mut file = head(0xc2, width, height);
    file.extend(segment(0xda, &[1, 1, 0, 0, 0, 0]));
    file.extend(&data);
    for band in 0..bands {
        let edge = |band: u8| 1 + (63 * usize::from(band) / usize::from(bands)) as u8;
        file.extend(segment(0xda, &[1, 1, 0, edge(band), edge(band + 1) - 1, 0]));
        file.extend(&data);
    }
    [file, b"\xff\xd9".to_vec()].concat()
}

/// A photo with arithmetic coding, whose decisions are all the more probable ones.
fn arithmetic(width: u16, height: u16) -> Vec<u8> {
    [head(0xc9, width, height), segment(0xda, &[1, 1, 0, 0, 63, 0]), vec![0; 64], b"\xff\xd9".to_vec()]
        .concat()
}

fn decoder() -> Decoder {
    Decoder::new(Bounds::of(&config()))
}

fn cost(bytes: Vec<u8>) -> Result<Cost, PhotoFault> {
    decoder().inspect(&photo(bytes), config().detection.decoded_side).cost
}

#[cfg(feature = "turbojpeg")]
#[test]
fn photos_of_50_and_108_megapixels_are_decoded_to_fewer_pixels() {
    for ((width, height), largest) in [((8160, 6144), (8160, 6144)), ((12_000, 9000), (6000, 4500))] {
        let mut decoder = decoder();
        let bytes = photo(baseline(width, height));
        let mut picture = decoder.decode(&bytes, config().detection.decoded_side).unwrap();
        assert_eq!(picture.reduction, 8);
        assert_eq!(picture.size, (width.into(), height.into()));
        decoder.decode_larger(&mut picture, 1).unwrap();
        assert_eq!(picture.raster.size(), largest);
        let reserved = decoder.inspect(&bytes, config().detection.decoded_side).cost.unwrap().bytes;
        assert!(picture.raster.rgb().len() as u64 <= reserved && reserved <= config().limits.max_photo_bytes);
    }
}

#[test]
fn scans_count_as_work() {
    // A real photo of this size has about ten scans of three components, or 440 million samples.
    assert!(cost(progressive(8000, 5000, 12)).is_ok());
    let limits = config().limits;
    for (bands, megasamples) in [(14, 600.0), (15, 640.0), (63, 2560.0)] {
        let expected =
            if megasamples > limits.max_coded_megasamples { Err(PhotoFault::TooLarge) } else { Ok(()) };
        assert_eq!(cost(progressive(8000, 5000, bands)).map(|_| ()), expected, "{bands}");
    }
    let mut decoder = decoder();
    let refused = decoder.decode(&photo(progressive(8000, 5000, 63)), 640).map(|_| ());
    assert_eq!(refused, Err(PhotoFault::TooLarge.into()));
}

#[test]
fn coefficients_count_as_memory() {
    let [baseline, progressive] =
        [baseline(4000, 3000), progressive(4000, 3000, 1)].map(|file| cost(file).unwrap());
    let coefficients = progressive.bytes - baseline.bytes;
    assert!(coefficients.abs_diff(12_000_000 * 2) < 3_000_000, "{coefficients}");
    // A photo for which nothing but its coefficients has room is refused.
    let mut bounds = Bounds::of(&config());
    bounds.limits.max_photo_bytes = 12_000_000 * 2;
    let decoder = Decoder::new(bounds);
    let inspected = decoder.inspect(&photo(self::progressive(4000, 3000, 1)), 640);
    assert_eq!(inspected.cost, Err(PhotoFault::TooLarge));
}

#[test]
fn a_photo_is_never_decoded_past_its_deadline() {
    let jpeg = std::fs::read(workspace("people/images/101_s1.jpg")).unwrap();
    let mut png = std::io::Cursor::new(Vec::new());
    image::load_from_memory(&jpeg).unwrap().write_to(&mut png, image::ImageFormat::Png).unwrap();
    let mut decoder = decoder();
    for file in [jpeg, png.into_inner()] {
        let bytes = photo(file);
        decoder.set_deadline(Some(Instant::now()));
        assert_eq!(decoder.decode(&bytes, 640).map(|_| ()), Err(FaceError::Expired));
        decoder.set_deadline(Some(Instant::now() + Duration::from_mins(1)));
        assert!(decoder.decode(&bytes, 640).is_ok());
    }
    // Too large to be finished in the time that is left.
    decoder.set_deadline(Some(Instant::now() + Duration::from_millis(50)));
    let large = photo(baseline(8000, 6000));
    assert_eq!(decoder.decode(&large, 640).map(|_| ()), Err(FaceError::Expired));
}

/// A decoder reads zeros after its end, so that nothing shows whether some of it is missing.
#[test]
fn arithmetic_coding_is_refused_before_it_is_decoded() {
    assert_eq!(cost(arithmetic(64, 64)), Err(PhotoFault::Unreadable));
    assert_eq!(
        decoder().decode(&photo(arithmetic(64, 64)), 640).map(|_| ()),
        Err(PhotoFault::Unreadable.into())
    );
    assert!(decoder().decode(&photo(baseline(64, 64)), 640).is_ok());
}

/// The processor time counts, since other tests run at the same time.
#[cfg(feature = "turbojpeg")]
#[test]
fn a_decoder_that_cannot_be_stopped_takes_no_longer_than_was_computed() {
    let cpu = || Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap();
    for file in [progressive(4000, 3000, 49), baseline(12_000, 9000)] {
        let bytes = photo(file);
        let computed = decoder().inspect(&bytes, 640).cost.unwrap().longest();
        let mut decoder = decoder();
        decoder.set_deadline(Some(Instant::now() + computed / 2));
        let began = Instant::now();
        assert_eq!(decoder.decode(&bytes, 640).map(|_| ()), Err(FaceError::Expired));
        assert!(began.elapsed() < computed / 2, "it was not begun");
        decoder.set_deadline(Some(Instant::now() + Duration::from_mins(1)));
        let before = cpu();
        assert!(decoder.decode(&bytes, 640).is_ok());
        let took = cpu().saturating_sub(before);
        assert!(took < computed * 3 / 2, "{took:?} instead of {computed:?}");
    }
}

/// The walk through the data is made for a photo with bytes behind it.
#[test]
fn the_walk_through_the_data_ends_at_the_deadline() {
    let parsed = baseline(12_000, 9000);
    let file = ParsedJpeg::of(&parsed).file.unwrap();
    let within = |time: Duration| TimeLeft { deadline: Some(Instant::now() + time), longest: Duration::ZERO };
    let time = within(Duration::ZERO);
    assert_eq!((entropy::scan_lengths(&file, &time), time.fault()), (None, FaceError::Expired));
    let time = within(Duration::from_mins(1));
    assert!(entropy::scan_lengths(&file, &time).is_some());
    assert_eq!(time.fault(), PhotoFault::Unreadable.into());
}
