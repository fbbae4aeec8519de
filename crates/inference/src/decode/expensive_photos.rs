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

/// A progressive JPEG that has all of its scans. They are empty: only their headers are read.
fn progressive(width: u16, height: u16, bands: u8) -> Vec<u8> {
    let mut file = head(0xc2, width, height);
    file.extend(segment(0xda, &[1, 1, 0, 0, 0, 0]));
    for band in 0..bands {
        let edge = |band: u8| 1 + (63 * usize::from(band) / usize::from(bands)) as u8;
        file.extend(segment(0xda, &[1, 1, 0, edge(band), edge(band + 1) - 1, 0]));
    }
    [file, b"\xff\xd9".to_vec()].concat()
}

/// Data of arithmetic coding after which every decision is the more probable one, without further data: 63 large
/// coefficients in each block, which take 33 decisions each. Made by `scripts/hostile.py`.
const ENDLESS_COEFFICIENTS: &str = "\
    87613892436080c4c9c4921b04056fb41381bb4ec613e59258b550b1f5717fc41380b3ce0eab5903405f5a0ccfc011e1f9ac\
    1cd97e72f409ad6b5ad6b5ad6b5ad6b5ad6ab8882a92672bcb9c313a954abd8f1110f9d12c722f3b24bf6c17a5460400101b\
    e8c506dfbf047b87d20923fa74b622eabe7971517f66db2c73ec10a1dbac1475fa031a53cc64cb59f98374261b4925d0833e\
    b1bbb1dd7e6dbd516c8ee3f04a49f6ac728ab4f24420efaa70e3235ea85f22bac8e3235ea85e32b2c8e3235ea8a84d4b91c6\
    46bd517e87e3238c8d7aa2fd0fc647191af545fa1f8c8e3235ea8bf43f191c646bd517e87e3238c8d7aa2fd0fc647191af54\
    5fa1f8c8e3235ea8bf43f191c646bd517e87e3238c8d7aa2fd0fc647191af545fa1f8c8e3235ea8bf43f191c646bd517e87e\
    3238c8d7aa2fd0fc647191af545fa1f8c8e3235ea8bf43f191c646bd517e87e3238c8d7aa2fd0fc647191af545fa1f8c8e32\
    35ea8bf43f191c646bd517e87e3238c8d7aa2fd0fc647191af545fa1f8c8e3235ea8bf43f191c646bd517e87e3238c8d7a9d\
    5b40";

/// A photo of 441 bytes with one component, whose arithmetic coding takes long.
fn arithmetic(width: u16, height: u16) -> Vec<u8> {
    let data = hex::decode(ENDLESS_COEFFICIENTS).unwrap();
    [head(0xc9, width, height), segment(0xda, &[1, 1, 0, 0, 63, 0]), data, b"\xff\xd9".to_vec()].concat()
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

#[test]
fn arithmetic_coding_counts_as_the_work_that_it_is() {
    let limits = config().limits;
    // A block of 64 samples counts 64-fold.
    let accepted = cost(arithmetic(3000, 3000)).unwrap();
    assert!((accepted.megasamples - 9.0 * 64.0).abs() < 1e-9, "{accepted:?}");
    assert!(accepted.megasamples <= limits.max_coded_megasamples);
    assert_eq!(cost(arithmetic(3200, 3200)), Err(PhotoFault::TooLarge));
    assert!(cost(baseline(3200, 3200)).is_ok());
}

/// The processor time counts, since other tests run at the same time.
#[cfg(feature = "turbojpeg")]
#[test]
fn a_decoder_that_cannot_be_stopped_takes_no_longer_than_was_computed() {
    let cpu = || Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap();
    for file in [arithmetic(3000, 3000), baseline(12_000, 9000)] {
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
